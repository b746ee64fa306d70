"""Has people told of what a watch comes to, and keeps in its journal who was told what."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from cutover.journal.journal import Journal
from cutover.monitor.state import WatchClock, Watched
from cutover.notify.escalation import NoticeFacts
from cutover.notify.listener import Announcer, SentNotice

HOUR = 3600.0
REASONS = 8  # that a notice names; the report has all
NEXT = (
    "`./invokew signoff --role ROLE --name NAME --decision go_on` lets it go on",
    "`./invokew abort` takes the fleet back to V1",
)


@dataclass(frozen=True)
class About:
    """What a watch is about."""

    environment: str
    run: str
    release: str
    hosts: tuple[str, ...]


@dataclass
class Telling:
    """Called for each event of a watch. `looked` comes with every look: it settles what was sent, and escalates a hold nobody reacts to."""

    announcer: Announcer
    journal: Journal
    watched: Watched
    clock: WatchClock
    about: About
    _holding: SentNotice | None = None
    _hourly_t: float = field(default=float("-inf"))

    def __call__(self, event: str, reasons: Sequence[str]) -> None:
        """Tell people, in the background."""
        if event == "ending":
            self._keep(self.announcer.drain())  # no longer than a notice may take
        elif event == "looked":
            self._escalate()
        elif event == "hourly":
            self._hourly(reasons)
        else:
            notice = self.announcer.notify(event, self._facts(reasons))
            self._holding = notice if event == "hold" else self._holding
        self._keep(self.announcer.settled())

    def _hourly(self, reasons: Sequence[str]) -> None:
        """At most once an hour of the watch."""
        if self.watched.look_t - self._hourly_t >= HOUR:
            self._hourly_t = self.watched.look_t
            self.announcer.notify("hourly", self._facts(reasons))

    def _escalate(self) -> None:
        hold = self.watched.hold
        if hold is None or self._holding is None:
            self._holding = None
            return
        waited = self.watched.look_t - hold.t
        further = self.announcer.escalate(self._holding, self._facts(hold.reasons), waited)
        self._holding = further or self._holding

    def _facts(self, reasons: Sequence[str]) -> NoticeFacts:
        about, hold = self.about, self.watched.hold
        facts = NoticeFacts(
            about.environment, self._stamp(self.watched.look_t), about.run, about.release, about.hosts,
            verdict=str(self.watched.verdict), reasons=tuple(reasons[:REASONS]),
            figures=(("hour of the watch", f"{self.watched.look_t / HOUR:.1f}"),),
        )  # fmt: skip
        if hold is None:
            return facts
        until = self._stamp(hold.deadline_t)
        return replace(facts, point=hold.point, until=until, default=hold.default, next=NEXT)

    def _keep(self, records: Sequence[dict[str, object]]) -> None:
        for record in records:
            self.journal.write("notice", **record)

    def _stamp(self, t: float) -> str:
        return datetime.fromtimestamp(self.clock.at_real(t), UTC).isoformat(timespec="seconds")
