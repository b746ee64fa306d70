"""Validate the live service: KPI calculations, data integrity, performance, error handling, audit trail."""

import secrets
import time
from dataclasses import dataclass
from typing import Any

from kpi import VERSION, clock
from kpi.audit import Record, Verification
from kpi.config import PipelineConfig
from kpi.counters import KINDS
from kpi.findings import Finding, UsageError
from kpi.outputs import LATEST
from kpi.release import release_id
from kpi.validation import canaries
from kpi.validation.audit_trail import audit_trail
from kpi.validation.data_integrity import data_integrity
from kpi.validation.error_handling import error_handling
from kpi.validation.kpi_calculations import kpi_calculations
from kpi.validation.ledger import take_stock
from kpi.validation.live import (
    Health,
    ask_health,
    ask_metrics,
    committed_here,
    production_runs,
    read_trail,
    since_start,
)
from kpi.validation.performance import performance
from kpi.validation.report import Check
from kpi.verdict import Verdict, worst

DEFAULT_TIMEOUT = 30.0
LOOK_AGAIN_SECONDS = 0.1
AGREE_TRIES = 20


@dataclass(frozen=True)
class Report:
    """The five checks and what follows from them."""

    checks: tuple[Check, ...]
    health: Health

    @property
    def status(self) -> Verdict:
        """The worst of the five."""
        return worst(check.status for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """`production_validation_report.json`."""
        issues = [issue for check in self.checks for issue in check.as_json()["issues"]]
        return {
            "status": str(self.status),
            "timestamp": clock.stamp(),
            "checks": {check.name: check.as_json() for check in self.checks},
            "issues": issues,
            "service": {
                "version": VERSION,
                "release": release_id(),
                "status": self.health.status,
                "health": self.health.document,
                "error": self.health.error,
            },
        }


def validate(config: PipelineConfig, timeout: float = DEFAULT_TIMEOUT) -> Report:
    """Send canaries through the live inbox, read what the service wrote, and judge it all."""
    _refuse_missing_directories(config)
    deadline = time.monotonic() + timeout
    health = ask_health(config)
    sent = [] if health.why_not else canaries.build(f"{time.time_ns():x}{secrets.token_hex(3)}")
    try:
        canaries.send(config, sent)
        answers = canaries.await_answers(config, sent, deadline)
        return _judge(config, answers, deadline)
    finally:
        canaries.clean_up(config, sent)


def _judge(config: PipelineConfig, answers: list[canaries.Answer], deadline: float) -> Report:
    health = ask_health(config)
    _wait_for_first_run(config, health, deadline)
    committed = committed_here(config)
    seen, runs, latest = _agreeing(config)
    recent = since_start(seen.records)
    stock = take_stock(config)
    checks = (
        kpi_calculations(config, runs, answers, latest, stock.in_flight),
        data_integrity(config, stock, runs),
        performance(config, health, answers, recent),
        error_handling(health, answers, ask_metrics(config)),
        audit_trail(config, seen, health, answers, committed),
    )
    return Report(checks, health)


def _wait_for_first_run(config: PipelineConfig, health: Health, deadline: float) -> None:
    """Right after its start the service may not have had a tape yet."""
    while not health.why_not and time.monotonic() < deadline:
        if sum(ask_metrics(config).get(f'abaco_tapes_total{{outcome="{kind}"}}', 0) for kind in KINDS):
            return
        time.sleep(LOOK_AGAIN_SECONDS)


def _agreeing(config: PipelineConfig) -> tuple[Verification, list[Record], dict[str, Any]]:
    """Trail and latest.json as of one moment: the service goes on while we read, so look until they agree."""
    tries = AGREE_TRIES
    while True:
        tries -= 1
        latest = canaries.read_json(config.paths["metrics"] / LATEST)
        seen = read_trail(config)
        runs = production_runs(since_start(seen.records))
        accepted = [run["details"]["sha256"] for run in runs if run["event"] == "run_completed"]
        if not tries or not accepted or latest.get("tape", {}).get("sha256") == accepted[-1]:
            return seen, runs, latest
        time.sleep(LOOK_AGAIN_SECONDS)


def _refuse_missing_directories(config: PipelineConfig) -> None:
    missing = [path for path in config.paths.values() if not path.is_dir()]
    if missing:
        step = "validate runs on the host of the service, with the config of the service; start the service first"
        raise UsageError([Finding("config", str(path), "is no directory", step) for path in missing])
