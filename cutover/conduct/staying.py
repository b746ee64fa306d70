"""What a rollback of a part of a run leaves behind: the run's other hosts, which were not chosen, and stay where they are."""

import shlex
from collections.abc import Iterator

from cutover.conduct.fleet import connected_as_far_as_possible
from cutover.conduct.resuming.history import Known, ask, entry_of, is_settled_back, is_touched
from cutover.conduct.targets import Targets
from cutover.words.errors import CutoverError, Problem


def staying(targets: Targets, known: Known) -> list[Problem]:
    """The hosts of a run that were not chosen and are not back on V1, by what they say themselves; or that cannot say."""
    wanted = [host for hosts in known.plan.batches for host in hosts if host not in targets.names]
    return list(_staying(targets, known, wanted)) if wanted else []


def _staying(targets: Targets, known: Known, wanted: list[str]) -> Iterator[Problem]:
    run, pattern = known.run, shlex.quote(known.plan.pattern)
    next_ = f"`./invokew rollback --hosts {pattern} --run {run}` takes it back too; until then the fleet is a mix of V1 and V2"
    silent: dict[str, str] = dict.fromkeys(wanted, "it is not in the inventory any more")
    try:
        with connected_as_far_as_possible(targets.others(wanted)) as (fleet, unreachable):
            statuses, unasked = ask(fleet)
        silent |= {problem.host: problem.found for problem in (*unreachable, *unasked)}
    except CutoverError as nobody:
        statuses = {}
        silent |= dict.fromkeys(wanted, nobody.problems[0].found) | {one.host: one.found for one in nobody.problems}
    for host in wanted:
        status = statuses.get(host)
        if status is None:
            found = f"it was not chosen, and whether run {run} left it on V2 is not known: {silent[host]}"
            yield Problem(host=host, found=found, next=next_)
        elif is_touched(status, run) and not is_settled_back(entry_of(status, run)):
            found = f"it was not chosen, and stays on V2: run {run} was taken back on other hosts only"
            yield Problem(host=host, found=found, next=next_)
