"""The verdict of a watch in two plain sentences, for somebody who was not there; and how fast a fault was noticed and undone."""

from collections import Counter
from dataclasses import dataclass

from cutover.console.text import span
from cutover.core.times import between
from cutover.core.verdict import Verdict
from cutover.monitor.views.story import RuleFinding, WatchStory
from cutover.monitor.views.text import called, hour
from cutover.timeline.endings import Ending, listed
from cutover.timeline.timeline import Integrity

TONE = {Verdict.PASS: "good", Verdict.WARN: "warn"}


@dataclass(frozen=True)
class TriggerDetection:
    """When a trigger fired (ISO 8601 UTC, real time), and how long each part took in seconds; None where it is not known."""

    trigger: RuleFinding
    last_good: str | None  # the last sample at which its rule was well; before it the fault cannot have begun
    back: str | None  # the rollback had ended
    detected_within_s: float | None  # from the last good sample until the trigger fired
    back_after_s: float | None  # from the trigger until the rollback had ended
    whole_s: float | None  # from the last good sample until then: at most so long were users served badly


def detection(story: WatchStory) -> TriggerDetection | None:
    """Of the first trigger of the watch; None where none fired."""
    if not story.triggers:
        return None
    trigger = story.triggers[0]
    fired, before = trigger.last.at, trigger.before
    good, back = before.at if before else None, story.back.at if story.back else None
    return TriggerDetection(
        trigger, good, back, between(good, fired) if good else None, between(fired, back) if back else None,
        between(good, back) if good and back else None,
    )  # fmt: skip


def watch_ending(story: WatchStory, integrity: Integrity, old: str, *, rolled_back: bool = False) -> Ending:
    """How the watch ended, or how it is going; `old` is what the old release is called.

    `rolled_back`: the run's own journal has a rollback.
    """
    if integrity.broken:
        first = f"The journal of the watch was altered: {integrity.broken}."
        return Ending(
            "watch: not to be trusted", "bad", first, "What follows is taken from the records before the break."
        )
    if story.rollback is not None:
        return _back(story, old)
    second = _second(story)
    if story.end_word == "gone" or (rolled_back and story.finished is None):
        first = f"The watch ended at {hour(story.end)}: another command rolled the run back to {old}."
        return Ending("watch: ended", "warn", first, second)
    if hold := story.waiting:
        why = "; ".join(hold.reasons).rstrip(".")
        first = f"The watch is on hold {hold.where} and waits for a person: {why}."
        return Ending("watch: on hold", "warn", first, f"If nobody decides: {called(hold.default)}. {second}")
    if story.finished is None:
        first = f"The watch is at {hour(story.end)}; the newest verdict of the fleet is {story.fleet}."
        return Ending("watch: under way", "quiet" if story.fleet.lets_pass else "bad", first, second)
    were = "host was" if len(story.hosts) == 1 else "hosts were"
    first = f"{len(story.hosts)} {were} watched for {span(story.end)} ({listed(story.hosts)}): {_sum(story)}."
    return Ending(f"watch: {story.final}", TONE.get(story.final, "bad"), first, second)


def _sum(story: WatchStory) -> str:
    """The decision points in words; of one that was not passed, who opened it after all."""
    if not story.decided:
        return f"{story.final}, without a decision point"
    passed = list(dict.fromkeys(one.name for one in story.decided if one.verdict.lets_pass))
    words = [f"{listed(passed)} passed"] if passed else []
    for point in story.decided:
        if not point.verdict.lets_pass:
            holds = (one for one in story.holds if called(one.point) == point.name and one.when.t >= point.when.t)
            hold = next(holds, None)
            said = f": {hold.answer}" if hold and hold.closed else ""
            words.append(f"{point.name} was {point.verdict} ({point.answer}{said})")
    return "; ".join(words)


def _second(story: WatchStory) -> str:
    samples = sum(host.samples for host in story.hosts.values())
    missed = sum(host.missed for host in story.hosts.values())
    failed = f"{missed} failed" if missed else "all succeeded"
    gone = sum(gap.end - gap.start for gap in story.gaps)
    gaps = f"; no samples for {span(gone)}" if story.gaps else ""
    by = Counter(one.verdict for one in story.findings)
    found = [f"{by[verdict]} {verdict}" for verdict in reversed(Verdict) if by[verdict]]
    findings = f"Findings: {', '.join(found)}." if found else "No findings."
    return f"{f'{samples:,}'.replace(',', ' ')} samples, {failed}{gaps}. {findings}"


def _back(story: WatchStory, old: str) -> Ending:
    found = detection(story)
    by = found.trigger.words if found else "; ".join(story.reasons) or "a person decided it"
    by = by.rstrip(".")
    if story.back is None or story.back_code not in (0, 4):
        first = f"The watch rolled the fleet back to {old} ({by}), and the rollback is not complete."
        return Ending("watch: a person is needed", "bad", first, "Take care of the hosts that are named below, now.")
    first = f"The watch rolled the fleet back to {old}: {by}."
    if found is None:
        return Ending("watch: rolled back", "bad", first, _second(story))
    seen = "at the first sample" if found.detected_within_s is None else f"within {found.detected_within_s:.1f} s"
    whole = f", {found.whole_s:.1f} s in all" if found.whole_s is not None else ""
    second = f"It was detected {seen} and the fleet was back on {old} {found.back_after_s:.1f} s after that{whole}."
    return Ending("watch: rolled back", "bad", first, second)
