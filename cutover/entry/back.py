"""`rollback` and `abort`."""

from dataclasses import dataclass

from cutover.conduct.back import Asked, rollback
from cutover.conduct.history import Known
from cutover.conduct.interrupts import StopSignal
from cutover.conduct.targets import Targets
from cutover.entry.app import Ask, confirm, end
from cutover.entry.telling import Listeners
from cutover.entry.where import Where
from cutover.words.errors import ExitCode
from cutover.world.journal import Journal
from cutover.world.rundir import RunDir

NOTHING = "nothing to roll back: no host of this pattern is on V2"
IDLE = "idle: nothing of V1 has been touched, and nothing is to be undone"


@dataclass(frozen=True)
class Back:
    """The commands that lead back to V1, and their options."""

    where: Where
    run: str = ""
    reason: str = "asked for by a person"
    yes: bool = False
    verbose: bool = False

    def rollback(self) -> ExitCode:
        """Back to V1."""
        return end(self.where.ask(yes=self.yes, verbose=self.verbose), lambda ask: self._go(ask, NOTHING))

    def abort(self) -> ExitCode:
        """Give a run up; where V1 was stopped already, that is a rollback."""
        return end(self.where.ask(yes=self.yes, verbose=self.verbose), lambda ask: self._go(ask, IDLE))

    def _go(self, ask: Ask, nothing: str) -> ExitCode:
        """Undo the newest run that left a host on V2, then the next, until none has; just the one that is named, where one is."""
        targets = self.where.targets()
        listening: list[Listeners] = []
        stop = StopSignal(lambda words: listening[-1].console.say(words) if listening else ask.progress(words))

        def approve(known: Known, hosts: tuple[str, ...]) -> None:
            ask.run_id = known.run
            confirm(ask, f"{self.where.command}: take {', '.join(hosts)} back to V1, undoing run {known.run}?")

        def watch(run: RunDir, journal: Journal) -> None:
            listening.append(Listeners(ask, run, targets.environment))
            listening[-1].watch(journal)

        asked = Asked(self.run, self.reason, approve, watch, stop)
        back: list[str] = []
        with stop.watching():
            while hosts := self._once(targets, asked, listening):
                back += hosts
                if self.run:
                    break
        if not back:
            ask.say(nothing)
        return ExitCode.DONE

    def _once(self, targets: Targets, asked: Asked, listening: list[Listeners]) -> tuple[str, ...]:
        before = len(listening)
        try:
            return rollback(targets, self.where.runs, asked)
        finally:
            for listeners in listening[before:]:
                listeners.finish()
