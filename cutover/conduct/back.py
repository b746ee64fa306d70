"""`rollback` and `abort`: go back to V1 from any state, from any machine with the same inventory."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from cutover.conduct.arming import arm
from cutover.conduct.ending import end_recorded
from cutover.conduct.fleet import Fleet, connected_as_far_as_possible
from cutover.conduct.interrupts import StopSignal
from cutover.conduct.leases import dead_holders, held, refuse_held, refuse_wrong_nonce
from cutover.conduct.resuming.history import Known, ask, directory_of, known_run
from cutover.conduct.resuming.unsettled import settle_what_is
from cutover.conduct.rollback import go_back
from cutover.conduct.session import Session
from cutover.conduct.staying import staying
from cutover.conduct.targets import Targets
from cutover.conduct.times import times_of
from cutover.decide.phases import ROLLBACK
from cutover.words.errors import ExitCode, Locked, MixedFleet, Problem, Unreachable, UsageError
from cutover.world.journal import Journal, read, utc_now
from cutover.world.owed import book_of
from cutover.world.rundir import RunDir, RunDirs

Approve = Callable[[Known, tuple[str, ...]], None]
Listen = Callable[[RunDir, Journal], None]


@dataclass(frozen=True)
class RollbackRequest:
    """What was asked for: which run (the newest with a host to settle, where none is named), why, and who is to be heard.

    With `resume`, only a run whose way back was begun already; `steal` is the nonce of a holder that is to lose its hosts.
    """

    run: str
    reason: str
    approve: Approve
    listen: Listen
    stop: StopSignal
    resume: bool = False
    steal: str = ""

    def wants(self, known: Known, runs: RunDirs) -> bool:
        """Whether a run is one to go back from."""
        begun = any(known.rolled_back(host) for host in known.plans)
        return bool(known.owed) and (not self.resume or begun or _begun_here(RunDir(runs.root / known.run)))


def rollback(targets: Targets, runs: RunDirs, asked: RollbackRequest) -> tuple[str, ...]:
    """Take every touched host of a run back to V1, verified. Gives the hosts; none: nothing to do.

    Those that went back by themselves are judged, and count as settled from then on. Hosts that cannot be asked are left out,
    and told in the end with exit 5: whether they are on V2 is not known. So are hosts of the run that were not chosen and stay
    on V2. A host that another run holds ends it before anything is done (exit 6); a holder that has died on this machine is
    taken for what it is.
    """
    try:
        return _rollback(targets, runs, asked)
    except Unreachable as nobody:  # which is no «V1 is as it was»
        raise MixedFleet(_unknown(problem) for problem in nobody.problems) from nobody


def _unknown(problem: Problem) -> Problem:
    return replace(problem, found=f"{problem.found}; whether it is on V2 is not known")


def _rollback(targets: Targets, runs: RunDirs, asked: RollbackRequest) -> tuple[str, ...]:
    with connected_as_far_as_possible(targets) as (fleet, unreachable):
        known, silent = known_run(fleet, asked.run, lambda candidate: asked.wants(candidate, runs))
        unknown = [_unknown(problem) for problem in (*unreachable, *silent)]
        statuses = known.statuses if known is not None else ask(fleet)[0]
        refuse_wrong_nonce(statuses, asked.steal)
        settle_what_is(book_of(targets.root, targets.environment), statuses)
        if known is None or not asked.wants(known, runs):
            dead = dead_holders(None, statuses, asked.steal)
            refuse_held({host: one for host, one in statuses.items() if host not in dead})
            if unknown:
                raise MixedFleet(unknown)
            return ()
        if not asked.resume:
            asked.approve(known, known.owed)
        _settle(targets, runs, asked, fleet, known, unknown)
    asked.stop.check()
    return known.owed


def _begun_here(directory: RunDir) -> bool:
    """Whether a rollback of the run was begun or approved on this machine: it may not have come to a batch on any host."""
    try:
        records = read(directory.journal_file) if directory.journal_file.exists() else []
    except UsageError:  # altered: journal_of sets it aside, and the hosts alone say what was begun
        return False
    return any(record.kind == "rollback.started" or record.data.get("purpose") == ROLLBACK.name for record in records)


def _settle(
    targets: Targets, runs: RunDirs, asked: RollbackRequest, fleet: Fleet, known: Known, unknown: list[Problem]
) -> None:
    directory = directory_of(runs, known)
    journal = journal_of(directory, known, targets, steal=bool(asked.steal))
    try:
        asked.listen(directory, journal)
        session = Session(
            root=targets.root, run=known.run, environment=targets.environment, journal=journal, evidence=directory.evidence,
            fleet=replace(fleet, agents={name: fleet.agents[name] for name in known.owed}),
            plans={name: known.plans[name] for name in known.owed}, times=times_of(targets), stop=asked.stop,
            dead=dead_holders(known.run, known.statuses, asked.steal),
        )  # fmt: skip
        already = tuple(name for name in known.owed if known.is_back(name))
        _go(session, known.owed, asked.reason, unknown, already, lambda: staying(targets, known))
    finally:
        journal.close()


def journal_of(directory: RunDir, known: Known, targets: Targets, *, steal: bool = False) -> Journal:
    """The run's journal. One that was altered or cut is set aside rather than trusted, and rather than keep V1 from coming back.

    So is one that a process still holds whose hosts are taken from it.
    """
    try:
        journal = directory.journal()
        journal.refuse_cut([head for host in known.plans for head in (known.entry(host) or {}).get("heads", ())])
    except (UsageError, Locked) as unusable:
        if isinstance(unusable, Locked) and not steal:
            raise
        aside = directory.journal_file.with_name(f"journal-set-aside-{utc_now()}.jsonl")
        directory.journal_file.rename(aside)
        journal = directory.journal()
        journal.write("journal.set_aside", as_=aside.name, found=str(unusable))
    if not journal.of("run.created"):
        about = {"run": known.run, "environment": targets.environment, "pattern": targets.options.hosts}
        journal.write("run.created", **about, recovered_from="hosts")
    return journal


def _go(
    session: Session,
    hosts: tuple[str, ...],
    reason: str,
    unknown: list[Problem],
    already: tuple[str, ...] = (),
    staying: Callable[[], list[Problem]] = list,
) -> None:
    session.tell("run.started", hosts=list(hosts), purpose="rollback")
    with end_recorded(session.journal):
        try:
            with held(session, all_or_none=False):
                going = [name for name in hosts if name in session.tokens and name not in already]
                for problem in arm(session, going):
                    session.tell(
                        "failed", host=problem.host, phase=ROLLBACK.name, found=problem.found, next=problem.next
                    )
                go_back(session, reason, hosts, already, unknown)
        except MixedFleet as mixed:
            raise MixedFleet([*mixed.problems, *staying()]) from mixed
        if left := staying():  # asked when those that were chosen are back: they do not wait for it
            raise MixedFleet(left)
    session.tell("run.finished", exit_code=int(ExitCode.DONE), status="on V1")
