"""The loop of a watch: sample, judge, decide, notify, wait; until its time is over, a trigger fires, or a person is needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from cutover.core.samples import Judgement, Sample
from cutover.core.verdict import Verdict, worst
from cutover.journal.journal import Journal
from cutover.journal.record import Record
from cutover.monitor.rules.judge import HostJudge
from cutover.monitor.rules.points import PointAnswer, judge_point
from cutover.monitor.rules.rulebook import DecisionPoint, RuleBook
from cutover.monitor.settings import Settings
from cutover.monitor.state import GO_ON, HOUR, ROLL_BACK, Responses, WatchClock, WatchState

Notify = Callable[[str, Sequence[str]], None]  # an event and its reasons; never raises, never waits for people
Judgements = tuple[Judgement, ...]


class Collect(Protocol):
    """Samples all hosts once."""

    def __call__(self, clock: WatchClock, hosts: Sequence[str], *, row: bool) -> list[Sample]:
        """One sample of each host, also of one that does not answer."""
        ...


class Judges:
    """The judge of each host. They follow the watch's journal, so they are the same after a restart of the controller."""

    def __init__(self, book: RuleBook, hosts: Sequence[str], look_s: float) -> None:
        self.latest: dict[str, Judgements] = {}  # by host
        self._book, self._hosts = book, {host: HostJudge(book, host, look_s) for host in hosts}

    def __call__(self, record: Record) -> None:
        """Take in one record."""
        kind, data = record.kind, record.data
        if kind == "sample":
            sample = Sample.from_json(data)
            self.latest[sample.host] = self._hosts[sample.host].take(sample)
        elif kind in ("point", "hold.closed"):
            for judge in self._hosts.values():
                if kind == "point":
                    judge.history.marks[data["name"]] = judge.metrics()
                if kind == "hold.closed" or data["answer"] != "hold":
                    judge.history.decided()

    def at_point(self, point: DecisionPoint) -> PointAnswer:
        """What the hosts' newest rows, and everything since the last decision, come to at a point."""
        return judge_point(point, {host: judge.history for host, judge in self._hosts.items()}, self._book)


AGAIN, AGAIN_S = 5, 15.0  # samples of `once` at most, and the real seconds between them
SETTLE_S = HOUR  # the window of most rules
PATIENCE = 4  # for so many samples a point at which something is not known yet is asked again before that holds


class EndReason(Enum):
    """Why a watch stopped sampling."""

    OVER = "over"  # its time has passed, and nothing stands against it
    LOOKED = "looked"  # it was to sample once
    HELD = "held"  # it waits for a person, and nobody stays with it
    TRIGGERED = "triggered"  # a rule rolls back
    REFUSED = "refused"  # a person, or the declared default, says that it goes back
    GONE = "gone"  # somebody rolled the run back meanwhile


