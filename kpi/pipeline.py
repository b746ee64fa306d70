"""One tape through ingest -> transform -> calculate -> output: a run, recorded in full also when it fails."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from kpi import clock
from kpi.audit import Event
from kpi.config import PipelineConfig
from kpi.engine import Evaluation, evaluate, refused
from kpi.faults import describe_error
from kpi.findings import Finding, RefusedTapeError
from kpi.outputs import write_outputs
from kpi.personal import Privacy, describe, publishing
from kpi.reading import read_tape
from kpi.release import code_digest, release_id, run_id
from kpi.series import of_record, series
from kpi.tape import Tape
from kpi.tapes.content import Content, no_sign

SCHEMA = 1


@dataclass(frozen=True)
class Delivery:
    """A tape as it was delivered: its name, its bytes or its file, and whether it is one of the tool's own.

    `claimed_as` is the digest that a file was claimed by; what is read is compared with it.
    """

    name: str
    source: bytes | Path
    canary: bool = False
    claimed_as: str = ""

    @property
    def content(self) -> bytes:
        """All its bytes."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()

    @cached_property
    def digest(self) -> str:
        """What it is keyed by."""
        return self.claimed_as or Content(self.name, self.source).digest()


@dataclass(frozen=True)
class Run:
    """What one run came to: the record that was written, and the events for the audit trail."""

    record: dict[str, Any]
    events: tuple[Event, ...]

    @property
    def accepted(self) -> bool:
        """Whether the tape goes to done, not to rejected."""
        return bool(self.record["status"] == "ok")


@dataclass
class _Stopwatch:
    alive: Callable[[], None]
    milliseconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.alive()
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.milliseconds[name] = round((time.perf_counter() - begun) * 1000.0, 3)


def run_tape(config: PipelineConfig, delivery: Delivery, metrics: Path, alive: Callable[[], None] = no_sign) -> Run:
    """Run the whole pipeline on one tape and write its outputs; raises only where outputs cannot be written."""
    started = clock.stamp()
    watch = _Stopwatch(alive)
    with publishing(Privacy.of(config.document.get("personal"))):
        tape, evaluation, error = _compute(config, delivery, watch)
        record = _record(config, delivery, tape, evaluation, started)
    if error:
        record["error"] = error
    if len(record["by_date"]) > 1:
        record["series"] = series(of_record(record))
    record["latency_ms"] = dict(watch.milliseconds)
    with watch.stage("output"):
        digests = write_outputs(metrics, record, config.outputs)
    record["latency_ms"] = dict(watch.milliseconds)
    return Run(record, tuple(_events(record, digests)))


def _compute(config: PipelineConfig, delivery: Delivery, watch: _Stopwatch) -> tuple[Tape | None, Evaluation, str]:
    tape: Tape | None = None
    try:
        with watch.stage("ingest"):
            rules = config.input_rules
            tape = read_tape(delivery.source, delivery.name, rules, delivery.claimed_as, watch.alive)
        with watch.stage("transform"):
            usable = tape.apply_policy(config.quarantine_policy)
        with watch.stage("calculate"):
            return usable, evaluate(usable), ""
    except RefusedTapeError as error:
        return tape, refused(error), ""
    except Exception as error:  # noqa: BLE001 - one poisoned tape must not stop the next; the traceback is kept
        summary, details = describe_error(error)
        step = "a fault of this release: keep the tape and report it with the traceback in the reason file"
        finding = Finding("internal_error", delivery.name, summary, step)
        return tape, refused(RefusedTapeError(finding)), details


def _record(
    config: PipelineConfig, delivery: Delivery, tape: Tape | None, evaluation: Evaluation, started: str
) -> dict[str, Any]:
    digest, known = delivery.digest, tape or Tape(delivery.name, 0, {})
    return {
        "schema": SCHEMA,
        "run_id": run_id(digest, config.digest),
        "release": release_id(),
        "environment": config.environment,
        "status": "failed" if evaluation.findings else "ok",
        "tape": {
            "name": delivery.name,
            "sha256": digest,
            "canary": delivery.canary,
            **known.summary(),
            "personal": describe(known.extra),
        },
        "digests": {"input": digest, "config": config.digest, "code": code_digest()},
        "started_at": started,
        "finished_at": clock.stamp(),
        **evaluation.as_json(),
    }


def _events(record: dict[str, Any], digests: dict[str, str]) -> Iterator[Event]:
    known = {
        "run_id": record["run_id"],
        "tape": record["tape"]["name"],
        "sha256": record["tape"]["sha256"],
        "canary": record["tape"]["canary"],
    }
    latency = record["latency_ms"]
    yield Event("tape_ingested", details={**known, "rows": record["tape"]["rows_read"], "ms": latency.get("ingest")})
    quarantined = record["tape"]["quarantined"]
    yield Event("tape_transformed", "warn" if quarantined else "ok", {**known, "quarantined": quarantined})
    for name, kpi in record["kpis"].items():
        seen = {"kpi": name, "value": kpi["value"], "kpi_status": kpi["status"], "reason": kpi["reason"]}
        yield Event("kpi_calculated", "ok" if kpi["status"] == "ok" else "error", {**known, **seen})
    yield Event("outputs_written", details={**known, "outputs": digests, "ms": latency.get("output")})
    codes = sorted({finding["code"] for finding in record["findings"]})
    outcome = {**known, "verdict": record["verdict"], "codes": codes, "as_of": record["as_of"], "latency_ms": latency}
    yield Event("run_completed" if record["status"] == "ok" else "run_failed", _status(record), outcome)


def _status(record: dict[str, Any]) -> str:
    return "ok" if record["status"] == "ok" else "error"
