"""Which run is meant, and what is known of it: from this machine's run directories, or from what the hosts hold."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from cutover.console.ask import progress
from cutover.core.errors import MixedFleet, Problem, Refused, Unreachable, UsageError
from cutover.core.step import State
from cutover.inventory.targets import Targets
from cutover.journal.pending_rollbacks import PendingRollback, PendingRollbacks, pending_rollbacks
from cutover.journal.record import Record
from cutover.journal.rundir import RunDir, RunDirs
from cutover.plan.phases import COMMITTING, ROLLBACK
from cutover.plan.plan import HostPlan, Plan
from cutover.remote.fleet import Fleet, failures, reached
from cutover.remote.timeouts import ASK_S
from cutover.run.kept_plans import Keepers, plan_of
from cutover.run.session import Reached, Session

COMMITS = [phase.name for phase in COMMITTING]
CONFIRMED = "confirmed"  # what a host keeps as the state of a run that stays


@dataclass(frozen=True)
class HostRun:
    """What a host says of one run. One that knows no such run, or could not be asked, says that nothing was begun."""

    phases: tuple[str, ...] = ()  # that were begun, in order; again where one was begun again
    state: State = field(default_factory=dict)  # how the run left it: `status`, `at`
    reverted: State = field(default_factory=dict)  # its own way back: `at`, `ok`
    heads: tuple[State, ...] = ()  # how far journals of the run had come
    armed: bool = False
    held: bool = False  # by a lease that was not given back

    @classmethod
    def of(cls, status: State | None, run: str) -> "HostRun":
        """A run in what a host's agent says of itself."""
        entry = next((entry for entry in status["runs"] if entry["run"] == run), None) if status else None
        if status is None or entry is None:
            return cls()
        return cls(
            tuple(batch.rpartition("-")[0] for batch in entry["batches"]),
            entry["state"] or {},
            entry["reverted"] or {},
            tuple(entry["heads"]),
            status["revert"]["armed"] and status["revert"]["run"] == run,
            status["lease"]["run"] == run and not status["lease"]["released"],
        )

    @property
    def touched(self) -> bool:
        """Whether phases 3-5 were begun, or it was armed for them."""
        return bool({*self.phases} & {*COMMITS} or self.reverted or self.armed)

    @property
    def confirmed(self) -> bool:
        """Whether it stays on the new release."""
        return bool(self.state.get("status") == CONFIRMED and not self.reverted)

    @property
    def settled(self) -> bool:
        """Whether a rollback has brought it back, verified, and it is recorded there."""
        return bool(self.state.get("status") == ROLLBACK.name)

    @property
    def owed(self) -> bool:
        """Whether it was touched, and no rollback has brought it back and verified it: also one that went back by itself, unseen."""
        return self.touched and not self.settled

    @property
    def back(self) -> bool:
        """Whether the way back was completed, by a rollback or by the host itself."""
        return self.settled or self.reverted.get("ok") is True

    @property
    def going_back(self) -> bool:
        """Whether a rollback was begun."""
        return ROLLBACK.name in self.phases or self.settled

    @property
    def open(self) -> bool:
        """Whether it was left in the middle: neither given back, nor confirmed, nor settled by a rollback."""
        return not self.settled and ((self.touched and not self.confirmed) or self.armed or self.held)