@dataclass(frozen=True)
class WatchEnd:
    """How a watch stopped, the verdict of the last samples, and why."""

    end: EndReason
    verdict: Verdict
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Watch:
    """A watch of some hosts; `state` and `judges` follow its journal. A test brings hosts, people and a clock of its own."""

    settings: Settings
    hosts: tuple[str, ...]
    journal: Journal
    state: WatchState
    judges: Judges
    clock: WatchClock
    collect: Collect
    notify: Notify
    responses: Callable[[str], Responses]
    wait: Callable[[float], None]

    def run(self, *, once: bool, stays: bool) -> WatchEnd:
        """Sample until there is an end. `once`: a single row. `stays`: somebody is there, however long it holds."""
        number = 0
        while True:
            number += 1
            judged = self._sample(row=once)
            verdict = worst(one.verdict for one in judged)
            if triggers := [one for one in judged if one.rolls_back]:
                return self._trigger(triggers, verdict)
            self._hold_for(judged)
            self._points()
            if ended := self._respond(verdict):
                return ended
            hold = self.state.hold
            # Alone it keeps the triggers armed until the deadline, and then reports that nobody came.
            if hold is not None and (once or (not stays and self.state.look_t >= hold.deadline_t)):
                return WatchEnd(EndReason.HELD, verdict, hold.reasons)
            # A single sample must not leave to the next day what has to be seen once more before it rolls back.
            if once and (number == AGAIN or not any(one.pending and one.level == "rollback" for one in judged)):
                return WatchEnd(EndReason.LOOKED, verdict)
            if not once and self._is_over():
                return WatchEnd(EndReason.OVER, verdict)
            self.wait(AGAIN_S if once else self.clock.real_seconds_until(self.state.look_t + self.settings.look_s))

    def _sample(self, *, row: bool) -> list[Judgement]:
        """Sample all hosts: samples and what the rules say of them are on disk before anybody acts on them."""
        self._note_gap()
        t, row_t = self.clock.t, self.state.row_t
        row = row or row_t is None or bool(self.settings.cadence.between(row_t, t)) or bool(self._due(t))
        samples = self.collect(self.clock, self.hosts, row=row)
        self.journal.write_all("sample", [sample.as_json() for sample in samples])
        judged = self.judges.latest
        self.journal.write_all("judged", [self._kept(host, judged[host], t, row=row) for host in self.hosts])
        self.notify("looked", ())
        together = [one for host in self.hosts for one in judged[host]]
        if row:
            self.notify(
                "hourly",
                [f"{one.host}: {one.verdict}: {one.words}" for one in together if one.verdict is not Verdict.PASS],
            )
        return together

    def _kept(self, host: str, found: Judgements, t: float, *, row: bool) -> dict[str, object]:
        """A row keeps all judgements, a sample in between those that are not PASS; the figures of all rules are there to be drawn."""
        kept = [one.as_json() for one in found if row or one.verdict is not Verdict.PASS]
        figures = {one.rule: float(f"{one.value:.6g}") for one in found if one.value is not None}
        verdict = str(worst(one.verdict for one in found))
        return {"host": host, "t": t, "row": row, "verdict": verdict, "judgements": kept, "figures": figures}

    def _note_gap(self) -> None:
        last, now = self.state.look_t, self.clock.t
        if self.state.looks and now - last > self.settings.book.gap_looks * self.settings.look_s:
            why = "no samples: the controller was off, asleep, or could not reach the hosts in time"
            self.journal.write("watch.gap", from_t=last, to_t=now, why=why)

    def _points(self) -> None:
        """Judge every decision point that has come; one that holds or extends is asked again later."""
        for point in self._due(self.state.look_t):
            answer = self.judges.at_point(point)
            if (
                answer.verdict is Verdict.INCONCLUSIVE
                and self.state.look_t < point.at + PATIENCE * self.settings.look_s
            ):
                continue
            self.journal.write("point", name=point.name, t=self.state.look_t, **answer.as_json())
            if answer.decision == "hold":
                self._open_hold(point.name, answer.reasons)
                continue
            if answer.decision == "extend":
                self.journal.write("watch.extended", point=point.name, until_t=self.state.look_t + answer.by)
                self.notify("extended", _in_words(answer.reasons))
            elif roles := self.settings.signers.get(point.name):
                self.notify("signoff_wanted", [f"{point.name}: {', '.join(roles)}"])

    def _due(self, t: float) -> list[DecisionPoint]:
        """The points whose time has come by then and that have no answer yet, moved by what the watch was extended.

        Right after a gap little is known of the last hour: a point then waits until an hour has been seen again.
        """
        settled = self.state.unbroken_t + SETTLE_S if self.state.unbroken_t else 0.0
        moved = [
            replace(point, at=max(settled, self.state.moved.get(point.name, point.at)))
            for point in self.settings.book.points
            if not self.state.settled(point.name)
        ]
        return sorted((point for point in moved if point.at <= t), key=lambda point: point.at)

    def _is_over(self) -> bool:
        """Whether the live watch has come to its end, and every point up to there was passed, by the rules or by a person."""
        until = max(self.settings.live_s, *self.state.moved.values(), 0.0)
        late = self.state.hold is None and self.state.look_t >= until
        return late and all(
            self.state.settled(point.name) for point in self.settings.book.points if point.at <= self.settings.live_s
        )

    # Holds: the watch waits for a person. A rule that fails or a point opens one; a decision or the default closes it.

    def _hold_for(self, judged: Sequence[Judgement]) -> None:
        """Hold for what fails and nobody has decided on."""
        failed = [
            one for one in judged if one.verdict is Verdict.FAIL and (one.host, one.rule) not in self.state.accepted
        ]
        if failed:
            self._open_hold("", failed)

    def _open_hold(self, point: str, reasons: Sequence[Judgement]) -> None:
        """Open one; what comes while one is open is added to the report, not to the wait."""
        if self.state.hold is not None:
            return
        t, settings = self.state.look_t, self.settings
        self.journal.write(
            "hold.opened", point=point, t=t, reasons=_in_words(reasons), about=[[one.host, one.rule] for one in reasons],
            deadline_t=t + settings.hold_s, default=settings.hold_default,
        )  # fmt: skip
        self.notify("hold", _in_words(reasons))

    def _close_hold(self, by: str, decision: str, note: str) -> None:
        self.journal.write("hold.closed", by=by, decision=decision, note=note, t=self.state.look_t)

    def _respond(self, verdict: Verdict) -> WatchEnd | None:
        """What people have decided meanwhile, and what was to happen where they did not."""
        responses, hold = self.responses(self.state.started_at), self.state.hold
        if responses.went_back:
            return WatchEnd(EndReason.GONE, verdict, ("another command rolled the run back",))
        if hold is None:
            return None
        signoff = responses.to(hold)
        if signoff is not None:
            self._close_hold(f"{signoff.name}, {signoff.role}", signoff.decision, signoff.note)
            why = f"{signoff.name} ({signoff.role}): {signoff.note}"
            return None if signoff.decision == GO_ON else WatchEnd(EndReason.REFUSED, verdict, (why,))
        if self.state.look_t < hold.deadline_t or hold.default == "stay":
            return None
        self._close_hold("nobody in time", hold.default, "the declared default")
        if hold.default == ROLL_BACK:
            why = "nobody decided in time; the declared default is to go back"
            return WatchEnd(EndReason.REFUSED, verdict, (why, *hold.reasons))
        return None

    def _trigger(self, triggers: Sequence[Judgement], verdict: Verdict) -> WatchEnd:
        for one in triggers:
            self.journal.write("trigger", **one.as_json())
        return WatchEnd(EndReason.TRIGGERED, verdict, tuple(_in_words(triggers)))


def _in_words(reasons: Sequence[Judgement]) -> list[str]:
    return [f"{one.host}: {one.words}" for one in reasons]
