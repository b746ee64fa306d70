"""What is a lab's own: where another's things stand in its place, nothing is used, stopped or removed."""

from cutover.core.errors import Problem, UsageError
from lab import host, marks, network, shared
from lab.settings import Lab


def require(lab: Lab) -> None:
    """End with everything in the lab's place that is another's (UsageError), before anything is touched."""
    if found := problems(lab):
        raise UsageError(found)


def problems(lab: Lab) -> tuple[Problem, ...]:
    """All that stands in the lab's place and is not its own."""
    return (*marks.problems(lab.state), *(shared.problems(lab) or _strangers(lab)))


def _strangers(lab: Lab) -> tuple[Problem, ...]:
    """What has this lab's names although no lab made it: the record is written before the first, and ends with the machine as they do."""
    if shared.knows(lab):
        return ()
    stored = host.stored(lab)
    names = [lab.seat(number).machine for number in sorted(host.numbers(lab) - stored)]
    if network.bridge_laid(lab) and not stored:
        names.append(lab.bridge)
    found = "a link, network namespace or control group has this name, and no lab on record made it"
    next_ = "remove it by hand (`ip link del`, `ip netns del`, rmdir of the control group), or restart the machine"
    return tuple(Problem(path=name, found=found, next=next_) for name in names)
