"""Check: the audit chain is whole, goes as far as the service says, and has the events of what was processed."""

import math

from kpi import clock
from kpi.audit import ENDS, Record, Verification, production
from kpi.checking import Check
from kpi.config import PipelineConfig
from kpi.validation.canaries import CanaryAnswer
from kpi.validation.live import CommittedTape, Health, window_start
from kpi.verdict import Verdict

KEEP = "keep the file as evidence"


def audit_trail(
    config: PipelineConfig,
    seen: Verification,
    health: Health,
    answers: list[CanaryAnswer],
    recent: list[Record],
    committed: list[CommittedTape],
) -> Check:
    """The chain is whole, it goes as far as the service says, and it has the events of what was processed."""
    check = Check("audit_trail", n=seen.events)
    check.values |= {
        "events": seen.events,
        "seq": seen.seq,
        "head": seen.hash,
        "sealed_segments": seen.segments,
        "followed": seen.parsed,
        "by_digest": seen.digested,
        "by_size_only": seen.unread,
    }
    check.thresholds |= {"breaks": 0}
    breaks = [f"{problem.where}: {problem.found}" for problem in seen.problems]
    check.judge_none(Verdict.FAIL, "audit_chain", "breaks in the chain", breaks, KEEP)
    said = int(health.document.get("audit", {}).get("seq", 0))
    found = f"the service has recorded {said} events, the trail ends at {seen.seq}"
    check.judge(seen.seq >= said, Verdict.FAIL, "audit_cut", found, KEEP)
    if not seen.records:
        check.blame(Verdict.FAIL, "audit_silent", "there are no events", "see that audit/ can be written")
        return check
    _judge_complete(check, seen, answers, recent, committed)
    own = production(seen.records)  # our canaries' events are seconds old, and say nothing of the service's work
    check.values |= {"production_events": own.events, "last_production_event_at": own.last_at or None}
    age = (clock.now() - clock.parse(own.last_at)).total_seconds() if own.last_at else math.inf
    check.judge_limits("audit_silence_seconds", round(age, 1), config.limits("audit_silence_seconds"))
    return check


def _judge_complete(
    check: Check, seen: Verification, answers: list[CanaryAnswer], recent: list[Record], committed: list[CommittedTape]
) -> None:
    """Each tape whose outputs were written since the records at hand begin must have its end among them."""
    ended = {record["details"].get("sha256") for record in (*seen.records, *recent) if record["event"] in ENDS}
    expected = {answer.canary.delivery.digest: answer.canary.delivery.name for answer in answers if answer.room}
    since = window_start(seen)
    expected |= {one.digest: one.name for one in committed if one.written_at >= since}
    missing = [name for digest, name in expected.items() if digest not in ended]
    check.judge_none(Verdict.FAIL, "audit_missing", "processed without an event", missing, KEEP)
    check.values["tapes_with_events"] = len(expected)
