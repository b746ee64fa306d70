"""The main story of a watch: look, judge, decide, tell, wait; until its time is over, a trigger is pulled, or a person is needed."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from cutover.core.samples import Judgement, Sample
from cutover.core.verdict import Verdict, worst
from cutover.journal.journal import Journal
from cutover.journal.record import Record
from cutover.monitor.rules.judge import HostJudge
from cutover.monitor.rules.points import Answer, History, Reason, Standing, judge_point, points_between
from cutover.monitor.rules.rulebook import Point, RuleBook
from cutover.monitor.settings import Settings
from cutover.monitor.state import GO_ON, ROLL_BACK, Answers, WatchClock, Watched

# What a watch does to the world, as it is given to it: looking at hosts, telling people.


class Look(Protocol):
    """Looks at all hosts once."""

    def __call__(self, clock: WatchClock, hosts: Sequence[str], *, row: bool) -> list[Sample]:
        """One sample of each host."""
        ...


class Tell(Protocol):
    """Tells people of an event; never raises, never waits for them."""

    def __call__(self, event: str, reasons: Sequence[str]) -> None:
        """What happened, and why."""
        ...


# The judges of all hosts of a watch, fed look by look; after a restart of the controller they are fed the journal.


@dataclass(frozen=True)
class _Seat:
    judge: HostJudge
    history: History


class Jury:
    """One judge and one history a host."""

    def __init__(self, book: RuleBook, hosts: Sequence[str], look_s: float) -> None:
        self.book = book
        self._seats = {host: _Seat(HostJudge(book, host, look_s), History()) for host in hosts}
        self._rows: dict[str, tuple[Judgement, ...]] = {}

    def take(self, samples: Iterable[Sample]) -> dict[str, tuple[Judgement, ...]]:
        """What the rules say of each host after this look."""
        found = {}
        for sample in samples:
            seat = self._seats[sample.host]
            found[sample.host] = judgements = seat.judge.take(sample)
            seat.history.take(judgements)
            if sample.row:
                self._rows[sample.host] = judgements
        return found

    def at_point(self, point: Point) -> Answer:
        """What the hosts' newest rows, and everything since the last decision, come to at a point."""
        return judge_point(point, self._standings(), self.book)

    def mark(self, point: str) -> None:
        """Keep how the hosts are at a point, for later ones."""
        for seat in self._seats.values():
            seat.history.mark(point, seat.judge.metrics())

    def decided(self) -> None:
        """What failed so far was decided on, and is not asked again."""
        for seat in self._seats.values():
            seat.history.decided()

    def replay(self, records: Iterable[Record]) -> None:
        """Take in what a journal says, as if it had been seen just now."""
        for record in records:
            if record.kind == "sample":
                self.take([Sample.from_json(record.data)])
            elif record.kind == "point":
                self.mark(record.data["name"])
                if record.data["answer"] != "hold":
                    self.decided()
            elif record.kind == "hold.closed":
                self.decided()

    def _standings(self) -> dict[str, Standing]:
        return {
            host: seat.history.standing(self._rows.get(host, ()), seat.judge.metrics())
            for host, seat in self._seats.items()
        }


# Holds: the watch waits for a person. It is opened by a rule that fails or by a point, and closed by a decision or a default.


@dataclass(frozen=True)
class Holding:
    """Opens and closes holds, in the journal, and has people told."""

    settings: Settings
    journal: Journal
    watched: Watched
    jury: Jury
    tell: Tell

    def open_for(self, judged: Sequence[Judgement]) -> None:
        """Open one for what fails and nobody has decided on; what comes while one is open is added to the report, not to the wait."""
        fresh = [
            one for one in judged if one.verdict is Verdict.FAIL and (one.host, one.rule) not in self.watched.accepted
        ]
        if fresh and self.watched.hold is None:
            self._open("", [f"{one.host}: {one.words}" for one in fresh], [(one.host, one.rule) for one in fresh])

    def open_at(self, point: Point, reasons: Sequence[Reason]) -> None:
        """Open one at a decision point."""
        if self.watched.hold is None:
            about = [(reason.host, reason.rule) for reason in reasons]
            self._open(point.name, [f"{reason.host}: {reason.words}" for reason in reasons], about)

    def close(self, by: str, decision: str, note: str) -> None:
        """Somebody, or the declared default, has decided."""
        self.journal.write("hold.closed", by=by, decision=decision, note=note, t=self.watched.look_t)
        self.jury.decided()

    def _open(self, point: str, reasons: Sequence[str], about: Sequence[tuple[str, str]]) -> None:
        t = self.watched.look_t
        self.journal.write(
            "hold.opened", point=point, t=t, reasons=list(reasons), about=[list(one) for one in about],
            deadline_t=t + self.settings.hold_s, default=self.settings.hold_default,
        )  # fmt: skip
        self.tell("hold", reasons)


