"""`--resume`: go on with a run whose controller died, from its directory or from what its hosts hold. The same plan, the same id.

Before phase 3 everything is simply done again: each step looks first. From there on the host is asked: where one has gone
back, by itself or by a rollback, all go back; else the phase that was begun last is done again, and the run goes on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover.core.errors import (
    ExitCode,
    Interrupted,
    MixedFleet,
    Problem,
    Refused,
    RolledBack,
    Unreachable,
    UsageError,
)
from cutover.core.step import State
from cutover.inventory.targets import Targets
from cutover.journal.journal import Journal, read
from cutover.journal.record import Record
from cutover.journal.rundir import RunDir, RunDirs
from cutover.plan.phases import COMMITTING
from cutover.plan.plan import Plan
from cutover.release.build import release_again
from cutover.remote.fleet import Fleet, connected_as_far_as_possible
from cutover.run.checklist import Polling
from cutover.run.commit import CONFIRMED, Reached, prepare
from cutover.run.cutover import commit_or_go_back
from cutover.run.history import Known, ask, directory_of, entry_of, is_open, known_of, known_run
from cutover.run.planning import contents_for
from cutover.run.rollback import go_back
from cutover.run.session import Session, StopSignal, dead_holders, end_recorded, held, holder, times_of

# Where a run stands on each host: by what the host remembers of it, and by this machine's journal where there is one.

COMMITS = [phase.name for phase in COMMITTING]


@dataclass(frozen=True)
class Standing:
    """One run: its plan, what its hosts say, and the records of its journal on this machine (none where it began elsewhere)."""

    known: Known
    records: Sequence[Record] = ()

    def begun(self, host: str) -> list[str]:
        """Which of the phases 3-5 were begun on a host, in their order."""
        seen = {record.phase for record in self.records if record.kind == "intent" and record.host == host}
        seen.update(batch.rpartition("-")[0] for batch in (self.known.entry(host) or {"batches": ()})["batches"])
        return [phase for phase in COMMITS if phase in seen]

    @property
    def touched(self) -> tuple[str, ...]:
        """Hosts on which phases 3-5 were begun, or that were armed for it, in the order of the plan."""
        known = set(self.known.touched)
        return tuple(host for host in self.known.plans if host in known or self.begun(host))

    @property
    def back(self) -> tuple[str, ...]:
        """Hosts that have gone back already, as far as they say themselves."""
        return tuple(host for host in self.known.plans if self.known.is_back(host))

    @property
    def reverted(self) -> Mapping[str, str]:
        """Hosts that went back by themselves, whether or not they are done with it, and when."""
        entries = {host: self.known.entry(host) or {} for host in self.known.plans}
        return {host: entry["reverted"]["at"] for host, entry in entries.items() if entry.get("reverted")}

    @property
    def going_back(self) -> tuple[str, ...]:
        """Hosts on which a rollback was begun, by the hosts and by the journal."""
        told = {host for record in self.records if record.kind == "rollback.started" for host in record.data["hosts"]}
        return tuple(host for host in self.known.plans if host in told or self.known.rolled_back(host))

    @property
    def confirmed(self) -> bool:
        """Whether the last gate of the last batch was passed, and every host has been told."""
        if any(record.kind == "confirmed" for record in self.records):
            return True
        states = [(self.known.entry(host) or {}).get("state") or {} for host in self.known.plans]
        return all(state.get("status") == CONFIRMED for state in states) and not self.reverted

    @property
    def confirming(self) -> bool:
        """Whether the last gate of the last batch was passed, so that hosts were being told, or had been."""
        states = [(self.known.entry(host) or {}).get("state") or {} for host in self.known.plans]
        told = any(state.get("status") == CONFIRMED for state in states)
        return told or any(record.kind == "confirming" for record in self.records)

    def reached(self) -> Reached:
        """The last batch and phase that were begun; all before that was gated. It is done again: every step looks first."""
        if self.confirming:
            return Reached(len(self.known.plan.batches))
        begun = [
            (number, COMMITS.index(phases[-1]))
            for number, hosts in enumerate(self.known.plan.batches)
            for host in hosts
            if (phases := self.begun(host))
        ]
        return Reached(*max(begun, default=(0, 0)))


# Which run `--resume` means: the one that is named, else the last that was left in the middle, by this machine or by the hosts.


@dataclass(frozen=True)
class Found:
    """A run to go on with: what is known of it, and those of its hosts that could not be asked."""

    known: Known
    lost: tuple[Problem, ...]

    @property
    def run(self) -> str:
        """Its id."""
        return self.known.run


def begun_here(targets: Targets, runs: RunDirs, run: str) -> RunDir | None:
    """The directory of the run on this machine, if it has one with a plan in it."""
    if not run:
        return runs.unfinished(targets.environment, targets.service, targets.names)
    directory = RunDir(runs.root / run)
    return directory if directory.plan_file.exists() else None


def find(
    targets: Targets, runs: RunDirs, fleet: Fleet, here: RunDir | None, run: str, unreachable: Sequence[Problem]
) -> Found | None:
    """The run to go on with; None where nothing was left in the middle. UsageError where it concerns other hosts as well."""
    statuses, silent = ask(fleet)
    lost: tuple[Problem, ...] = (*unreachable, *silent)
    newest = run or max([here.id if here else "", *_open_on(statuses)])
    if not newest:
        if lost:  # whether one of these was left in the middle is not known
            raise Refused(lost)
        return None
    own = here if here is not None and here.id == newest else RunDir(runs.root / newest)
    if own.plan_file.exists():
        known = Known(newest, own.plan(), statuses)
    elif run and not any(entry_of(status, run) for status in statuses.values()):
        known_run(fleet, run, lambda _known: True)  # raises, and says which runs there are
        return None
    else:
        read, unread = known_of(fleet, newest, statuses)
        lost = (*lost, *unread)
        if read is None:
            raise Refused(lost)
        known = read
    _refuse_other_hosts(targets, known.plan)
    _refuse_superseded(known)
    return Found(known, tuple(problem for problem in lost if problem.host in _hosts(known.plan)))


def _open_on(statuses: Mapping[str, State]) -> list[str]:
    """Runs that some host says were left in the middle."""
    runs = {entry["run"] for status in statuses.values() for entry in status["runs"]}
    return [run for run in runs if any(is_open(status, run) for status in statuses.values())]


def _hosts(plan: Plan) -> set[str]:
    """All hosts of the run, also those that keep no part of the plan yet."""
    return {*plan.hosts, *(host for batch in plan.batches for host in batch)}


def _refuse_other_hosts(targets: Targets, plan: Plan) -> None:
    others = sorted(_hosts(plan) - set(targets.names))
    if others or plan.environment != targets.environment:
        found = (
            f"it is about {', '.join(sorted(_hosts(plan)))} of {plan.environment}: {', '.join(others)} not chosen here"
        )
        next_ = f"name the hosts as they were: --hosts '{plan.pattern}'"
        raise UsageError(Problem(path=f"--run {plan.run}", found=found, next=next_))


def _refuse_superseded(known: Known) -> None:
    """A host that a later run has worked on is not where this run left it."""
    later = {
        host: entry["run"]
        for host in known.plans
        for entry in (known.statuses.get(host) or {"runs": ()})["runs"]
        if entry["run"] > known.run and entry["batches"]
    }
    if later:
        raise Refused(
            Problem(
                host=host, found=f"run {run} came after run {known.run} here", next="see `./invokew status`; plan again"
            )
            for host, run in later.items()
        )


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

    def _contents(self) -> tuple[dict[str, str], Path | None]:
        """The files of the plan and its release; built anew where this machine does not have it."""
        release = release_again(self.targets, self.plan, self.fleet)
        return contents_for(self.targets, self.plan, release.facts), release.artifact

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
            root=self.targets.root, run=self.known.run, service=self.plan.service.name, environment=self.plan.environment, journal=journal,
            evidence=self.directory.evidence, fleet=fleet,
            plans={name: plan for name, plan in self.plan.hosts.items() if name in fleet.agents}, times=times,
            ends=times.run_ends(len(self.plan.batches)),
            stop=self.asked.stop, contents=contents, artifact=artifact, inherited=touched,
            dead=dead_holders(self.known.run, self.known.statuses),
        )  # fmt: skip

    def _tell(self, journal: Journal, standing: Standing) -> None:
        journal.write("run.started", fingerprint=self.plan.fingerprint, hosts=list(self.plan.hosts))
        journal.write("resumed", by=holder(), touched=list(standing.touched), found="its controller is gone")
