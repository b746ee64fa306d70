"""Check: bad tapes sent through the live inbox are rejected, each with its own reason; none failed by our fault."""

from kpi.validation.canaries import Answer
from kpi.validation.live import Health, service_is_down
from kpi.validation.report import Check
from kpi.verdict import Verdict


def error_handling(health: Health, answers: list[Answer], metrics: dict[str, float]) -> Check:
    """Bad tapes sent through the live inbox must be rejected, each with its own reason; none may fail by our fault."""
    check = Check("error_handling")
    if service_is_down(check, health):
        return check
    for answer in answers:
        if answer.canary.expected:
            _judge_refusal(check, answer)
    check.n = sum(1 for answer in answers if answer.canary.expected)
    failed = metrics.get('abaco_tapes_total{outcome="failed"}')
    check.values["failed_tapes"] = failed
    check.thresholds["failed_tapes"] = {"warn": 0}
    if failed is None:
        check.blame(Verdict.FAIL, "no_metrics", "/metrics does not say how many tapes failed", "ask it by hand")
    else:
        check.judge(
            failed == 0,
            Verdict.WARN,
            "tapes_failed",
            f"{failed:.0f} tapes failed by a fault of this release",
            "read their .reason.json files: they hold the traceback",
        )
    return check


def _judge_refusal(check: Check, answer: Answer) -> None:
    kind, expected = answer.canary.kind, answer.canary.expected
    codes = answer.reason.get("codes", [])
    check.values[kind] = {"ended_in": answer.room or "nowhere in time", "codes": codes}
    check.thresholds[kind] = {"ends_in": "rejected", "code": expected}
    check.judge(
        answer.room == "rejected" and expected in codes,
        Verdict.FAIL,
        "wrong_refusal",
        f"the {kind} canary ended in {answer.room or 'no place'} with {codes or 'no reason'}; "
        f"it must be rejected as {expected}",
        "do not trust this release with bad input; roll back",
    )
    values = [name for name, kpi in answer.metrics.get("kpis", {}).items() if kpi.get("value") is not None]
    check.judge(
        not values,
        Verdict.FAIL,
        "number_from_bad_input",
        f"the {kind} canary got numbers: {', '.join(values)}",
        "roll back",
    )
