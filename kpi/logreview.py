"""Review the audit trail since a moment: errors, latency, events an hour, and how the tapes ended."""

import statistics
from collections import Counter
from datetime import datetime
from typing import Any

from kpi import clock
from kpi.audit import Record, is_production_end, records_since, verify
from kpi.checking import Check
from kpi.config import PipelineConfig
from kpi.verdict import Verdict

ERRORS_LISTED = 20


def review(config: PipelineConfig, since: datetime) -> dict[str, Any]:
    """What the trail says about the time since; verdict, figures, thresholds and the newest errors."""
    records = list(records_since(config.paths["audit"], clock.stamp(since)))
    hours = max((clock.now() - since).total_seconds(), 1.0) / 3600.0
    errors = [record for record in records if record["status"] == "error" and not record["details"].get("canary")]
    runs = [one for one in records if is_production_end(one)]
    check = Check("log_review", n=len(records))
    check.judge(
        bool(records),
        Verdict.INCONCLUSIVE,
        "no_events",
        f"no audit event since {clock.stamp(since)}",
        "see that the service runs and that --since is right",
    )
    check.judge_none(
        Verdict.FAIL,
        "audit_chain",
        "breaks in the audit chain",
        [str(problem.found) for problem in verify(config.paths["audit"]).problems],
        "keep the file as evidence",
    )
    failed = [one for one in runs if one["event"] == "run_failed"]
    # A young service has had no hour yet: a rate over minutes would cry wolf, or would be silent by luck.
    if hours >= 1.0:
        check.judge_limits("errors_per_hour", len(failed) / hours, config.limits("errors_per_hour"))
        limits = config.limits("audit_events_per_hour")
        check.judge_limits("audit_events_per_hour", len(records) / hours, limits, above=False)
    else:
        check.values |= {"errors_per_hour": None, "audit_events_per_hour": None}
        check.judge_limits("errors_per_hour", float(len(failed)), config.limits("errors_per_hour"))
    latency = [sum(one["details"]["latency_ms"].values()) for one in runs]
    check.values |= {
        "hours": round(hours, 3),
        "events": dict(Counter(one["event"] for one in records)),
        "runs": len(runs),
        "runs_failed": len(failed),
        "latency_ms": _spread(latency),
    }
    return {
        **check.as_json(),
        "since": clock.stamp(since),
        "timestamp": clock.stamp(),
        "errors": [_brief(record) for record in errors[-ERRORS_LISTED:]],
    }


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
