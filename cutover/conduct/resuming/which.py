"""Which run `--resume` means: the one that is named, else the last that was left in the middle, by this machine or by the hosts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cutover.conduct.fleet import Fleet
from cutover.conduct.resuming.history import Known, ask, entry_of, is_open, known_of, known_run
from cutover.conduct.targets import Targets
from cutover.decide.plan import Plan
from cutover.words.errors import Problem, Refused, UsageError
from cutover.words.step import State
from cutover.world.rundir import RunDir, RunDirs


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
        return runs.unfinished(targets.environment, targets.names)
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
