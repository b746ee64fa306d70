"""`plan`, `prepare` and `cutover`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from cutover.cli.announce import announcer_for, poll_for
from cutover.cli.app import Ask, confirm, end
from cutover.cli.listeners import Heard, Listeners
from cutover.cli.monitor import monitor
from cutover.cli.options import Where
from cutover.console.plan import plan_view
from cutover.core.errors import ExitCode, Problem, Refused, UsageError
from cutover.inventory.targets import Targets
from cutover.journal.journal import Journal
from cutover.journal.rundir import RunDir
from cutover.monitor.settings import settings_of
from cutover.plan.gate import said_no
from cutover.plan.plan import Plan, batches
from cutover.release.artifact import inspect
from cutover.run.cutover import Conductor
from cutover.run.resume import ResumeRequest, resume
from cutover.run.session import StopSignal

NOTHING = "nothing to resume: no run of these hosts was left in the middle"


@dataclass(frozen=True)
class Cutting:
    """The commands that lead from V1 to V2, and their options."""

    where: Where
    serial: str = ""
    release: str = ""
    yes: bool = False
    diff: bool = False
    verbose: bool = False
    resume: bool = False
    answers: str = ""
    watch: bool = False

    def plan(self) -> ExitCode:
        """Make a plan and show it."""
        return end(self.where.ask(verbose=self.verbose), self._plan)

    def checked(self) -> ExitCode:
        """`--check`: the plan that would be applied, and nothing else."""
        return end(self.where.ask(verbose=self.verbose), lambda ask: self._plan(ask, check=True))

    def cutover(self, *, only_prepare: bool) -> ExitCode:
        """Prepare, or prepare and commit."""
        ask = self.where.ask(yes=self.yes, verbose=self.verbose)
        code = end(ask, lambda _ask: self._cutover(ask, only_prepare=only_prepare))
        if not self.watch or code is not ExitCode.DONE:
            return code
        return monitor(replace(self.where, command="monitor", run=self._watched(ask.run_id)), once=False)

    def _watched(self, run: str) -> str:
        """The run whose watch follows: one that had nothing to do has no plan, and the last that is on V2 is meant."""
        return run if run and (self.where.runs.root / run / "plan.json").exists() else ""

    def contradictions(self, *, check: bool = False) -> list[Problem]:
        """Options that are given and would mean nothing, or two things at once."""
        beside_check = "it would be ignored: --check stops after the plan"
        of_plan = "a plan that was made is applied as it is"
        wrong = {
            "--resume": (check and self.resume, beside_check),
            "--answers": (check and bool(self.answers), beside_check),
            "--watch": (check and self.watch, beside_check),
            "--json": (self.watch and self.where.json, "with --watch two commands in one would print two documents"),
            "--serial": (bool(self.serial and (self.resume or self.where.run)), of_plan),
            "--release": (bool(self.release and self.where.run and not self.resume), of_plan),
        }
        next_ = "leave one of the two away"
        return [Problem(found, next_, path=option) for option, (is_so, found) in wrong.items() if is_so]

    def _plan(self, ask: Ask, *, check: bool = False) -> ExitCode:
        if wrong := self.contradictions(check=check):
            raise UsageError(wrong)
        conductor, listeners = self._conductor(ask)
        try:
            plan = conductor.planned() if self.where.run else conductor.plan()
        finally:
            listeners.console.close()
        if plan is None:
            ask.say("nothing to do: every host runs this release already, healthy")
            return ExitCode.DONE
        listeners.console.show(plan_view(plan, diff=self.diff))
        ask.fingerprint = plan.fingerprint
        ask.files["plan"] = str(conductor.run.plan_file)
        ask.hosts = {
            name: {"changes": [change.model_dump() for change in host.changes if change.differences]}
            for name, host in plan.hosts.items()
        }
        ask.say(f"\nrun {plan.run}, fingerprint {plan.fingerprint}")
        ask.say(f"to apply just this: ./invokew cutover --run {plan.run}")
        if no := said_no(plan):
            raise Refused(no)
        return ExitCode.DONE

    def _cutover(self, ask: Ask, *, only_prepare: bool) -> ExitCode:
        if wrong := self.contradictions():
            raise UsageError(wrong)
        if self.resume:
            return self._resume(ask, only_prepare=only_prepare)
        conductor, listeners = self._conductor(ask, polls=not only_prepare)
        if self.where.run and conductor.stands():
            listeners.nothing_to_do()
            return ExitCode.DONE
        try:
            with conductor.stop.watching():
                if self.where.run:
                    return conductor.cutover_planned(only_prepare=only_prepare)
                return conductor.cutover(only_prepare=only_prepare)
        finally:
            listeners.finish()

    def _resume(self, ask: Ask, *, only_prepare: bool) -> ExitCode:
        """Go on with a run whose controller died."""
        targets = self._targets()
        heard = Heard(ask, announcer_for(targets, ask.progress))

        def approve(plan: Plan) -> None:
            heard.show(plan_view(plan, diff=self.diff))
            what = f"go on with run {plan.run}: {self.where.command} of {len(plan.hosts)} hosts of {plan.environment}"
            confirm(ask, f"{what} to {plan.release.id}, as planned above ({plan.fingerprint[:12]})?")

        def listen(run: RunDir, journal: Journal) -> None:
            heard.listen(run, journal, targets.environment)

        poll = None if only_prepare else poll_for(ask, targets, self.answers)
        asked = ResumeRequest(self.where.run, only_prepare, approve, listen, StopSignal(heard.say), poll)
        try:
            with asked.stop.watching():
                ended = resume(targets, self.where.runs, asked)
        finally:
            heard.finish()
        if not ended:
            ask.say(NOTHING)
        return ExitCode.DONE

    def _conductor(self, ask: Ask, *, polls: bool = False) -> tuple[Conductor, Listeners]:
        """Targets, run directory, and who listens."""
        targets, runs = self._targets(), self.where.runs
        announcer = announcer_for(targets, ask.progress)
        settings_of(targets)  # what its watch could not use is told before the cutover, not after it
        poll = poll_for(ask, targets, self.answers) if polls else None
        run = runs.named(self.where.run) if self.where.run else runs.create()
        ask.run_id = run.id
        listeners = Listeners(ask, run, targets.environment, announcer)

        def approve(plan: Plan) -> None:
            listeners.console.show(plan_view(plan, diff=self.diff))
            what = f"{self.where.command} of {len(plan.hosts)} hosts of {plan.environment} to {plan.release.id}"
            confirm(ask, f"{what}, as planned above ({plan.fingerprint[:12]})?")

        stop = StopSignal(listeners.console.say)
        return Conductor(targets, run, listeners.listen, approve, stop, poll), listeners

    def _targets(self) -> Targets:
        """The hosts, once --serial and --release were looked at: what is wrong with them is told before any host is asked."""
        targets = self.where.targets(serial=self.serial, release=self.release)
        wrong: list[Problem] = []
        looks: list[Callable[[], object]] = [lambda: batches(targets.names, targets.serial)]
        looks += [lambda: inspect(Path(self.release))] if self.release else []
        for look in looks:
            try:
                look()
            except UsageError as refused:
                wrong += refused.problems
        if wrong:
            raise UsageError(wrong)
        return targets
