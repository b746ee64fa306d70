"""What must be settled before any new run: a host that reverted by itself, one that was left between versions, an owed rollback."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from cutover.conduct.commit import CONFIRMED
from cutover.conduct.fleet import Fleet, connected_as_far_as_possible
from cutover.conduct.resuming.history import ask, is_settled_back, is_touched
from cutover.conduct.targets import Targets
from cutover.words.errors import MixedFleet, Problem, Refused, Unreachable
from cutover.words.step import State
from cutover.world.owed import Owed, OwedBook, book_of

SETTLE = "`./invokew rollback` settles it: it judges V1 there, and writes the incident record"


@contextmanager
def connected_and_settled(targets: Targets) -> Iterator[Fleet]:
    """The fleet of these hosts, all of them reached, and none with anything that an earlier run left unsettled.

    Raises MixedFleet where a rollback is owed or a host is between two versions, else Refused; held hosts are left to the lock.
    """
    book = book_of(targets.root, targets.environment)
    try:
        with connected_as_far_as_possible(targets) as (fleet, unreachable):
            statuses, silent = ask(fleet)
            lost = [*unreachable, *silent]
            settle_what_is(book, statuses)
            refuse(statuses, lost, {**owed_by_marks(statuses, targets.names), **book.all()})
            yield fleet
    except Unreachable as nobody:
        owed = book.all()
        if problems := [owed[problem.host].problem() for problem in nobody.problems if problem.host in owed]:
            raise MixedFleet([*problems, *nobody.problems]) from nobody
        raise


def refuse(statuses: Mapping[str, State], lost: Sequence[Problem], owed: Mapping[str, Owed]) -> None:
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


def owed_by_marks(statuses: Mapping[str, State], names: Sequence[str]) -> dict[str, Owed]:
    """Hosts that others remember as owed a rollback, and that do not say themselves how they are."""
    marks = [
        Owed(host, entry["run"], entry["state"]["at"], "it did not go back when the others did")
        for status in statuses.values()
        for entry in status["runs"]
        for host in (entry["state"] or {}).get("owed", ())
    ]
    return {one.host: one for one in marks if one.host in names and one.host not in statuses}


def settle_what_is(book: OwedBook, statuses: Mapping[str, State]) -> None:
    """Take out of the book who says itself that it is back, or was never touched: the host knows best."""
    book.settle(book.all().keys() - still_owed(book, statuses))


def still_owed(book: OwedBook, statuses: Mapping[str, State]) -> dict[str, Owed]:
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
            next_ = "`./invokew rollback` takes it back to V1"
            problems.append(Problem(host=host, found=found, next=next_))
    return problems