AGAIN, AGAIN_S = 5, 15.0  # looks of `once` at most, and the real seconds between them
SETTLE_S = 3600.0  # the window of most rules
PATIENCE_LOOKS = 4  # so often a point at which something is not known yet is asked again before that holds
GAP_LOOKS = 3  # so many looks in a row that were not made are a gap, which is told


class End(Enum):
    """Why a watch stopped looking."""

    OVER = "over"  # its time has passed, and nothing stands against it
    LOOKED = "looked"  # it was to look once
    HELD = "held"  # it waits for a person, and nobody stays with it
    TRIGGERED = "triggered"  # a rule rolls back
    REFUSED = "refused"  # a person, or the declared default, says that it goes back
    GONE = "gone"  # somebody took the run back meanwhile


@dataclass(frozen=True)
class Ended:
    """How a watch stopped, the verdict of the last look, and why."""

    end: End
    verdict: Verdict
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Watch:
    """A watch of some hosts; `watched` follows its journal."""

    settings: Settings
    hosts: tuple[str, ...]
    journal: Journal
    watched: Watched
    jury: Jury
    clock: WatchClock
    look: Look
    tell: Tell
    answers: Callable[[str], Answers]
    wait: Callable[[float], None]

    def run(self, *, once: bool, stays: bool) -> Ended:
        """Look until there is an end. `once`: a single look, a recorded row. `stays`: somebody is there, however long it holds."""
        holding = Holding(self.settings, self.journal, self.watched, self.jury, self.tell)
        for number in itertools.count(1):
            judged = self._look_once(row=once)
            verdict = worst(one.verdict for one in judged)
            if pulled := [one for one in judged if one.rolls_back]:
                return self._trigger(pulled, verdict)
            holding.open_for(judged)
            self._points(holding)
            if ended := self._heard(holding, verdict):
                return ended
            if self._leaves_held(once=once, stays=stays):
                return Ended(End.HELD, verdict, self.watched.hold.reasons if self.watched.hold else ())
            if once and (number == AGAIN or not _may_be_a_trigger(judged)):
                return Ended(End.LOOKED, verdict)
            if not once and self._is_over():
                return Ended(End.OVER, verdict)
            self.wait(AGAIN_S if once else self.clock.real_seconds_until(self.watched.look_t + self.settings.look_s))
        raise AssertionError("a count does not end")

    def _leaves_held(self, *, once: bool, stays: bool) -> bool:
        """Whether to end while it holds. Alone it keeps the triggers armed until the deadline, and then says that nobody came."""
        hold = self.watched.hold
        return hold is not None and (once or (not stays and self.watched.look_t >= hold.deadline_t))

    def _look_once(self, *, row: bool) -> list[Judgement]:
        """One look: samples and what the rules say of them are on disk before anybody acts on them."""
        self._note_gap()
        t = self.clock.t
        row = row or self._row_due(t) or bool(self._due(t))
        samples = self.look(self.clock, self.hosts, row=row)
        self.journal.write_all("sample", [sample.as_json() for sample in samples])
        judged = self.jury.take(samples)
        self.journal.write_all("judged", [self._kept(host, row, t, found) for host, found in judged.items()])
        self.tell("looked", ())
        if row:
            noted = [one for found in judged.values() for one in found if one.verdict is not Verdict.PASS]
            self.tell("hourly", [f"{one.host}: {one.verdict}: {one.words}" for one in noted])
        return [one for found in judged.values() for one in found]

    def _row_due(self, t: float) -> bool:
        return self.watched.row_t is None or bool(self.settings.cadence.between(self.watched.row_t, t))

    def _kept(self, host: str, row: bool, t: float, found: Sequence[Judgement]) -> dict[str, object]:
        """A row keeps all judgements, a look in between those that are not PASS."""
        kept = [one.as_json() for one in found if row or one.verdict is not Verdict.PASS]
        verdict = str(worst(one.verdict for one in found))
        return {"host": host, "t": t, "row": row, "verdict": verdict, "judgements": kept}

    def _note_gap(self) -> None:
        last, now = self.watched.look_t, self.clock.t
        if self.watched.looks and now - last > GAP_LOOKS * self.settings.look_s:
            self.journal.write(
                "watch.gap", from_t=last, to_t=now, from_at=self.clock.at_real(last), to_at=self.clock.now(),
                why="nobody looked: the controller was off, asleep, or could not reach the hosts in time",
            )  # fmt: skip

    def _points(self, holding: Holding) -> None:
        """Judge every decision point that has come; one that holds or extends is asked again later."""
        for point in self._due(self.watched.look_t):
            if self._unsettled(point):
                continue
            answer = self.jury.at_point(point)
            if answer.verdict is Verdict.INCONCLUSIVE and self.watched.asked.get(point.name, 0) < PATIENCE_LOOKS:
                self._postpone(point, self.watched.look_t + self.settings.look_s, answer.reasons[0].words)
                continue
            self.journal.write("point", name=point.name, t=self.watched.look_t, **answer.as_json())
            self.jury.mark(point.name)
            reasons = [f"{reason.host}: {reason.words}" for reason in answer.reasons]
            if answer.decision == "go_on":
                self.jury.decided()
                self._want_signatures(point)
            elif answer.decision == "extend":
                self.jury.decided()
                self.journal.write("watch.extended", point=point.name, until_t=self.watched.look_t + answer.by)
                self.tell("extended", reasons)
            else:
                holding.open_at(point, answer.reasons)

    def _unsettled(self, point: Point) -> bool:
        """Right after a gap little is known of the last hour: a point then waits until an hour has been seen again."""
        since = self.watched.unbroken_t
        until = since + SETTLE_S
        if since and self.watched.look_t < until:
            self._postpone(point, until, f"looked at without a gap since hour {since / 3600:.1f} only")
            return True
        return False

    def _postpone(self, point: Point, until_t: float, why: str) -> None:
        self.journal.write("point.postponed", name=point.name, t=self.watched.look_t, until_t=until_t, why=why)

    def _due(self, t: float) -> tuple[Point, ...]:
        """The points whose time has come by then and that have no answer yet, moved by what the watch was extended."""
        moved = [
            Point(**{**vars(point), "at": self.watched.moved.get(point.name, point.at)})
            for point in self.settings.book.points
            if self.watched.points.get(point.name) not in ("go_on", "hold")
        ]
        return points_between(moved, -1.0, t)

    def _want_signatures(self, point: Point) -> None:
        roles = self.settings.signers.get(point.name, ())
        if roles:
            self.tell("signoff_wanted", [f"{point.name}: {', '.join(roles)}"])

    @property
    def _live_until(self) -> float:
        return max(self.settings.live_s, *self.watched.moved.values(), 0.0)

    def _is_over(self) -> bool:
        """Whether the live watch has come to its end, and every point up to there was passed, by the rules or by a person."""
        until = self.settings.live_s
        late = self.watched.hold is None and self.watched.look_t >= self._live_until
        return late and all(
            self.watched.points.get(point.name) in ("go_on", "hold")
            for point in self.settings.book.points
            if point.at <= until
        )

    def _heard(self, holding: Holding, verdict: Verdict) -> Ended | None:
        """What people have decided meanwhile, and what was to happen where they did not."""
        answers = self.answers(self.watched.started_at)
        if answers.went_back:
            return Ended(End.GONE, verdict, ("the run was taken back to V1 by another command",))
        hold = self.watched.hold
        if hold is None:
            return None
        said = answers.decision_since(hold.opened_at, hold.point)
        if said is not None:
            holding.close(f"{said.name}, {said.role}", said.decision, said.note)
            return (
                None
                if said.decision == GO_ON
                else Ended(End.REFUSED, verdict, (f"{said.name} ({said.role}): {said.note}",))
            )
        if self.watched.look_t < hold.deadline_t or hold.default == "stay":
            return None
        holding.close("nobody in time", hold.default, "the declared default")
        if hold.default == ROLL_BACK:
            return Ended(
                End.REFUSED, verdict, ("nobody decided in time; the declared default is to go back", *hold.reasons)
            )
        return None

    def _trigger(self, pulled: Sequence[Judgement], verdict: Verdict) -> Ended:
        for one in pulled:
            self.journal.write("trigger", **one.as_json())
        return Ended(End.TRIGGERED, verdict, tuple(f"{one.host}: {one.words}" for one in pulled))


def _may_be_a_trigger(judged: Sequence[Judgement]) -> bool:
    """Whether something has to be seen once more before it rolls back; a single look must not leave that to the next day."""
    return any(one.pending and one.level == "rollback" for one in judged)
