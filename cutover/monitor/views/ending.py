"""The verdict of a watch in two plain sentences, for somebody who was not there; and how fast a fault was noticed and undone."""

from dataclasses import dataclass

from cutover.console.text import count
from cutover.core.times import between
from cutover.core.verdict import Verdict
from cutover.monitor.views.clock import hour, span
from cutover.monitor.views.events import Decided, Trigger
from cutover.monitor.views.timeline import WatchStory
from cutover.timeline.endings import Ending, listed
from cutover.timeline.timeline import Integrity

TONE = {Verdict.PASS: "good", Verdict.WARN: "warn"}


@dataclass(frozen=True)
class Detection:
    """How a trigger came about, in real time (ISO 8601 UTC), and how long each part took in seconds; None where it is not known."""

    trigger: Trigger
    last_good: str | None  # the last look at which the rule was well
    first_sign: str  # the first look of those in a row that were not
    back: str | None  # the rollback had ended

    @property
    def sign_to_trigger_s(self) -> float:
        """From the first sign until the trigger was pulled."""
        return between(self.first_sign, self.trigger.when.at)

    @property
    def detected_within_s(self) -> float | None:
        """From the last good look, before which it cannot have begun, until the trigger was pulled."""
        return between(self.last_good, self.trigger.when.at) if self.last_good else None

    @property
    def back_after_s(self) -> float | None:
        """From the trigger until the rollback had ended."""
        return between(self.trigger.when.at, self.back) if self.back else None

    @property
    def whole_s(self) -> float | None:
        """From the last good look until the rollback had ended: at most so long were users served badly."""
        return between(self.last_good, self.back) if self.last_good and self.back else None


def detection(story: WatchStory) -> Detection | None:
    """Of the first trigger of the watch; None where none was pulled."""
    if not story.triggers:
        return None
    trigger = story.triggers[0]
    signs = [
        one
        for one in story.findings
        if one.host == trigger.host and one.rule == trigger.rule and one.first.t <= trigger.when.t <= one.last.t + 1e-6
    ]
    sign = signs[-1] if signs else None
    back = story.back.at if story.back else None
    return Detection(
        trigger, sign.before.at if sign and sign.before else None, sign.first.at if sign else trigger.when.at, back
    )


def watch_ending(story: WatchStory, integrity: Integrity, *, taken_back: bool = False) -> Ending:
    """How the watch ended, or how it stands; `taken_back`: the run's own journal says that a rollback was begun."""
    if integrity.broken:
        first = f"The journal of the watch was altered: {integrity.broken}."
        return Ending(
            "watch: not to be trusted", "bad", first, "What follows is taken from the records before the break."
        )
    if story.rollback is not None:
        return _back(story)
    second = _second(story)
    if story.end_word == "gone" or (taken_back and story.finished is None):
        first = f"The watch ended at {hour(story.end)}: the run was taken back to V1 by another command."
        return Ending("watch: ended", "warn", first, second)
    if story.hold is not None:
        why = f"{'; '.join(story.hold.reasons)}".rstrip(".")
        first = f"The watch is on hold {story.hold.where} and waits for a person: {why}."
        return Ending("watch: on hold", "warn", first, f"Nobody deciding, it will be: {story.hold.default}. {second}")
    if story.finished is None:
        first = f"The watch is at {hour(story.end)}; the newest verdict of the fleet is {story.fleet}."
        return Ending("watch: under way", "quiet" if story.fleet.lets_pass else "bad", first, second)
    verdict = story.verdict or Verdict.INCONCLUSIVE
    were = "host was" if len(story.hosts) == 1 else "hosts were"
    first = f"{len(story.hosts)} {were} watched for {span(story.end)} ({listed(story.hosts)}): {_sum(story)}."
    return Ending(f"watch: {verdict}", TONE.get(verdict, "bad"), first, second)


def _sum(story: WatchStory) -> str:
    """The decision points in words."""
    if not story.decided:
        return f"{story.verdict}, without a decision point"
    good = list(dict.fromkeys(one.name for one in story.decided if one.verdict.lets_pass))
    bad = [_shut(story, one) for one in story.decided if not one.verdict.lets_pass]
    return "; ".join([*([f"{listed(good)} passed"] if good else []), *bad])


def _shut(story: WatchStory, point: Decided) -> str:
    """A point that was not passed, and who opened it after all."""
    hold = next((hold for hold in story.holds if hold.point == point.name and hold.when.t >= point.when.t), None)
    said = f": {hold.decision}, by {hold.by}" if hold and hold.closed else ""
    return f"{point.name} was {point.verdict} ({point.answer}{said})"


def _second(story: WatchStory) -> str:
    looks = sum(host.samples for host in story.hosts.values())
    missed = sum(host.missed for host in story.hosts.values())
    unseen = f"{count(missed, 'look')} did not succeed" if missed else "every one succeeded"
    gone = sum(gap.end - gap.start for gap in story.gaps)
    gaps = f"; for {span(gone)} nobody looked" if story.gaps else ""
    return f"{f'{looks:,}'.replace(',', ' ')} looks, {unseen}{gaps}. {_found(story)}"


def _found(story: WatchStory) -> str:
    by = {verdict: sum(1 for one in story.findings if one.verdict is verdict) for verdict in Verdict}
    told = [f"{number} {verdict}" for verdict, number in reversed(by.items()) if number and verdict is not Verdict.PASS]
    return f"Findings: {', '.join(told)}." if told else "Nothing was found."


def _back(story: WatchStory) -> Ending:
    found = detection(story)
    itself = " by itself" if found else ""
    by = f"{found.trigger.host}: {found.trigger.words}" if found else "; ".join(story.reasons) or "a person decided it"
    by = by.rstrip(".")
    if story.back is None or story.back_code not in (0, 4):
        first = f"The watch took the fleet back to V1 ({by}), and the way back is not complete."
        return Ending("watch: a person is needed", "bad", first, "Look after the hosts that are named below, now.")
    first = f"The watch took the fleet back to V1{itself}: {by}."
    if found is None:
        return Ending("watch: rolled back", "bad", first, _second(story))
    seen = (
        f"noticed within {found.detected_within_s:.1f} s"
        if found.detected_within_s is not None
        else "noticed at the first look"
    )
    after = (
        f"back on V1 {found.back_after_s:.1f} s after that"
        if found.back_after_s is not None
        else "not known to be back"
    )
    whole = f", {found.whole_s:.1f} s in all" if found.whole_s is not None else ""
    return Ending("watch: rolled back", "bad", first, f"It was {seen} and the fleet was {after}{whole}.")
