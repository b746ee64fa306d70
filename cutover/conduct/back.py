"""`rollback` and `abort`: go back to V1 any time after a cutover, from any machine with the same inventory."""

from collections.abc import Callable
from dataclasses import dataclass

from cutover.conduct.arming import arm
from cutover.conduct.fleet import connected_as_far_as_possible
from cutover.conduct.history import Known, ask, directory_of, known_run
from cutover.conduct.interrupts import StopSignal
from cutover.conduct.leases import held, refuse_held
from cutover.conduct.rollback import go_back
from cutover.conduct.session import Session
from cutover.conduct.targets import Targets
from cutover.conduct.times import times_of
from cutover.decide.phases import ROLLBACK
from cutover.words.errors import CutoverError, ExitCode, MixedFleet, Problem, UsageError
from cutover.world.journal import Journal, utc_now
from cutover.world.rundir import RunDir, RunDirs

Approve = Callable[[Known, tuple[str, ...]], None]
Watch = Callable[[RunDir, Journal], None]


@dataclass(frozen=True)
class Asked:
    """What was asked for: which run (the newest with a host on V2, where none is named), why, and who is to be heard."""

    run: str
    reason: str
    approve: Approve
    watch: Watch
    stop: StopSignal


def rollback(targets: Targets, runs: RunDirs, asked: Asked) -> tuple[str, ...]:
    """Take every touched host of a run back to V1, verified. Gives the hosts; none: nothing to do.

    Hosts that cannot be asked are left out, and told in the end with exit 5: whether they are on V2 is not known. A host
    that another run holds ends it before anything is done (exit 6).
    """
    with connected_as_far_as_possible(targets) as (fleet, unreachable):
        known, silent = known_run(fleet, asked.run, lambda candidate: bool(candidate.owed))
        unknown = [*unreachable, *silent]
        if known is None or not known.owed:
            refuse_held(ask(fleet)[0])  # a run under way is the answer then, not «nothing to do»
            if unknown:
                raise MixedFleet(unknown)
            return ()
        asked.approve(known, known.owed)
        directory = directory_of(runs, known)
        journal = _journal(directory, known, targets)
        asked.watch(directory, journal)
        session = Session(
            root=targets.root, run=known.run, journal=journal, evidence=directory.evidence, fleet=fleet,
            plans={name: known.plans[name] for name in known.owed}, times=times_of(targets), stop=asked.stop,
        )  # fmt: skip
        try:
            _go(session, known.owed, asked.reason, unknown)
        finally:
            journal.close()
    asked.stop.check()
    return known.owed


def _journal(directory: RunDir, known: Known, targets: Targets) -> Journal:
    """The run's journal. One that was altered is set aside rather than trusted, and rather than keep V1 from coming back."""
    try:
        journal = directory.journal()
    except UsageError as altered:
        aside = directory.journal_file.with_name(f"journal-altered-{utc_now()}.jsonl")
        directory.journal_file.rename(aside)
        journal = directory.journal()
        journal.write("journal.set_aside", as_=aside.name, found=str(altered))
    if not journal.of("run.created"):
        about = {"run": known.run, "environment": targets.environment, "pattern": targets.options.hosts}
        journal.write("run.created", **about, recovered_from="hosts")
    return journal


def _go(session: Session, hosts: tuple[str, ...], reason: str, unknown: list[Problem]) -> None:
    session.tell("run.started", hosts=list(hosts), purpose="rollback")
    try:
        with held(session, all_or_none=False):
            for problem in arm(session, [name for name in hosts if name in session.tokens]):
                session.tell("failed", host=problem.host, phase=ROLLBACK.name, found=problem.found, next=problem.next)
            go_back(session, reason, hosts)
            if unknown:
                raise MixedFleet(unknown)
    except CutoverError as end:
        problems = [problem.as_json() for problem in end.problems]
        session.tell("run.finished", exit_code=int(end.exit_code), status=type(end).__name__, problems=problems)
        raise
    session.tell("run.finished", exit_code=int(ExitCode.DONE), status="on V1")
