"""Review the audit trail since a moment: errors, latency, events an hour, and how the tapes ended. Canaries count nowhere."""

import statistics
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kpi import clock
from kpi.audit import Record, is_production, is_production_end, records_since, verify
from kpi.checking import Check
from kpi.config import PipelineConfig
from kpi.verdict import Verdict

ERRORS_LISTED = 20
ERRORS_NAMED = 3
ROWS = 1000  # what the threshold of latency is for
CRITICAL_HOURS = 1.0 / 6.0  # the table calls slow tapes critical only after ten minutes


def review(config: PipelineConfig, since: datetime) -> dict[str, Any]:
    """What the trail says about the time since; verdict, values, thresholds and the newest errors."""
    everything = list(records_since(config.paths["audit"], clock.stamp(since)))
    records = [record for record in everything if is_production(record)]
    hours = max((clock.now() - since).total_seconds(), 1.0) / 3600.0
    errors = [_brief(record) for record in records if record["status"] == "error"]
    runs = [one for one in records if is_production_end(one)]
    check = Check("log_review", n=len(records))
    check.values |= {"hours": round(hours, 3), "events": dict(Counter(one["event"] for one in records))}
    check.values["canary_events"] = len(everything) - len(records)
    _judge_events(config, check, since, hours)
    _judge_chain(config, check)
    _judge_errors(config, check, runs, hours)
    _judge_latency(config, check, records, runs, hours)
    return {
        **check.as_json(),
        "since": clock.stamp(since),
        "timestamp": clock.stamp(),
        "errors": errors[-ERRORS_LISTED:],
    }


def _judge_events(config: PipelineConfig, check: Check, since: datetime, hours: float) -> None:
    check.values["audit_events_per_hour"] = None
    if not check.n:
        canaries = check.values["canary_events"]
        found = f"no audit event of production since {clock.stamp(since)}, and {canaries} of canaries"
        step = "see that the service runs, that tapes are delivered, and that --since is right"
        check.blame(Verdict.WARN if canaries else Verdict.INCONCLUSIVE, "no_events", found, step)
    # A young service has had no hour yet: a rate over minutes would cry wolf, or would be silent by luck.
    if hours >= 1.0:
        limits = config.limits("audit_events_per_hour")
        check.judge_limits("audit_events_per_hour", check.n / hours, limits, above=False)


def _judge_chain(config: PipelineConfig, check: Check) -> None:
    breaks = [f"{problem.where}: {problem.found}" for problem in verify(config.paths["audit"]).problems]
    check.judge_none(Verdict.FAIL, "audit_chain", "breaks in the audit chain", breaks, "keep the file as evidence")


def _judge_errors(config: PipelineConfig, check: Check, runs: Sequence[Record], hours: float) -> None:
    """Tapes that did not come through: in an hour, or in all as long as it is not over."""
    failed = [one for one in runs if one["event"] == "run_failed"]
    check.values |= {"runs": len(runs), "runs_failed": len(failed)}
    named = [f"{one['details']['tape']} ({', '.join(one['details']['codes'])})" for one in failed[-ERRORS_NAMED:]]
    words = f"; the newest: {', '.join(named)}"
    check.judge_limits("errors_per_hour", len(failed) / max(hours, 1.0), config.limits("errors_per_hour"), also=words)


def _judge_latency(
    config: PipelineConfig, check: Check, records: Sequence[Record], runs: Sequence[Record], hours: float
) -> None:
    """What tapes took, and their median for 1000 rows, which is what the threshold is for; a smaller tape counts as one of 1000."""
    rows = {one["details"]["run_id"]: one["details"]["rows"] or 0 for one in records if one["event"] == "tape_ingested"}
    took = [(sum(one["details"]["latency_ms"].values()), rows.get(one["details"]["run_id"], 0)) for one in runs]
    check.values["latency_ms"] = _spread([milliseconds for milliseconds, _ in took])
    if not took:
        return
    each = [milliseconds / max(1.0, count / ROWS) for milliseconds, count in took]
    slowest, _ = max(zip(runs, each, strict=True), key=lambda one: one[1])
    limits = config.limits("kpi_latency_ms")
    if hours < CRITICAL_HOURS:
        limits = {level: limit for level, limit in limits.items() if level != "critical"}
    words = f" a tape of {ROWS} rows, median of {len(each)}; the slowest: {slowest['details']['tape']}"
    check.judge_limits("kpi_latency_ms", round(statistics.median(each), 3), limits, also=words)


def _brief(record: Record) -> dict[str, Any]:
    shown = ("tape", "kpi", "kpi_status", "reason", "codes")
    return {
        "at": record["at"],
        "event": record["event"],
        **{name: record["details"][name] for name in shown if name in record["details"]},
    }


def _spread(latency: list[float]) -> dict[str, float]:
    if not latency:
        return {}
    ordered = sorted(latency)
    return {
        "median": round(statistics.median(ordered), 3),
        "max": round(ordered[-1], 3),
        "p95": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 3),
    }
