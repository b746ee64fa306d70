"""Check: how long the service takes for tapes of 1000 rows, by its own clock and from outside; throughput; memory."""

import statistics

from kpi.audit import Record
from kpi.checking import Check
from kpi.config import PipelineConfig
from kpi.synthetic import RECIPES
from kpi.validation.canaries import POLL_SECONDS, CanaryAnswer
from kpi.validation.live import Health, service_is_down
from kpi.verdict import Verdict
from kpi.vitals import memory_mb


def performance(config: PipelineConfig, health: Health, answers: list[CanaryAnswer], records: list[Record]) -> Check:
    """How long the service took for tapes of 1000 rows, by its own clock and by ours; its throughput and its memory."""
    check = Check("performance")
    if service_is_down(check, health):
        return check
    good = {answer.canary.delivery.digest: answer for answer in answers if answer.canary.is_known}
    late = [answer.canary.kind for answer in good.values() if not answer.room]
    step = "see what the worker is doing: /healthz, journal, processing/"
    check.judge_none(Verdict.FAIL, "canary_unanswered", "canaries not processed in time", late, step)
    timed = [
        record["details"]["latency_ms"]
        for record in records
        if record["event"] == "run_completed" and record["details"]["sha256"] in good
    ]
    check.n = len(timed)
    check.judge(
        len(timed) >= len(good) - len(late) > 0,
        Verdict.INCONCLUSIVE,
        "not_timed",
        f"{len(timed)} of {len(good)} canaries have their times in the audit trail",
        "validate again; see that the service records its runs",
    )
    if timed:
        _judge_times(config, check, timed)
    _judge_from_outside(config, check, [answer.seconds for answer in good.values() if answer.room])
    _judge_memory(config, check, health)
    return check


def _judge_times(config: PipelineConfig, check: Check, timed: list[dict[str, float]]) -> None:
    rows = RECIPES["A"].rows
    whole = statistics.median(sum(latency.values()) for latency in timed)
    calculate = statistics.median(latency["calculate"] for latency in timed)
    check.values |= {"rows": rows, "calculate_ms": calculate}
    check.judge_limits("kpi_latency_ms", round(whole, 3), config.limits("kpi_latency_ms"))
    limits = config.limits("throughput_rows_per_second")
    check.judge_limits("throughput_rows_per_second", round(rows / max(calculate, 0.001) * 1000.0), limits, above=False)


def _judge_from_outside(config: PipelineConfig, check: Check, seconds: list[float]) -> None:
    """The best of all: other tapes may come before a canary, and the service looks into its inbox now and then only."""
    check.values["inbox_to_done_s"] = [round(one, 3) for one in seconds]
    if seconds:
        waited = config.poll_seconds + POLL_SECONDS
        best = max(0.0, min(seconds) - waited) * 1000.0
        check.judge_limits("inbox_to_done_ms", round(best, 3), config.limits("kpi_latency_ms"))


def _judge_memory(config: PipelineConfig, check: Check, health: Health) -> None:
    memory = memory_mb(int(health.document.get("pid", 0)))
    if memory is None:
        step = "run validate on the host of the service"
        check.blame(Verdict.INCONCLUSIVE, "memory_unknown", "the memory of the service could not be read", step)
    else:
        check.judge_limits("memory_mb", memory, config.limits("memory_mb"))
