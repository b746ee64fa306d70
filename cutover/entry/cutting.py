"""`plan`, `prepare` and `cutover`."""

from dataclasses import dataclass, replace

from cutover.conduct.cutover import Conductor
from cutover.conduct.interrupts import StopSignal
from cutover.conduct.resuming.resume import ResumeRequest, resume
from cutover.conduct.watching.settings import settings_of
from cutover.decide.plan import Plan
from cutover.entry.announcing import announcer_for, poll_for
from cutover.entry.app import Ask, confirm, end
from cutover.entry.telling import Heard, Listeners
from cutover.entry.watching import monitor
from cutover.entry.where import Where
from cutover.tell.views.plan import plan_view
from cutover.words.errors import ExitCode, Problem, UsageError
from cutover.world.journal import Journal
from cutover.world.rundir import RunDir

NOTHING = "nothing to resume: no run of these hosts was left in the middle"


@dataclass(frozen=True)
class Cutting:
    """The commands that lead from V1 to V2, and their options."""

    where: Where
    serial: str = ""
    release: str = ""
    run: str = ""
    yes: bool = False
    diff: bool = False
    verbose: bool = False
    resume: bool = False
    answers: str = ""
    watch: bool = False

    def plan(self) -> ExitCode:
        """Make a plan and show it."""
        return end(self.where.ask(verbose=self.verbose), self._plan)

    def cutover(self, *, only_prepare: bool) -> ExitCode:
        """Prepare, or prepare and commit."""
        ask = self.where.ask(yes=self.yes, verbose=self.verbose)
        code = end(ask, lambda _ask: self._cutover(ask, only_prepare=only_prepare))
        if not self.watch or code is not ExitCode.DONE:
            return code
        return monitor(replace(self.where, command="monitor"), ask.run_id, once=False)

    def _plan(self, ask: Ask) -> ExitCode:
        conductor, listeners = self._conductor(ask)
        try:
            plan = conductor.planned() if self.run else conductor.plan()
        finally:
            listeners.console.close()
        if plan is None:
            ask.say("nothing to do: every host runs this release already, healthy")
            return ExitCode.DONE
        listeners.console.show(plan_view(plan, diff=self.diff))
        ask.hosts = {
            name: {"changes": [change.model_dump() for change in host.changes if change.differences]}
            for name, host in plan.hosts.items()
        }
        ask.say(f"\nrun {plan.run}, fingerprint {plan.fingerprint}")
        ask.say(f"to apply just this: invoke cutover --hosts '{self.where.hosts}' --run {plan.run}")
        return ExitCode.DONE

    def _cutover(self, ask: Ask, *, only_prepare: bool) -> ExitCode:
        if self.watch and self.where.json:
            found = "two commands in one would print two documents"
            raise UsageError(Problem(path="--watch", found=found, next="run `invoke monitor --json` afterwards"))
        if self.resume:
            return self._resume(ask, only_prepare=only_prepare)
        conductor, listeners = self._conductor(ask, polls=not only_prepare)
        if self.run and conductor.stands():
            listeners.nothing_to_do()
            return ExitCode.DONE
        try:
            with conductor.stop.watching():
                if self.run:
                    return conductor.cutover_planned(only_prepare=only_prepare)
                return conductor.cutover(only_prepare=only_prepare)
        finally:
            listeners.finish()

    def _resume(self, ask: Ask, *, only_prepare: bool) -> ExitCode:
        """Go on with a run whose controller died."""
        if self.serial:
            raise UsageError(Problem(path="--serial", found="a run goes on as it was planned", next="leave it away"))
        targets = self.where.targets(release=self.release)
        heard = Heard(ask, announcer_for(targets, ask.progress))

        def approve(plan: Plan) -> None:
            heard.show(plan_view(plan, diff=self.diff))
            what = f"go on with run {plan.run}: {self.where.command} of {len(plan.hosts)} hosts of {plan.environment}"
            confirm(ask, f"{what} to {plan.release.id}, as planned above ({plan.fingerprint[:12]})?")

        def listen(run: RunDir, journal: Journal) -> None:
            heard.listen(run, journal, targets.environment)

        poll = None if only_prepare else poll_for(ask, targets, self.answers)
        asked = ResumeRequest(self.run, only_prepare, approve, listen, StopSignal(heard.say), poll)
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
        if self.run and (self.serial or self.release):
            given = "--serial" if self.serial else "--release"
            next_ = "leave it away, or make a new plan with it"
            raise UsageError(Problem(path=given, found="a plan that was made is applied as it is", next=next_))
        targets, runs = self.where.targets(serial=self.serial, release=self.release), self.where.runs
        announcer = announcer_for(targets, ask.progress)
        settings_of(targets)  # what its watch could not use is told before the cutover, not after it
        poll = poll_for(ask, targets, self.answers) if polls else None
        run = runs.named(self.run) if self.run else runs.create()
        ask.run_id = run.id
        listeners = Listeners(ask, run, targets.environment, announcer)

        def approve(plan: Plan) -> None:
            listeners.console.show(plan_view(plan, diff=self.diff))
            what = f"{self.where.command} of {len(plan.hosts)} hosts of {plan.environment} to {plan.release.id}"
            confirm(ask, f"{what}, as planned above ({plan.fingerprint[:12]})?")

        stop = StopSignal(listeners.console.say)
        return Conductor(targets, run, listeners.listen, approve, stop, poll), listeners
