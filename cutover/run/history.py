"""Which run is meant, and what is known of it: from this machine's run directories, or from what the hosts hold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from cutover.core.errors import MixedFleet, Problem, Refused, Unreachable, UsageError
from cutover.core.step import State
from cutover.journal.pending_rollbacks import PendingRollback, PendingRollbacks, pending_rollbacks
from cutover.journal.record import Record
from cutover.journal.rundir import RunDir, RunDirs
from cutover.plan.phases import COMMITTING, ROLLBACK
from cutover.plan.plan import HostPlan, Plan, joined
from cutover.remote.fleet import Fleet, connected_as_far_as_possible, failures
from cutover.remote.timeouts import ASK_S
from cutover.run.session import Reached, Session

COMMITS = [phase.name for phase in COMMITTING]
CONFIRMED = "confirmed"  # what a host keeps as the state of a run that stays


@dataclass(frozen=True)
class Known:
    """A run as the hosts remember it: the plan of each host, what was begun there; and as this machine's journal has it, if it has one."""

    run: str
    plan: Plan
    statuses: Mapping[str, State]
    records: Sequence[Record] = ()

    @property
    def plans(self) -> Mapping[str, HostPlan]:
        """The plan of each host that has a part in the run."""
        return self.plan.hosts

    @property
    def touched(self) -> tuple[str, ...]:
        """Hosts on which phases 3-5 were begun, or that were armed for it, in order."""
        return tuple(name for name in self.plans if is_touched(self.statuses.get(name), self.run) or self.begun(name))

    @property
    def owed(self) -> tuple[str, ...]:
        """Touched hosts that no rollback has brought back and verified: also those that went back by themselves, unseen."""
        return tuple(name for name in self.touched if not is_settled_back(self.entry(name)))

    @property
    def unfinished(self) -> bool:
        """Whether some host says that the run was left in the middle: its lease not given back, or the host between versions."""
        return any(is_open(status, self.run) for status in self.statuses.values())

    def entry(self, name: str) -> State | None:
        """What a host remembers of this run; None where it could not be asked."""
        return entry_of(self.statuses.get(name), self.run)

    def ran(self, phases: Sequence[str]) -> bool:
        """Whether any of these phases was begun on some host."""
        return any(self._batches(name, phases) for name in self.plans)

    def _batches(self, name: str, phases: Sequence[str]) -> list[str]:
        entry = self.entry(name) or {"batches": []}
        return [batch for batch in entry["batches"] if batch.rpartition("-")[0] in phases]

    def is_back(self, name: str) -> bool:
        """Whether the way back has been completed on a host, by a rollback or by the host itself."""
        entry = self.entry(name)
        return entry is not None and (is_settled_back(entry) or (entry["reverted"] or {}).get("ok") is True)

    def rolled_back(self, name: str) -> bool:
        """Whether a rollback was begun on a host."""
        return bool(self._batches(name, [ROLLBACK.name])) or is_settled_back(self.entry(name))

    def begun(self, host: str) -> list[str]:
        """Which of the phases 3-5 were begun on a host, in their order."""
        seen = {record.phase for record in self.records if record.kind == "intent" and record.host == host}
        seen.update(batch.rpartition("-")[0] for batch in (self.entry(host) or {"batches": ()})["batches"])
        return [phase for phase in COMMITS if phase in seen]

    @property
    def back(self) -> tuple[str, ...]:
        """Hosts that have gone back already, as far as they say themselves."""
        return tuple(host for host in self.plans if self.is_back(host))

    @property
    def reverted(self) -> Mapping[str, str]:
        """Hosts that went back by themselves, whether or not they are done with it, and when."""
        entries = {host: self.entry(host) or {} for host in self.plans}
        return {host: entry["reverted"]["at"] for host, entry in entries.items() if entry.get("reverted")}

    @property
    def going_back(self) -> tuple[str, ...]:
        """Hosts on which a rollback was begun, by the hosts and by the journal."""
        begun = {host for record in self.records if record.kind == "rollback.started" for host in record.data["hosts"]}
        return tuple(host for host in self.plans if host in begun or self.rolled_back(host))

    @property
    def confirmed(self) -> bool:
        """Whether the last gate of the last batch was passed, and every host has recorded it."""
        if any(record.kind == "confirmed" for record in self.records):
            return True
        states = [(self.entry(host) or {}).get("state") or {} for host in self.plans]
        return all(state.get("status") == CONFIRMED for state in states) and not self.reverted

    @property
    def confirming(self) -> bool:
        """Whether the last gate of the last batch was passed, so that hosts were being confirmed, or had been."""
        states = [(self.entry(host) or {}).get("state") or {} for host in self.plans]
        confirmed = any(state.get("status") == CONFIRMED for state in states)
        return confirmed or any(record.kind == "confirming" for record in self.records)

    def reached(self) -> Reached:
        """The last batch and phase that were begun; all before that was gated. It is done again: every step looks first."""
        if self.confirming:
            return Reached(len(self.plan.batches))
        begun = [
            (number, COMMITS.index(phases[-1]))
            for number, hosts in enumerate(self.plan.batches)
            for host in hosts
            if (phases := self.begun(host))
        ]
        return Reached(*max(begun, default=(0, 0)))


