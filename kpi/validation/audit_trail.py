"""Check: the audit chain is whole, goes as far as the service says, and has the events of what was processed."""

from kpi import clock
from kpi.audit import Verification
from kpi.config import PipelineConfig
from kpi.validation.canaries import Answer
from kpi.validation.live import Health
from kpi.validation.report import Check
from kpi.verdict import Verdict


def audit_trail(
    config: PipelineConfig, seen: Verification, health: Health, answers: list[Answer], committed: dict[str, str]
) -> Check:
    """The chain is whole, it goes as far as the service says, and it has the events of what was processed."""
    check = Check("audit_trail", n=len(seen.records))
    check.values |= {"events": len(seen.records), "seq": seen.seq, "head": seen.hash}
    check.thresholds |= {"breaks": 0}
    check.judge_none(
        Verdict.FAIL,
        "audit_chain",
        "breaks in the chain",
        [f"{problem.where}: {problem.found}" for problem in seen.problems],
        "keep the file as evidence",
    )
    said = int(health.document.get("audit", {}).get("seq", 0))
    check.judge(
        seen.seq >= said,
        Verdict.FAIL,
        "audit_cut",
        f"the service has recorded {said} events, the trail ends at {seen.seq}",
        "keep the file as evidence",
    )
    if not seen.records:
        check.blame(Verdict.FAIL, "audit_silent", "there is no event at all", "see that audit/ can be written")
        return check
    ended = {
        record["details"]["sha256"] for record in seen.records if record["event"] in ("run_completed", "run_failed")
    }
    expected = {answer.canary.delivery.digest: answer.canary.delivery.name for answer in answers if answer.room}
    expected |= committed
    check.judge_none(
        Verdict.FAIL,
        "audit_missing",
        "processed without an event",
        [name for digest, name in expected.items() if digest not in ended],
        "keep the file as evidence",
    )
    check.values["tapes_with_events"] = len(expected)
    age = (clock.now() - clock.parse(seen.records[-1]["at"])).total_seconds()
    check.judge_limits("audit_silence_seconds", round(age, 1), config.limits("audit_silence_seconds"))
    return check
