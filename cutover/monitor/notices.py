"""Notifies people of what a watch comes to, and records in its journal who was notified of what."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cutover.journal.journal import Journal
from cutover.monitor.state import HOUR, WatchState
from cutover.notify.escalation import NoticeFacts
from cutover.notify.listener import Announcer, Notice

REASONS = 8  # that a notice names; the report has all
NEXT = (
    "`./invokew signoff --role ROLE --name NAME --decision go_on` lets it go on",
    "`./invokew abort` rolls the fleet back",
)


@dataclass
class WatchNotices:
    """Called for each event of a watch. `looked` comes with every sample: it settles what was sent, and escalates an open hold.

    `about` has what each notice says of the run: environment, run, release, hosts.
    """

    announcer: Announcer
    journal: Journal
    state: WatchState
    about: NoticeFacts
    _hold: Notice | None = None
    _hourly_t: float = field(default=float("-inf"))

    def __call__(self, event: str, reasons: Sequence[str]) -> None:
        """Notify people, in the background."""
        if event == "looked":
            self._escalate()
        elif event == "hourly":  # at most once an hour of the watch
            if self.state.look_t - self._hourly_t >= HOUR:
                self._hourly_t = self.state.look_t
                self.announcer.notify("hourly", self._facts(reasons))
        else:
            notice = self.announcer.notify(event, self._facts(reasons))
            self._hold = notice if event == "hold" else self._hold
        self._record(self.announcer.settled())

    def close(self) -> None:
        """Wait for what is being sent, no longer than a notice may take."""
        self._record(self.announcer.drain())

    def _escalate(self) -> None:
        hold = self.state.hold
        if hold is None or self._hold is None:
            self._hold = None
            return
        waited = self.state.look_t - hold.when.t
        self._hold = self.announcer.escalate(self._hold, self._facts(hold.reasons), waited) or self._hold

    def _facts(self, reasons: Sequence[str]) -> NoticeFacts:
        state, hold = self.state, self.state.hold
        facts = replace(
            self.about, at=state.at(state.look_t), verdict=str(state.verdict), reasons=tuple(reasons[:REASONS]),
            figures=(("hour of the watch", f"{state.look_t / HOUR:.1f}"),),
        )  # fmt: skip
        if hold is None:
            return facts
        return replace(facts, point=hold.point, until=state.at(hold.deadline_t), default=hold.default, next=NEXT)

    def _record(self, records: Sequence[dict[str, object]]) -> None:
        for record in records:
            self.journal.write("notice", **record)