def entry_of(status: State | None, run: str) -> State | None:
    """What a host says of one run."""
    runs: Sequence[State] = status["runs"] if status else ()
    return next((entry for entry in runs if entry["run"] == run), None)


def is_touched(status: State | None, run: str) -> bool:
    """Whether phases 3-5 of a run were begun on a host, or it was armed for them."""
    entry = entry_of(status, run)
    if status is None or entry is None:
        return False
    begun = {batch.rpartition("-")[0] for batch in entry["batches"]} & set(COMMITS)
    return bool(begun or entry["reverted"]) or _is_armed(status, run)


def is_settled_back(entry: State | None) -> bool:
    """Whether a rollback has brought the host back, verified, and it is recorded there."""
    return ((entry or {}).get("state") or {}).get("status") == ROLLBACK.name


def is_open(status: State, run: str) -> bool:
    """Whether a host was left in the middle of a run: neither given back, nor confirmed, nor settled by a rollback."""
    entry = entry_of(status, run)
    if entry is None or is_settled_back(entry):
        return False
    confirmed = (entry["state"] or {}).get("status") == CONFIRMED and not entry["reverted"]
    between = is_touched(status, run) and not confirmed
    return between or _is_armed(status, run) or (status["lease"]["run"] == run and not status["lease"]["released"])


def _is_armed(status: State, run: str) -> bool:
    return bool(status["revert"]["armed"]) and status["revert"]["run"] == run


def ask(fleet: Fleet) -> tuple[dict[str, State], list[Problem]]:
    """What every host says of its lease, its armed revert, its runs; and who could not say."""
    outcomes = fleet.each(lambda agent: agent.status(), deadline=ASK_S)
    return {name: one.unwrap() for name, one in outcomes.items() if one.error is None}, failures(outcomes)


def known_run(fleet: Fleet, run: str, wanted: Callable[[Known], bool]) -> tuple[Known | None, list[Problem]]:
    """The run that is named, else the newest that is wanted (None where no host knows such a run); and who could not say.

    The hosts are asked, since they hold what is needed and cannot be out of date.
    """
    statuses, silent = ask(fleet)
    on_hosts = sorted({entry["run"] for status in statuses.values() for entry in status["runs"]}, reverse=True)
    if run and statuses and run not in on_hosts:
        found = f"no host knows run {run}; they know {', '.join(on_hosts[:5]) or 'none'}"
        raise UsageError(Problem(path="--run", found=found, next="name one of these"))
    for candidate in [run] if run else on_hosts:
        known, unread = known_of(fleet, candidate, statuses)
        if known is not None and (run or wanted(known)):
            return known, [*silent, *unread]
    return None, silent


def known_of(fleet: Fleet, run: str, statuses: Mapping[str, State]) -> tuple[Known | None, list[Problem]]:
    """A run by the plans that its hosts keep (None where none could be read), and who could not give one."""
    holding = [name for name, status in statuses.items() if any(entry["run"] == run for entry in status["runs"])]
    kept = fleet.each(lambda agent: agent.plan(run), holding, deadline=ASK_S)
    parts = [_parse(one.value, name) for name, one in kept.items() if one.value is not None]
    return (Known(run, joined(parts), statuses) if parts else None), failures(kept)


def _parse(document: Mapping[str, Any], host: str) -> Plan:
    try:
        return Plan.model_validate(document)
    except ValidationError as wrong:
        found = f"it keeps a plan that this version of the tool cannot read: {wrong.errors()[0]['msg']}"
        raise UsageError(
            Problem(
                host=host,
                path=f"run {document.get('run', '?')}",
                found=found,
                next="use the version that began the run",
            )
        ) from wrong


def directory_of(runs: RunDirs, known: Known) -> RunDir:
    """The run's directory on this machine, made anew where this machine never had it (another controller began the run)."""
    directory = RunDir(runs.root / known.run)
    directory.evidence.mkdir(parents=True, exist_ok=True)
    if not directory.plan_file.exists():
        known.plan.save(directory.plan_file)
    return directory


