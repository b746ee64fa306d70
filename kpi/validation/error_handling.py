"""Check: bad tapes sent through the live inbox are rejected with their own reason, recorded, and counted."""

import json

from kpi.audit import Record
from kpi.checking import Check
from kpi.counters import CANARIES, TAPES
from kpi.exposition import label
from kpi.validation.canaries import CanaryAnswer
from kpi.validation.live import Health, service_is_down
from kpi.verdict import Verdict

Metrics = dict[str, float]


def error_handling(
    health: Health,
    answers: list[CanaryAnswer],
    records: list[Record],
    before: Metrics,
    after: Metrics,
    unreasoned: list[str],
) -> Check:
    """Bad tapes must be rejected, each with its own reason, and both trail and counters must say so."""
    check = Check("error_handling")
    if service_is_down(check, health):
        return check
    bad = [answer for answer in answers if answer.canary.expected]
    check.n = len(bad)
    for answer in bad:
        _judge_refusal(check, answer)
    for answer in answers:
        if answer.canary.personal and answer.room:
            _judge_privacy(check, answer, records)
    _judge_recorded(check, bad, records)
    _judge_counted(check, answers, before, after)
    _judge_failed(check, after)
    held = [f"{tape}: {why}" for tape, why in health.document.get("held", {}).items()]
    check.values["held"] = held
    step = "clear what is in their way; they are tried again each minute"
    check.judge_none(Verdict.WARN, "tapes_held", "held back by something of their own", held, step)
    step = "a rejection nobody can explain: compare with the audit trail; report it as a fault of this release"
    check.judge_none(Verdict.FAIL, "no_reason", "in rejected/ without a reason", unreasoned, step)
    return check


def _judge_refusal(check: Check, answer: CanaryAnswer) -> None:
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


def _judge_privacy(check: Check, answer: CanaryAnswer, records: list[Record]) -> None:
    """The content of a personal column must be nowhere in what was written; its name must be reported."""
    canary, step = (
        answer.canary,
        "personal data gets out of tapes: stop the service; see to what was written; roll back",
    )
    written = {"its reason": answer.reason, "its metrics": answer.metrics, "the audit trail": records}
    leaks = [where for where, document in written.items() if canary.secret in json.dumps(document, ensure_ascii=False)]
    check.judge_none(Verdict.FAIL, "personal_data_leaked", "where a value of a personal column was found", leaks, step)
    shown = answer.metrics.get("tape", {}).get("personal", {}).get("columns", {})
    named = canary.personal in json.dumps(answer.reason) if canary.expected else canary.personal in shown
    check.values["personal"] = {
        **check.values.get("personal", {"ended_in": answer.room}),
        "column": canary.personal,
        "named": named,
        "leaks": leaks,
    }
    check.judge(
        named,
        Verdict.FAIL,
        "personal_data_unnoticed",
        f"the column {canary.personal} of the personal canary is not named as personal",
        step,
    )


def _judge_recorded(check: Check, bad: list[CanaryAnswer], records: list[Record]) -> None:
    failed = {
        one["details"].get("sha256")
        for one in records
        if one["event"] == "run_failed" and one["status"] == "error" and one["details"].get("codes")
    }
    silent = [one.canary.kind for one in bad if one.room and one.canary.delivery.digest not in failed]
    step = "errors vanish from the audit trail: do not trust this release; roll back"
    check.judge_none(Verdict.FAIL, "error_not_recorded", "rejected without an error in the audit trail", silent, step)


def _judge_counted(check: Check, answers: list[CanaryAnswer], before: Metrics, after: Metrics) -> None:
    """The counters must have grown by what was sent; by more where someone else validates at the same time."""
    for kind, room in (("rejected", "rejected"), ("processed", "done")):
        sample = f"{CANARIES}{{{label(outcome=kind)}}}"
        sent = sum(1 for answer in answers if answer.room == room)
        grown = after[sample] - before[sample] if sample in before and sample in after else None
        check.values[f"canaries_{kind}"] = {"sent": sent, "counted": grown}
        check.thresholds[f"canaries_{kind}"] = {"counted_at_least": sent}
        check.judge(
            grown is not None and grown >= sent,
            Verdict.FAIL,
            "error_not_counted" if kind == "rejected" else "success_not_counted",
            f"{sent} canaries were {kind}, /metrics counts {'none' if grown is None else f'{grown:g}'}",
            "what monitoring reads from /metrics is wrong: do not trust this release; roll back",
        )


def _judge_failed(check: Check, metrics: Metrics) -> None:
    failed = metrics.get(f"{TAPES}{{{label(outcome='failed')}}}")
    check.values["failed_tapes"] = failed
    check.thresholds["failed_tapes"] = {"warn": 0}
    if failed is None:
        check.blame(Verdict.FAIL, "no_metrics", "/metrics does not say how many tapes failed", "ask it by hand")
        return
    check.judge(
        failed == 0,
        Verdict.WARN,
        "tapes_failed",
        f"{failed:.0f} tapes failed by a fault of this release",
        "read their .reason.json files: they hold the traceback",
    )
