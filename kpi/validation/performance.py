"""Check: how long the service takes for tapes of 1000 rows, by its own clock; its throughput and its memory."""

import statistics

from kpi.audit import Record
from kpi.config import PipelineConfig
from kpi.recipes import RECIPES
from kpi.validation.canaries import Answer
from kpi.validation.live import Health, memory_mb, service_is_down
from kpi.validation.report import Check
from kpi.verdict import Verdict


def performance(config: PipelineConfig, health: Health, answers: list[Answer], records: list[Record]) -> Check:
    """How long the service took for tapes of 1000 rows, by its own clock; its throughput and its memory."""
    check = Check("performance")
    good = {answer.canary.delivery.digest: answer for answer in answers if not answer.canary.expected}
    timed = {
        record["details"]["sha256"]: record["details"]["latency_ms"]
        for record in records
        if record["event"] == "run_completed" and record["details"]["sha256"] in good
    }
    check.n = len(timed)
    if service_is_down(check, health):
        return check
    late = [answer.canary.kind for answer in good.values() if not answer.room]
    check.judge_none(
        Verdict.FAIL,
        "canary_unanswered",
        "canaries not processed in time",
        late,
        "see what the worker is doing: /healthz, journal, processing/",
    )
    if timed:
        rows = RECIPES["A"].rows
        whole = statistics.median(sum(latency.values()) for latency in timed.values())
        calculate = statistics.median(latency["calculate"] for latency in timed.values())
        check.values |= {
            "rows": rows,
            "calculate_ms": calculate,
            "inbox_to_done_s": round(max(answer.seconds for answer in good.values()), 3),
        }
        check.judge_limits("kpi_latency_ms", round(whole, 3), config.limits("kpi_latency_ms"))
        check.judge_limits(
            "throughput_rows_per_second",
            round(rows / max(calculate, 0.001) * 1000.0),
            config.limits("throughput_rows_per_second"),
            above=False,
        )
    memory = memory_mb(int(health.document.get("pid", 0)))
    if memory is None:
        check.blame(
            Verdict.INCONCLUSIVE,
            "memory_unknown",
            "the memory of the service could not be read",
            "run validate on the host of the service",
        )
    else:
        check.judge_limits("memory_mb", memory, config.limits("memory_mb"))
    return check
