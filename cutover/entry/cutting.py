"""`plan`, `prepare` and `cutover`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutover.entry.app import Ask, confirm, end
from cutover.words.errors import CutoverError, ExitCode


@dataclass
class Cutting:
    """The options of the commands that lead from V1 to V2."""

    root: Path
    command: str
    hosts: str
    inventory: str
    limit: str
    forks: int
    json: bool
    serial: str
    release: str
    run: str = ""
    yes: bool = False
    diff: bool = False
    verbose: bool = False

    def plan(self) -> ExitCode:
        """Make a plan and show it."""
        return end(self._ask(), self._plan)

    def cutover(self, *, only_prepare: bool) -> ExitCode:
        """Prepare, or prepare and commit."""
        return end(self._ask(), lambda ask: self._cutover(ask, only_prepare=only_prepare))

    def _ask(self) -> Ask:
        return Ask(self.root, self.command, self.json, self.yes, self.verbose)

    def _plan(self, ask: Ask) -> ExitCode:
        from cutover.tell.planview import show_plan

        conductor, _listeners = self._conductor(ask)
        plan = conductor.plan()
        if plan is None:
            ask.say("nothing to do: every host runs this release already, healthy")
            return ExitCode.DONE
        show_plan(plan, diff=self.diff, say=ask.say)
        ask.hosts = {name: {"changes": [change.model_dump() for change in host.changes if change.differences]} for name, host in plan.hosts.items()}
        ask.say(f"run {plan.run}, fingerprint {plan.fingerprint}\nto apply just this: invoke cutover --hosts {self.hosts} --run {plan.run}")
        return ExitCode.DONE

    def _cutover(self, ask: Ask, *, only_prepare: bool) -> ExitCode:
        conductor, listeners = self._conductor(ask)
        try:
            with conductor.stop.watching():
                code = conductor.cutover_planned(only_prepare=only_prepare) if self.run else conductor.cutover(only_prepare=only_prepare)
        except CutoverError:
            listeners.finish(ask)
            raise
        listeners.finish(ask)
        return code

    def _conductor(self, ask: Ask) -> Any:
        """Targets, run directory, and who listens."""
        from cutover.conduct.cutover import Conductor
        from cutover.conduct.interrupts import StopSignal
        from cutover.conduct.targets import Options, choose
        from cutover.entry.telling import Listeners
        from cutover.tell.planview import show_plan
        from cutover.world.rundir import RunDirs

        targets = choose(Options(self.root, self.hosts, self.inventory, self.limit, self.serial, self.forks, self.release))
        runs = RunDirs(self.root / ".cutover" / "runs")
        run = runs.named(self.run) if self.run else runs.create()
        ask.run_id = run.id
        listeners = Listeners(ask, run)

        def approve(plan: Any) -> None:
            show_plan(plan, diff=self.diff, say=ask.progress)
            confirm(ask, f"{self.command} {len(plan.hosts)} hosts of {plan.environment} to {plan.release.id}, as planned above ({plan.fingerprint[:12]})?")
            listeners.start()

        return Conductor(targets, run, listeners.watch, approve, StopSignal(ask.progress)), listeners
