"""`rollback` and `abort`."""

from dataclasses import dataclass

from cutover.conduct.back import RollbackRequest, rollback
from cutover.conduct.interrupts import StopSignal
from cutover.conduct.resuming.giving_up import give_up
from cutover.conduct.resuming.history import Known
from cutover.conduct.targets import Targets
from cutover.entry.announcing import announcer_if_possible
from cutover.entry.app import Ask, confirm, end
from cutover.entry.telling import Heard
from cutover.entry.where import Where
from cutover.words.errors import CutoverError, ExitCode, Unjudged
from cutover.world.journal import Journal
from cutover.world.rundir import RunDir

NOTHING = "nothing to roll back: no host of this pattern is on V2"
NOT_BEGUN = "nothing to resume: no rollback of these hosts was left in the middle"
IDLE = "idle: nothing of V1 has been touched, and nothing is to be undone"


class WouldFail(CutoverError):
    """The way back, looked at with --check, would not come to its end."""

    exit_code = ExitCode.JUDGED_FAIL


def _nobody(*_: object) -> None:
    """Who is asked and who listens where nothing is done."""


@dataclass(frozen=True)
class Back:
    """The commands that lead back to V1, and their options."""

    where: Where
    reason: str = "asked for by a person"
    yes: bool = False
    verbose: bool = False
    resume: bool = False
    steal: str = ""
    check: bool = False

    def rollback(self) -> ExitCode:
        """Back to V1."""
        nothing = NOT_BEGUN if self.resume else NOTHING
        if self.check:
            return end(self.where.ask(verbose=self.verbose), lambda ask: self._foresee(ask, nothing))
        return end(self.where.ask(yes=self.yes, verbose=self.verbose), lambda ask: self._go(ask, nothing))

    def abort(self) -> ExitCode:
        """Give a run up; where V1 was stopped already, that is a rollback."""
        if self.check:
            return end(self.where.ask(verbose=self.verbose), lambda ask: self._foresee(ask, IDLE, gives_up=True))
        return end(self.where.ask(yes=self.yes, verbose=self.verbose), self._abort)

    def _go(self, ask: Ask, nothing: str) -> ExitCode:
        if not self._back(ask):
            ask.say(nothing)
        return ExitCode.DONE

    def _abort(self, ask: Ask) -> ExitCode:
        """Go back where something is to be undone, and release what was only prepared."""
        back = self._back(ask)
        released = give_up(self.where.targets(), self.where.runs, self.where.run, self.steal)
        for run, hosts in released.items():
            ask.say(f"run {run} is given up: {', '.join(hosts)} released; V1 was not touched")
        if not back and not released:
            ask.say(IDLE)
        return ExitCode.DONE

    def _foresee(self, ask: Ask, nothing: str, *, gives_up: bool = False) -> ExitCode:
        """`--check`: what would be done, and whether the backups that it needs are sound. Nothing is changed, nobody is asked."""
        from cutover.conduct.foreseeing import foresee
        from cutover.tell.views.ahead import show_ahead

        asked = RollbackRequest(
            self.where.run, self.reason, _nobody, _nobody, StopSignal(ask.progress), self.resume, self.steal
        )
        ahead = foresee(self.where.targets(), self.where.runs, asked)
        released = ahead.released if gives_up else {}
        ask.run_id = next((one.run for one in ahead.back), next(iter(released), ""))
        ask.hosts = show_ahead(ahead.back, released, ask.say)
        if not ahead.back and not released and not ahead.unknown:
            ask.say(nothing)
        if wrong := [problem for one in ahead.back for problem in one.wrong] + [*ahead.staying]:
            raise WouldFail([*wrong, *ahead.unknown])
        if ahead.unknown:
            raise Unjudged(ahead.unknown)
        return ExitCode.DONE

    def _back(self, ask: Ask) -> list[str]:
        """Undo the newest run that left a host to settle, then the next, until none has; just the one that is named, where one is."""
        targets = self.where.targets()
        heard = Heard(ask, announcer_if_possible(targets, ask.progress))

        def approve(known: Known, hosts: tuple[str, ...]) -> None:
            ask.run_id = known.run
            confirm(ask, f"{self.where.command}: take {', '.join(hosts)} back to V1, undoing run {known.run}?")

        def listen(run: RunDir, journal: Journal) -> None:
            heard.listen(run, journal, targets.environment)

        asked = RollbackRequest(
            self.where.run, self.reason, approve, listen, StopSignal(heard.say), self.resume, self.steal
        )
        back: list[str] = []
        with asked.stop.watching():
            while hosts := self._once(targets, asked, heard):
                back += hosts
                if self.where.run:
                    break
        return back

    def _once(self, targets: Targets, asked: RollbackRequest, heard: Heard) -> tuple[str, ...]:
        try:
            return rollback(targets, self.where.runs, asked)
        finally:
            heard.finish()
