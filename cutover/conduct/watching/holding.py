"""Holds: the watch waits for a person. It is opened by a rule that fails or by a point, and closed by a decision or a default."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.conduct.watching.hands import Tell
from cutover.conduct.watching.jury import Jury
from cutover.conduct.watching.settings import Settings
from cutover.conduct.watching.state import Watched
from cutover.decide.watch.points import Reason
from cutover.decide.watch.rulebook import Point
from cutover.words.verdict import Verdict
from cutover.words.watching import Judgement
from cutover.world.journal import Journal


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
