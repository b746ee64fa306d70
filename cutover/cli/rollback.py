"""`rollback` and `abort`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.cli.announce import announcer_if_possible
from cutover.cli.app import Ask, confirm, end
from cutover.cli.listeners import Heard
from cutover.cli.options import Where
from cutover.core.errors import ExitCode, JudgedFail, Unjudged
from cutover.inventory.targets import Targets
from cutover.journal.journal import Journal
from cutover.journal.rundir import RunDir
from cutover.run.history import Known, give_up
from cutover.run.rollback import RollbackRequest, rollback
from cutover.run.rollback_check import HostAhead
from cutover.run.session import StopSignal

NOTHING = "nothing to roll back: no host of this pattern is on V2"
NOT_BEGUN = "nothing to resume: no rollback of these hosts was left in the middle"
IDLE = "idle: nothing of V1 has been touched, and nothing is to be undone"


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
        from cutover.run.rollback_check import foresee

        asked = RollbackRequest(
            self.where.run, self.reason, _nobody, _nobody, StopSignal(ask.progress), self.resume, self.steal
        )
        ahead = foresee(self.where.targets(), self.where.runs, asked)
        released = ahead.released if gives_up else {}
        ask.run_id = next((one.run for one in ahead.back), next(iter(released), ""))
        ask.hosts = _show_ahead(ahead.back, released, ask.say)
        if not ahead.back and not released and not ahead.unknown:
            ask.say(nothing)
        if wrong := [problem for one in ahead.back for problem in one.wrong] + [*ahead.staying]:
            raise JudgedFail([*wrong, *ahead.unknown])
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


# What `rollback --check` and `abort --check` foresee: run by run, host by host; and the same for `--json`.


def _show_ahead(
    back: Sequence[HostAhead], released: Mapping[str, Iterable[str]], say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Tell it; gives the `hosts` of `--json`."""
    for run in dict.fromkeys(one.run for one in back):
        say(f"run {run} would be undone:")
        for one in back:
            if one.run == run:
                say(f"  {one.host}: {one.stands}")
                for words in one.would:
                    say(f"    < {words}")
    for run, hosts in released.items():
        say(f"run {run} would be given up: {', '.join(hosts)} released; V1 was not touched")
    found = {one.host: {"run": one.run, "stands": one.stands, "would": list(one.would)} for one in reversed(back)}
    held = {
        host: {"run": run, "stands": "held", "would": ["release"]} for run, hosts in released.items() for host in hosts
    }
    return {**held, **found}
