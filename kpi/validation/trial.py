"""One validation of the live service: canaries are sent, what the service wrote is read, the five checks judge it."""

import secrets
import time
from dataclasses import dataclass
from typing import Any

from kpi import clock
from kpi.audit import Record, Verification, records_since
from kpi.config import PipelineConfig
from kpi.counters import CANARIES, KINDS, TAPES
from kpi.exposition import label
from kpi.findings import Finding, UsageError
from kpi.outputs import LATEST
from kpi.validation import canaries
from kpi.validation.audit_trail import audit_trail
from kpi.validation.data_integrity import data_integrity
from kpi.validation.error_handling import error_handling
from kpi.validation.kpi_calculations import LAST_RUNS, kpi_calculations
from kpi.validation.ledger import reconcile
from kpi.validation.live import (
    Health,
    ask_health,
    ask_metrics,
    committed_here,
    production_runs,
    read_json,
    read_trail,
    since_start,
    tape_of,
    unreasoned,
)
from kpi.validation.performance import performance
from kpi.validation.report import Report
from kpi.validation.v1_tape import copies

POLL_SECONDS = 0.1
AGREE_TRIES = 20


def judge_live(config: PipelineConfig, timeout: float, *, full: bool) -> Report:
    """Judge the live service; see kpi.validation.validate."""
    _refuse_missing_directories(config)
    deadline, begun = time.monotonic() + timeout, clock.stamp()
    health = ask_health(config)
    sent = [] if health.why_not else _build(f"{time.time_ns():x}{secrets.token_hex(3)}", config)
    before = ask_metrics(config)
    try:
        answers = canaries.send_and_await(config, sent, deadline)
        return _judge(config, _Trial(answers, before, begun, deadline, full))
    finally:
        canaries.clean_up(config, sent)


def _build(token: str, config: PipelineConfig) -> list[canaries.Canary]:
    return [*canaries.build(token, config), *copies(token, config)]


@dataclass(frozen=True)
class _Trial:
    answers: list[canaries.CanaryAnswer]
    before: dict[str, float]  # the counters, before the first canary was sent
    begun: str
    deadline: float
    full: bool


def _judge(config: PipelineConfig, trial: _Trial) -> Report:
    health, answers = ask_health(config), trial.answers
    _wait_for_first_run(config, health, trial.deadline)
    committed = committed_here(config)
    seen, runs, latest = _agreeing(config)
    recent = list(records_since(config.paths["audit"], trial.begun))  # the canaries' own, whatever else has happened
    stock = reconcile(config)
    checks = (
        kpi_calculations(config, health, runs, answers, latest, stock.in_flight),
        data_integrity(config, stock, runs),
        performance(config, health, answers, recent),
        error_handling(health, answers, recent, trial.before, _settled_metrics(config, trial), unreasoned(config)),
        audit_trail(config, read_trail(config, full=True) if trial.full else seen, health, answers, recent, committed),
    )
    return Report(checks, health)


def _wait_for_first_run(config: PipelineConfig, health: Health, deadline: float) -> None:
    """Right after its start the service may not have had a tape yet."""
    while not health.why_not and time.monotonic() < deadline:
        if sum(ask_metrics(config).get(f"{TAPES}{{{label(outcome=kind)}}}", 0) for kind in KINDS):
            return
        time.sleep(POLL_SECONDS)


def _settled_metrics(config: PipelineConfig, trial: _Trial) -> dict[str, float]:
    """The counters once the last canary is counted, which is just after it was moved."""
    sent = sum(1 for answer in trial.answers if answer.room)
    names = [f"{CANARIES}{{{label(outcome=kind)}}}" for kind in KINDS]
    tries = AGREE_TRIES
    while True:
        tries -= 1
        after = ask_metrics(config)
        if not tries or not after or sum(after.get(name, 0) - trial.before.get(name, 0) for name in names) >= sent:
            return after
        time.sleep(POLL_SECONDS)


def _agreeing(config: PipelineConfig) -> tuple[Verification, list[Record], dict[str, Any]]:
    """Trail and latest.json as of one moment: the service goes on while we read, so read until they agree."""
    tries = AGREE_TRIES
    while True:
        tries -= 1
        latest = read_json(config.paths["metrics"] / LATEST)
        seen = read_trail(config)
        runs = production_runs(since_start(config, seen, LAST_RUNS))
        accepted = [run["details"]["sha256"] for run in runs if run["event"] == "run_completed"]
        if not tries or not accepted or tape_of(latest).get("sha256") == accepted[-1]:
            return seen, runs, latest
        time.sleep(POLL_SECONDS)


def _refuse_missing_directories(config: PipelineConfig) -> None:
    missing = [path for path in config.paths.values() if not path.is_dir()]
    if missing:
        step = "validate runs on the host of the service, with the config of the service; start the service first"
        raise UsageError([Finding("config", str(path), "is not a directory", step) for path in missing])
