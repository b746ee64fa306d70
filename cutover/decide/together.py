"""Puts the same problem of several hosts into one, so that a slip in group_vars/ is told once and not once a host."""

from collections.abc import Iterable
from dataclasses import replace

from cutover.decide.suggest import listed
from cutover.words.errors import Problem


def together(problems: Iterable[Problem]) -> list[Problem]:
    """The problems in their order, those that differ only in the host as one that lists the hosts."""
    hosts: dict[Problem, dict[str, None]] = {}
    for problem in problems:
        hosts.setdefault(replace(problem, host=""), {})[problem.host] = None
    return [
        replace(problem, host=next(iter(names)))
        if len(names) == 1
        else replace(problem, found=f"{problem.found} (hosts: {listed(name for name in names if name)})")
        for problem, names in hosts.items()
    ]
