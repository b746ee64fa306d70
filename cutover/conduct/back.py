"""`rollback` and `abort`: go back to V1 any time after a cutover, from any machine with the same inventory."""

from collections.abc import Callable

from cutover.conduct.fleet import connected_as_far_as_possible
from cutover.conduct.history import Known, directory_of, known_run
from cutover.conduct.interrupts import StopSignal
from cutover.conduct.leases import held
from cutover.conduct.rollback import go_back
from cutover.conduct.session import Session
from cutover.conduct.targets import Targets
from cutover.conduct.times import times_of
from cutover.words.errors import CutoverError, ExitCode, MixedFleet, Problem
from cutover.world.journal import Journal
from cutover.world.rundir import RunDir, RunDirs

Approve = Callable[[Known, tuple[str, ...]], None]
Watch = Callable[[RunDir, Journal], None]


def rollback(
    targets: Targets, runs: RunDirs, *, run: str, reason: str, approve: Approve, watch: Watch
) -> tuple[str, ...]:
    """Take every touched host of a run back to V1, verified. Gives the hosts; none: nothing to do.

    Hosts that cannot be reached are left out, and told in the end with exit 5: whether they are on V2 is not known.
    """
    with connected_as_far_as_possible(targets) as (fleet, unreachable):
        known = known_run(fleet, run, lambda candidate: bool(candidate.owed))
        if known is None or not known.owed:
            if unreachable:
                raise MixedFleet(unreachable)
            return ()
        approve(known, known.owed)
        directory = directory_of(runs, known)
        fresh = not directory.journal_file.exists()
        journal = directory.journal()
        watch(directory, journal)
        try:
            if fresh:
                journal.write(
                    "run.created",
                    run=known.run,
                    environment=targets.environment,
                    pattern=targets.options.hosts,
                    recovered_from="hosts",
                )
            session = Session(
                root=targets.root, run=known.run, journal=journal, evidence=directory.evidence, fleet=fleet,
                plans={name: known.plans[name] for name in known.owed}, times=times_of(targets), stop=StopSignal(),
            )  # fmt: skip
            _go(session, known.owed, reason, unreachable)
        finally:
            journal.close()
    return known.owed


def _go(session: Session, hosts: tuple[str, ...], reason: str, unreachable: list[Problem]) -> None:
    session.tell("run.started", hosts=list(hosts), purpose="rollback")
    try:
        with held(session):
            go_back(session, reason, hosts)
            if unreachable:
                raise MixedFleet(unreachable)
    except CutoverError as end:
        session.tell(
            "run.finished",
            exit_code=int(end.exit_code),
            status=type(end).__name__,
            problems=[problem.as_json() for problem in end.problems],
        )
        raise
    session.tell("run.finished", exit_code=int(ExitCode.DONE), status="on V1")