@dataclass(frozen=True)
class Known:
    """A run as the hosts remember it: the plan of each host, what was begun there; and as this machine's journal has it, if it has one."""

    run: str
    plan: Plan
    statuses: Mapping[str, State]
    records: Sequence[Record] = ()
    # Hosts whose plan was computed anew, for the way back alone: nobody signed what they keep.
    anew: tuple[str, ...] = ()

    @property
    def plans(self) -> Mapping[str, HostPlan]:
        """The plan of each host that has a part in the run."""
        return self.plan.hosts

    @property
    def signed(self) -> bool:
        """Whether its plan is this machine's own, or was signed; else all that is known of the run is the word of its hosts."""
        return not self.anew

    @property
    def claimants(self) -> tuple[str, ...]:
        """The hosts that say that they had a part in it."""
        return tuple(
            name for name, status in self.statuses.items() if any(one["run"] == self.run for one in status["runs"])
        )

    def at(self, host: str) -> HostRun:
        """What a host remembers of this run."""
        return HostRun.of(self.statuses.get(host), self.run)

    @property
    def hosts(self) -> dict[str, HostRun]:
        """The same of each host that has a part in the run."""
        return {host: self.at(host) for host in self.plans}

    @property
    def heads(self) -> list[State]:
        """How far journals of the run had come, by what the hosts were sent."""
        return [head for host in self.hosts.values() for head in host.heads]

    @property
    def touched(self) -> tuple[str, ...]:
        """Hosts on which phases 3-5 were begun, or that were armed for it, in order."""
        return tuple(name for name, host in self.hosts.items() if host.touched or self.begun(name))

    @property
    def owed(self) -> tuple[str, ...]:
        """Touched hosts that no rollback has settled."""
        return tuple(name for name in self.touched if not self.at(name).settled)

    @property
    def at_stake(self) -> tuple[str, ...]:
        """The hosts that are owed a rollback, and those that the run still holds, on which it may go on."""
        return tuple(name for name, host in self.hosts.items() if name in self.owed or host.held)

    @property
    def unconfirmed(self) -> bool:
        """Whether some host that answers was touched, and is not on the new release for good."""
        asked = [self.at(name) for name in self.owed if name in self.statuses]
        return any(host.armed or not host.confirmed for host in asked)

    @property
    def unfinished(self) -> bool:
        """Whether some host says that the run was left in the middle."""
        return any(HostRun.of(status, self.run).open for status in self.statuses.values())

    def ran(self, phases: Sequence[str]) -> bool:
        """Whether any of these phases was begun on some host."""
        return any({*host.phases} & {*phases} for host in self.hosts.values())

    def begun(self, host: str) -> list[str]:
        """Which of the phases 3-5 were begun on a host, in their order."""
        seen = {record.phase for record in self.records if record.kind == "intent" and record.host == host}
        seen.update(self.at(host).phases)
        return [phase for phase in COMMITS if phase in seen]

    @property
    def going_back(self) -> tuple[str, ...]:
        """Hosts on which a rollback was begun, by the hosts and by the journal."""
        begun = {host for record in self.records if record.kind == "rollback.started" for host in record.data["hosts"]}
        return tuple(name for name, host in self.hosts.items() if name in begun or host.going_back)

    @property
    def confirmed(self) -> bool:
        """Whether the last gate of the last batch was passed, and every host has recorded it."""
        recorded = any(record.kind == "confirmed" for record in self.records)
        return recorded or all(host.confirmed for host in self.hosts.values())

    @property
    def confirming(self) -> bool:
        """Whether the last gate of the last batch was passed, so that hosts were being confirmed, or had been."""
        recorded = any(record.kind == "confirming" for record in self.records)
        return recorded or any(host.state.get("status") == CONFIRMED for host in self.hosts.values())

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


def ask(fleet: Fleet) -> tuple[dict[str, State], list[Problem]]:
    """What every host says of its lease, its armed revert, its runs; and who could not say."""
    outcomes = fleet.each(lambda agent: agent.status(), deadline=ASK_S)
    return {name: one.unwrap() for name, one in outcomes.items() if one.error is None}, failures(outcomes)


def known_run(
    fleet: Fleet, targets: Targets, run: str, wanted: Callable[[Known], bool]
) -> tuple[Known | None, list[Problem]]:
    """The run that is named, else the newest that is wanted (None where no host knows such a run); and who could not say.

    The hosts are asked, since they hold what is needed and cannot be out of date. UsageError where the newest is the word of a
    single host, and others have another one: which is meant is not for that host to say.
    """
    statuses, silent = ask(fleet)
    on_hosts = sorted({entry["run"] for status in statuses.values() for entry in status["runs"]}, reverse=True)
    if run and statuses and run not in on_hosts:
        found = f"no host knows run {run}; they know {', '.join(on_hosts[:5]) or 'none'}"
        raise UsageError(Problem(path="--run", found=found, next="name one of these"))
    alone: Known | None = None
    keepers = Keepers(fleet)
    for candidate in [run] if run else on_hosts:
        kept = plan_of(keepers, targets, candidate, statuses)
        known = None if kept.plan is None else Known(candidate, kept.plan, statuses, anew=kept.anew)
        if known is not None and (run or wanted(known)):
            if alone is not None and alone.claimants != known.claimants:
                raise _ambiguous(alone, known)
            if run or known.signed or len(known.claimants) > 1:
                return alone or known, [*silent, *kept.problems]
            alone = alone or known
            continue
        # Where what a host keeps of an earlier run cannot be believed, that matters as long as it was not taken back.
        silent += [one for one in kept.problems if run or HostRun.of(statuses.get(one.host), candidate).owed]
    return alone, silent