# What must be settled before any new run: a host that reverted by itself, one that was left between versions, an owed rollback.

SETTLE = "`./invokew rollback` settles it: it judges the old release there, and writes the incident record"


def connect_settled(session: Session) -> None:
    """Connect to all hosts; every one is reached, and none has anything that an earlier run left unsettled.

    Raises MixedFleet where a rollback is owed or a host is between two versions, else Refused; held hosts are left to the lock.
    """
    targets = session.targets
    book = pending_rollbacks(targets.root, targets.environment, targets.service)
    try:
        fleet, unreachable = session.resources.enter_context(connected_as_far_as_possible(targets))
    except Unreachable as nobody:
        owed = book.all()
        if problems := [owed[problem.host].problem() for problem in nobody.problems if problem.host in owed]:
            raise MixedFleet([*problems, *nobody.problems]) from nobody
        raise
    statuses, silent = ask(fleet)
    settle_what_is(book, statuses)
    refuse(statuses, [*unreachable, *silent], {**owed_by_marks(statuses, targets.names), **book.all()})
    session.fleet = fleet


def refuse(statuses: Mapping[str, State], lost: Sequence[Problem], owed: Mapping[str, PendingRollback]) -> None:
    """Raise with everything that is not settled, or with what cannot be reached."""
    free = {host: status for host, status in statuses.items() if not status["lease"]["held"]}
    unreachable = {problem.host for problem in lost}
    mixed = [one.problem() for host, one in owed.items() if host in unreachable]
    mixed += [problem for host, status in free.items() for problem in _between(host, status)]
    reverted = [problem for host, status in free.items() for problem in _reverted(host, status)]
    if mixed:
        raise MixedFleet([*mixed, *reverted, *lost])
    if reverted:
        raise Refused([*reverted, *lost])
    if lost:
        raise Unreachable(lost)


def owed_by_marks(statuses: Mapping[str, State], names: Sequence[str]) -> dict[str, PendingRollback]:
    """Hosts that others remember as owed a rollback, and that do not say themselves how they are."""
    marks = [
        PendingRollback(host, entry["run"], entry["state"]["at"], "it did not go back when the others did")
        for status in statuses.values()
        for entry in status["runs"]
        for host in (entry["state"] or {}).get("owed", ())
    ]
    return {one.host: one for one in marks if one.host in names and one.host not in statuses}


def settle_what_is(book: PendingRollbacks, statuses: Mapping[str, State]) -> None:
    """Take out of the book who says itself that it is back, or was never touched: the host knows best."""
    book.remove(book.all().keys() - still_owed(book, statuses))


def still_owed(book: PendingRollbacks, statuses: Mapping[str, State]) -> dict[str, PendingRollback]:
    """What is owed as far as this machine knows, without the hosts that say themselves that it is not."""
    return {
        host: one
        for host, one in book.all().items()
        if host not in statuses or (is_touched(statuses[host], one.run) and not _is_settled(statuses[host], one.run))
    }


def _is_settled(status: State, run: str) -> bool:
    return any(is_settled_back(entry) for entry in status["runs"] if entry["run"] == run)


def _reverted(host: str, status: State) -> list[Problem]:
    """That the host went back by itself, or is about to."""
    problems = [
        Problem(host=host, found=f"reverted by host at {entry['reverted']['at']}, in run {entry['run']}", next=SETTLE)
        for entry in status["runs"]
        if entry["reverted"] and entry["reverted"]["ok"] and not is_settled_back(entry)
    ]
    if status["revert"]["armed"]:
        run = status["revert"]["run"]
        found = f"run {run} was never confirmed here, and the host is about to go back by itself"
        next_ = "go on with `./invokew cutover --resume`, or take it back with `./invokew rollback`"
        problems.append(Problem(host=host, found=found, next=next_))
    return problems


def _between(host: str, status: State) -> list[Problem]:
    """That a run was left in phases 3-5 here, or its own revert did not bring it back."""
    problems = []
    for entry in status["runs"]:
        confirmed = (entry["state"] or {}).get("status") == CONFIRMED and not entry["reverted"]
        by_itself = entry["reverted"] and entry["reverted"]["ok"]
        armed = status["revert"]["armed"] and status["revert"]["run"] == entry["run"]
        if is_touched(status, entry["run"]) and not (confirmed or by_itself or armed or is_settled_back(entry)):
            found = f"run {entry['run']} was left in the middle here: which version is in service is not known"
            next_ = "`./invokew rollback` takes it back to the old release"
            problems.append(Problem(host=host, found=found, next=next_))
    return problems
