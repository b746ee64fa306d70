"""The main story: plan, approve, prepare everywhere, commit batch by batch, or go back."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cutover.core.errors import (
    CutoverError,
    ExitCode,
    Interrupted,
    MixedFleet,
    Problem,
    Refused,
    RolledBack,
    UsageError,
)
from cutover.inventory.targets import Targets
from cutover.journal.journal import Journal
from cutover.journal.rundir import RunDir
from cutover.plan.plan import Plan
from cutover.release.build import release_of
from cutover.remote.fleet import Fleet
from cutover.run.checklist import Polling
from cutover.run.commit import Reached, commit, prepare
from cutover.run.finished import stands
from cutover.run.history import connected_and_settled
from cutover.run.planning import Planned, contents_for, make_plan
from cutover.run.rollback import go_back
from cutover.run.session import Session, StopSignal, end_recorded, held, holder, times_of

Approve = Callable[[Plan], None]  # shows the plan and raises UsageError where nobody says yes
Listen = Callable[[Journal], None]  # lets console and log listen before anything is written


@dataclass(frozen=True)
class Conductor:
    """Who conducts a run: the targets, the run's directory, and the people around it."""

    targets: Targets
    run: RunDir
    listen: Listen
    approve: Approve
    stop: StopSignal
    poll: Polling | None = None  # asked before anything is changed, and judged again by what phase 0 found

    def plan(self) -> Plan | None:
        """Make a plan and keep it; None where every host runs the release already."""
        with self._journal() as journal, connected_and_settled(self.targets) as fleet:
            planned = self._make_plan(journal, fleet)
        return planned.plan if planned.plan.hosts else None

    def planned(self) -> Plan:
        """The plan that this run has; UsageError where it is about other hosts than were asked for."""
        plan = self.run.plan()
        hosts, names = set(plan.hosts), set(self.targets.names)
        if plan.environment != self.targets.environment or not hosts <= names:
            asked = f"{', '.join(self.targets.names)} of {self.targets.environment}"
            about = f"it is about {', '.join(plan.hosts)} of {plan.environment}, and {asked} was asked for"
            next_ = f"name the hosts as they were: --hosts '{plan.pattern}'"
            raise UsageError(Problem(path=f"--run {plan.run}", found=about, next=next_))
        return plan

    def stands(self) -> bool:
        """Whether this run was confirmed already and its hosts are as it left them: then there is nothing to do."""
        self.planned()
        return stands(self.targets, self.run)

    def cutover(self, *, only_prepare: bool = False) -> ExitCode:
        """All six phases from a fresh plan (or 0-2 of them)."""
        with self._journal() as journal, connected_and_settled(self.targets) as fleet:
            planned = self._make_plan(journal, fleet)
            if not planned.plan.hosts:
                journal.write("run.finished", exit_code=int(ExitCode.DONE), status="nothing to do")
                return ExitCode.DONE
            self._approved(journal, planned.plan, only_prepare=only_prepare)
            return self._apply(
                journal, fleet, planned.plan, planned.contents, planned.artifact, only_prepare=only_prepare
            )

    def cutover_planned(self, *, only_prepare: bool = False) -> ExitCode:
        """Apply just the plan that this run has; go on after `prepare` where that was done."""
        plan = self.planned()
        release = release_of(self.targets, plan)
        contents = contents_for(self.targets, plan, release.facts)
        with self._journal() as journal, connected_and_settled(self.targets) as fleet:
            self._approved(journal, plan, only_prepare=only_prepare)
            return self._apply(journal, fleet, plan, contents, release.artifact, only_prepare=only_prepare)

    def _approved(self, journal: Journal, plan: Plan, *, only_prepare: bool) -> None:
        self.approve(plan)
        purpose = "prepare" if only_prepare else "cutover"
        journal.write("approved", by=holder(), fingerprint=plan.fingerprint, purpose=purpose)
        if self.poll is not None:
            self.poll.people(journal)

    def _make_plan(self, journal: Journal, fleet: Fleet) -> Planned:
        planned = make_plan(self.targets, fleet, self.run.id)
        if planned.plan.hosts:
            planned.plan.save(self.run.plan_file)
        journal.write(
            "plan.made", fingerprint=planned.plan.fingerprint, release=planned.plan.release.id, hosts=list(planned.plan.hosts),
            batches=[list(batch) for batch in planned.plan.batches], already=list(planned.already),
        )  # fmt: skip
        return planned

    def _apply(
        self,
        journal: Journal,
        fleet: Fleet,
        plan: Plan,
        contents: Mapping[str, str],
        artifact: Path | None,
        *,
        only_prepare: bool,
    ) -> ExitCode:
        times = times_of(self.targets)
        session = Session(
            root=self.targets.root, run=plan.run, service=plan.service.name, environment=plan.environment, journal=journal,
            evidence=self.run.evidence, fleet=fleet, plans=plan.hosts,
            times=times, ends=times.run_ends(len(plan.batches)), stop=self.stop, contents=contents, artifact=artifact,
        )  # fmt: skip
        journal.write("run.started", fingerprint=plan.fingerprint, hosts=list(plan.hosts))
        with held(session, {name: plan.of_host(name).model_dump(mode="json") for name in plan.hosts}):
            prepare(session, again=bool(journal.of("prepared")))
            if self.poll is not None:
                self.poll.machines(journal)
            if not only_prepare:
                commit_or_go_back(session, plan)
        journal.write("run.finished", exit_code=int(ExitCode.DONE), status="prepared" if only_prepare else "on V2")
        return ExitCode.DONE

    @contextmanager
    def _journal(self) -> Iterator[Journal]:
        fresh = not self.run.journal_file.exists()
        journal = self.run.journal()
        self.listen(journal)
        if fresh:
            journal.write(
                "run.created", run=self.run.id, service=self.targets.service,
                environment=self.targets.environment, pattern=self.targets.options.hosts,
                inventory=self.targets.place,
            )  # fmt: skip
        try:
            with end_recorded(journal):
                yield journal
        finally:
            journal.close()


def commit_or_go_back(session: Session, plan: Plan, reached: Reached | None = None) -> None:
    """Phases 3-5, from where they were reached; whatever ends them early, every touched host goes back to V1 first."""
    try:
        commit(session, plan.batches, reached)
    except (KeyboardInterrupt, Exception) as failure:
        problems = failure.problems if isinstance(failure, CutoverError) else (_surprise(failure),)
        try:
            back = go_back(session, cause="; ".join(problem.found for problem in problems))
        except MixedFleet as mixed:
            raise MixedFleet([*mixed.problems, *problems]) from failure
        where = (
            f"rolled back: {', '.join(back.hosts)}; all on V1, verified"
            if back.hosts
            else "no host was touched; all are on V1"
        )
        told = [*problems, Problem(found=where, next="see the report"), *_unwritten(session.journal)]
        if isinstance(failure, Interrupted | KeyboardInterrupt):
            raise Interrupted(told) from failure
        raise (RolledBack if back.hosts else Refused)(told) from failure


def _unwritten(journal: Journal) -> list[Problem]:
    """That the way back did not wait for the journal."""
    if not journal.unwritten:
        return []
    found = f"{len(journal.unwritten)} records of the way back could not be written"
    return [
        Problem(path=str(journal.path), found=found, next="make room here; `./invokew status` says how the hosts are")
    ]


def _surprise(failure: BaseException) -> Problem:
    return Problem(found=f"{type(failure).__name__}: {failure}", next="this is a bug of ours: see the log")