def _ambiguous(alone: Known, other: Known) -> UsageError:
    (host,) = alone.claimants
    found = f"this host alone knows run {alone.run}, and nobody signed its plan; {', '.join(other.claimants)} had run {other.run}"
    next_ = f"`--run {other.run}` or `--run {alone.run}`; where nobody began the latter, see who has root on that host"
    return UsageError(Problem(found, next_, host=host, path="--run"))


def directory_of(runs: RunDirs, known: Known) -> RunDir:
    """The run's directory on this machine, made anew where this machine never had it (another controller began the run)."""
    directory = runs.path_of(known.run)
    directory.make()
    if not directory.plan_file.exists():
        known.plan.save(directory.plan_file)
    return directory


# What must be settled before any new run: a host that reverted by itself, one that was left between versions, an owed rollback.


def connect_settled(session: Session) -> None:
    """Connect to all hosts; every one is reached, and none has anything that an earlier run left unsettled.

    Raises MixedFleet where a rollback is owed or a host is between two versions, else Refused; held hosts are left to the lock.
    """
    targets = session.targets
    book = pending_rollbacks(targets.root, targets.environment, targets.service)
    session.fleet, unreachable = session.resources.enter_context(reached(targets))
    statuses, silent = ask(session.fleet)
    lost = [*unreachable, *silent]
    settle_what_is(book, statuses)
    pending = owed(book, statuses, targets.names)
    free = {host: status for host, status in statuses.items() if not status["lease"]["held"]}
    mixed = [pending[host].problem() for host in dict.fromkeys(one.host for one in lost) if host in pending]
    mixed += [problem for host, status in free.items() for problem in _between(host, status)]
    reverted = [problem for host, status in free.items() for problem in _reverted(host, status)]
    if mixed:
        raise MixedFleet([*mixed, *reverted, *lost])
    if reverted:
        raise Refused([*reverted, *lost])
    if lost:
        raise Unreachable(lost)


def settle_what_is(book: PendingRollbacks, statuses: Mapping[str, State]) -> None:
    """Take out of the book who says itself that it is back, or was never touched: the host knows best."""
    with remembered_if_possible(book):
        book.remove(book.all().keys() - owed(book, statuses).keys())


@contextmanager
def remembered_if_possible(book: PendingRollbacks) -> Iterator[None]:
    """A disk of this machine that cannot be written keeps no host from going back: it is said, and hosts remember it as well."""
    try:
        yield
    except OSError as unwritten:
        progress(f"{book.path} could not be written ({unwritten.strerror}): the hosts remember who is owed a rollback")


def owed(
    book: PendingRollbacks, statuses: Mapping[str, State], names: Sequence[str] = ()
) -> dict[str, PendingRollback]:
    """What is owed as far as this machine knows, and as others of these hosts remember, without those that say themselves it is not."""
    marks = [
        PendingRollback(host, entry["run"], entry["state"]["at"], "it did not go back when the others did")
        for status in statuses.values()
        for entry in status["runs"]
        for host in (entry["state"] or {}).get("owed", ())
        if host in names and host not in statuses
    ]
    kept = {
        host: one
        for host, one in book.all().items()
        if host not in statuses or HostRun.of(statuses[host], one.run).owed
    }
    return {one.host: one for one in marks} | kept


def _reverted(host: str, status: State) -> list[Problem]:
    """That the host went back by itself, or is about to."""
    settle = "`./invokew rollback` settles it: it judges the old release there, and writes the incident record"
    problems = [
        Problem(host=host, found=f"reverted by host at {entry['reverted']['at']}, in run {entry['run']}", next=settle)
        for entry in status["runs"]
        if (one := HostRun.of(status, entry["run"])).back and not one.settled
    ]
    if status["revert"]["armed"]:
        run = status["revert"]["run"]
        found = f"run {run} was never confirmed here, and the host is about to go back by itself"
        next_ = "go on with `./invokew cutover --resume`, or take it back with `./invokew rollback`"
        problems.append(Problem(host=host, found=found, next=next_))
    return problems


def _between(host: str, status: State) -> list[Problem]:
    """That a run was left in phases 3-5 here, or its own revert did not bring it back."""
    next_ = "`./invokew rollback` takes it back to the old release"
    runs = {entry["run"]: HostRun.of(status, entry["run"]) for entry in status["runs"]}
    left = [run for run, one in runs.items() if one.touched and not (one.confirmed or one.back or one.armed)]
    found = "was left in the middle here: which version is in service is not known"
    return [Problem(host=host, found=f"run {run} {found}", next=next_) for run in left]
