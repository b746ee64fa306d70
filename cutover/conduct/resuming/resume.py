"""`--resume`: go on with a run whose controller died, from its directory or from what its hosts hold. The same plan, the same id.

Before phase 3 everything is simply done again: each step looks first. From there on the host is asked: where one has gone
back, by itself or by a rollback, all go back; else the phase that was begun last is done again, and the run goes on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover.conduct.cutover import commit_or_go_back
from cutover.conduct.ending import end_recorded
from cutover.conduct.fleet import Fleet, connected_as_far_as_possible
from cutover.conduct.interrupts import StopSignal
from cutover.conduct.leases import dead_holders, held, holder
from cutover.conduct.people.polling import Polling
from cutover.conduct.planning import contents_for
from cutover.conduct.prepare import prepare
from cutover.conduct.releasing import release_for
from cutover.conduct.resuming.history import Known, ask, directory_of
from cutover.conduct.resuming.standing import COMMITS, Standing
from cutover.conduct.resuming.which import Found, begun_here, find
from cutover.conduct.rollback import go_back
from cutover.conduct.session import Session
from cutover.conduct.targets import Targets
from cutover.conduct.times import times_of
from cutover.decide.plan import Plan
from cutover.words.errors import (
    ExitCode,
    Interrupted,
    MixedFleet,
    Problem,
    Refused,
    RolledBack,
    Unreachable,
    UsageError,
)
from cutover.world.journal import Journal, read
from cutover.world.release.artifact import Artifact, inspect
from cutover.world.rundir import RunDir, RunDirs


@dataclass(frozen=True)
class ResumeRequest:
    """What was asked for: which run (the last unfinished one, where none is named), how far, and who is to be heard."""

    run: str
    only_prepare: bool
    approve: Callable[[Plan], None]
    listen: Callable[[RunDir, Journal], None]
    stop: StopSignal
    poll: Polling | None = None


def resume(targets: Targets, runs: RunDirs, asked: ResumeRequest) -> str:
    """Go on with a run to its end; gives its id, or nothing where there is no run to go on with."""
    here = begun_here(targets, runs, asked.run)
    try:
        with connected_as_far_as_possible(targets) as (fleet, unreachable):
            found = find(targets, runs, fleet, here, asked.run, unreachable)
            if found is None:
                return ""
            directory = directory_of(runs, found.known)
            if _ended(directory, found):
                return ""
            _Resumed(targets, directory, asked, fleet, found).go()
            return found.run
    except Unreachable as nobody:
        if here is not None and _touched_here(here):
            raise MixedFleet(nobody.problems) from nobody
        raise


def _ended(directory: RunDir, found: Found) -> bool:
    """Whether the run has come to its end, by its journal and by its hosts: then it is not begun a second time."""
    records = read(directory.journal_file) if directory.journal_file.exists() else []
    return (
        "run.finished" in [record.kind for record in records if record.kind != "notice"][-1:]
        and not found.known.unfinished
    )


def _touched_here(here: RunDir) -> bool:
    return any(record.kind == "intent" and record.phase in COMMITS for record in read(here.journal_file))


@dataclass(frozen=True)
class _Resumed:
    """One run, taken up again."""

    targets: Targets
    directory: RunDir
    asked: ResumeRequest
    fleet: Fleet
    found: Found

    def go(self) -> None:
        """To the end, whichever it is."""
        journal = self.directory.journal()
        journal.refuse_cut(
            [head for host in self.known.plans for head in (self.known.entry(host) or {}).get("heads", ())]
        )
        try:
            self.asked.listen(self.directory, journal)
            if not journal.of("run.created"):
                about = {"environment": self.targets.environment, "pattern": self.known.plan.pattern}
                journal.write("run.created", run=self.known.run, **about, recovered_from="hosts")
            with end_recorded(journal):
                status = self._go_on(journal)
            journal.write("run.finished", exit_code=int(ExitCode.DONE), status=status)
        finally:
            journal.close()

    @property
    def known(self) -> Known:
        """What is known of the run."""
        return self.found.known

    @property
    def plan(self) -> Plan:
        """The plan that it had from the beginning."""
        return self.known.plan

    def _go_on(self, journal: Journal) -> str:
        standing = Standing(self.known, tuple(journal.records))
        if standing.confirmed:
            session = self._session(journal, {}, None, standing.touched)
            self._tell(journal, standing)
            with held(session, all_or_none=False):  # so that the leases of the dead controller are given back
                return "on V2"
        if not standing.touched:
            return self._before_phase_3(journal, standing)
        if self.asked.only_prepare:
            found = f"phases 3-5 were begun on {', '.join(standing.touched)}"
            next_ = "go on with `./invokew cutover --resume`, or back with `./invokew rollback`"
            raise UsageError(Problem(path="--resume", found=found, next=next_))
        return self._from_phase_3(journal, standing)

    def _before_phase_3(self, journal: Journal, standing: Standing) -> str:
        """Nothing of V1 was touched: all hosts are needed, and everything is done again from where it was prepared."""
        if self.found.lost:
            raise Unreachable(self.found.lost)
        if missing := self._missing():
            raise Refused(missing)
        self._approved(journal)
        if self.asked.poll is not None:
            self.asked.poll.people(journal)
        contents, artifact = self._contents()
        session = self._session(journal, contents, artifact)
        self._tell(journal, standing)
        with held(session, {name: self.plan.of_host(name).model_dump(mode="json") for name in self.plan.hosts}):
            prepare(session, again=bool(journal.of("prepared")))
            if self.asked.poll is not None:
                self.asked.poll.machines(journal)
            if not self.asked.only_prepare:
                commit_or_go_back(session, self.plan)
        return "prepared" if self.asked.only_prepare else "on V2"

    def _from_phase_3(self, journal: Journal, standing: Standing) -> str:
        """On, if every host is where the run left it; else all back. Decided under the leases, when no host can go by itself unseen."""
        contents, artifact = ({}, None) if self._against(standing) else self._contents()
        session = self._session(journal, contents, artifact, standing.touched)
        self._tell(journal, standing)
        with held(session, all_or_none=False):
            statuses, silent = ask(session.fleet)
            now = Standing(Known(self.known.run, self.plan, statuses), standing.records)
            against = [*self._against(now), *self._not_held(session), *silent]
            if against:
                self._back(session, now, against)
            batches = tuple(tuple(host for host in hosts if host in session.plans) for hosts in self.plan.batches)
            commit_or_go_back(session, self.plan.model_copy(update={"batches": batches}), now.reached())
        if self.found.lost:
            raise MixedFleet(self.found.lost)  # the others were being confirmed, and now are
        return "on V2"

    def _back(self, session: Session, now: Standing, why: Sequence[Problem]) -> None:
        """All back; raises how that ended: 4, or 5 with the hosts that are not known to be on V1."""
        reachable = [host for host in now.touched if host in session.fleet.agents]
        unsure = [problem for problem in self.found.lost if problem.host in now.touched or not self._is_ours(session)]
        try:
            go_back(session, "; ".join(problem.found for problem in why), reachable, already=now.back, lost=unsure)
        except MixedFleet as mixed:
            raise MixedFleet([*mixed.problems, *why]) from mixed
        where = Problem(
            found=f"back: {', '.join(reachable)}; all on V1, verified", next="see the report; then plan again"
        )
        raise (Interrupted if self.asked.stop.asked else RolledBack)([*why, where])

    def _is_ours(self, session: Session) -> bool:
        """Whether the journal is this run's own, so that a host which it does not name was not touched."""
        return not any("recovered_from" in record.data for record in session.journal.of("run.created"))

    def _against(self, standing: Standing) -> list[Problem]:
        """What speaks against going on forward."""
        run, next_ = self.known.run, "the run goes back on all its hosts; then plan again"
        reverted = [
            Problem(host=host, found=f"reverted by host at {at}, in run {run}", next=next_)
            for host, at in standing.reverted.items()
        ]
        told = {problem.host for problem in reverted}
        begun = [
            Problem(host=host, found=f"the rollback of run {run} was begun here", next=next_)
            for host in standing.going_back
            if host not in told
        ]
        return [*reverted, *begun, *(() if standing.confirming else (*self.found.lost, *self._missing()))]

    def _not_held(self, session: Session) -> list[Problem]:
        """Hosts whose lease could not be taken: nothing may be changed there."""
        lost = {problem.host for problem in self.found.lost}
        found, next_ = "its lease could not be taken", "see that the host can be reached, and `./invokew status`"
        return [
            Problem(host=host, found=found, next=next_)
            for host in session.hosts
            if host not in {*session.tokens, *lost}
        ]

    def _missing(self) -> list[Problem]:
        """Hosts of the run that keep no part of the plan, where only the hosts have it."""
        lost = {problem.host for problem in self.found.lost}
        wanted = [host for batch in self.plan.batches for host in batch]
        found, next_ = f"run {self.known.run} has not come here, and its plan is only on the other hosts", "plan again"
        return [Problem(host=host, found=found, next=next_) for host in wanted if host not in {*self.plan.hosts, *lost}]

    def _approved(self, journal: Journal) -> None:
        """A plan that was approved for as much as this is not asked about again."""
        purpose = "prepare" if self.asked.only_prepare else "cutover"
        given = {
            record.data.get("purpose")
            for record in journal.of("approved")
            if record.data["fingerprint"] == self.plan.fingerprint
        }
        if purpose in given or "cutover" in given:
            return
        self.asked.approve(self.plan)
        journal.write("approved", by=holder(), fingerprint=self.plan.fingerprint, purpose=purpose)

    def _contents(self) -> tuple[dict[str, str], Path]:
        """The files of the plan and its release; built anew where this machine does not have it."""
        artifact = self._artifact()
        if artifact.sha256 != self.plan.release.sha256:
            found = f"release {self.plan.release.id} cannot be made here as it was planned"
            next_ = "resume it on the machine where it began, or go back with `./invokew rollback`"
            raise UsageError(Problem(path=str(artifact.path), found=found, next=next_))
        return contents_for(self.targets, self.plan, artifact), artifact.path

    def _artifact(self) -> Artifact:
        named = self.targets.options.release
        path = Path(named) if named else self.targets.root / ".cutover" / "releases" / self.plan.release.artifact
        return inspect(path) if path.is_file() else release_for(self.targets, self.fleet)

    def _session(
        self, journal: Journal, contents: dict[str, str], artifact: Path | None, touched: Sequence[str] = ()
    ) -> Session:
        fleet = Fleet(
            {name: agent for name, agent in self.fleet.agents.items() if name in self.plan.hosts},
            self.fleet.pool,
            self.fleet.logins,
        )
        times = times_of(self.targets)
        return Session(
            root=self.targets.root, run=self.known.run, environment=self.plan.environment, journal=journal,
            evidence=self.directory.evidence, fleet=fleet,
            plans={name: plan for name, plan in self.plan.hosts.items() if name in fleet.agents}, times=times,
            ends=times.run_ends(len(self.plan.batches)),
            stop=self.asked.stop, contents=contents, artifact=artifact, inherited=touched,
            dead=dead_holders(self.known.run, self.known.statuses),
        )  # fmt: skip

    def _tell(self, journal: Journal, standing: Standing) -> None:
        journal.write("run.started", fingerprint=self.plan.fingerprint, hosts=list(self.plan.hosts))
        journal.write("resumed", by=holder(), touched=list(standing.touched), found="its controller is gone")
