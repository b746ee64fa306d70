"""Errors for people: all at once, the same problem on many hosts told once, each with what to do next."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from cutover.console.text import clean, count, joined, names, paper, text, verdict_text, without_host
from cutover.core.errors import CutoverError, Problem
from cutover.core.verdict import Verdict
from cutover.timeline.attention import CONSEQUENCE

if TYPE_CHECKING:
    from rich.console import RenderableType


MOST_LINES = 6
NAMES_AN_ERROR = re.compile(r"\b\w+(Error|Exception): ")


@dataclass(frozen=True)
class Grouped:
    """A problem and all hosts that have it; none where it is about no host."""

    problem: Problem
    hosts: tuple[str, ...]
    left_out: int = 0  # steps that were not tried because of it


def grouped(problems: Iterable[Problem]) -> list[Grouped]:
    """Equal problems together; what only follows from the first problem of its host is counted there."""
    everything = list(problems)
    causes = [problem for problem in everything if CONSEQUENCE not in problem.found]
    with_cause = {problem.host for problem in causes}
    followed = Counter(
        problem.host for problem in everything if CONSEQUENCE in problem.found and problem.host in with_cause
    )
    groups: dict[tuple[str, str, str, int], list[Problem]] = {}
    for problem in [*causes, *(other for other in everything if other.host not in with_cause)]:
        key = (problem.path, without_host(problem.found, problem.host), problem.next, followed.pop(problem.host, 0))
        groups.setdefault(key, []).append(problem)
    return [_together(alike, found, left_out) for (_, found, _, left_out), alike in groups.items()]


def _together(alike: Sequence[Problem], found: str, left_out: int) -> Grouped:
    hosts = tuple(dict.fromkeys(problem.host for problem in alike if problem.host))
    first = alike[0]
    return Grouped(Problem(found if len(hosts) > 1 else first.found, first.next, "", first.path), hosts, left_out)


def told(problems: Iterable[Problem], *, whole: bool = True) -> "RenderableType":
    """Every problem with hosts, place, cause and next step; long findings cut unless they are wanted whole."""
    from rich.console import Group

    return Group(*(part for group in grouped(problems) for part in _block(group, whole=whole)))


def show_error(error: CutoverError, stream: TextIO) -> None:
    """Print an error and all its problems where people look for errors."""
    out = paper(stream)
    known = grouped(error.problems)
    hosts = {problem.host for problem in error.problems if problem.host}
    on = f" on {count(len(hosts), 'host')}" if hosts else ""
    out.print(
        joined(
            [
                verdict_text(Verdict.ERROR),
                text(f"{count(len(known), 'problem')}{on}; exit {int(error.exit_code)}, {error.exit_code.status}"),
            ],
            "  ",
        )
    )
    out.print(told(error.problems))


def _block(group: Grouped, *, whole: bool) -> list["RenderableType"]:
    from rich.padding import Padding

    title = ": ".join(part for part in (names(group.hosts, 8), group.problem.path) if part)
    found = [
        line for line in clean(group.problem.found).rstrip().splitlines() if not set(line) <= set(" ^~")
    ]  # a traceback's pointers
    lines = [text(line) for line in (found if whole else _cut(found))]
    if group.left_out:
        lines.append(text(f"({count(group.left_out, 'step')} left out because of it)", "dim"))
    lines.append(text(f"next: {group.problem.next}", "cyan"))
    return [*([text(title, "bold")] if title else []), *(Padding(line, (0, 0, 0, 4)) for line in lines)]


def _cut(lines: Sequence[str]) -> list[str]:
    """The first line, the last ones, and what names an error in between: that is what went wrong."""
    if len(lines) <= MOST_LINES:
        return list(lines)
    named = [line for line in lines[1:-2] if NAMES_AN_ERROR.search(line)][-1:]
    return [lines[0], f"... {len(lines) - 3 - len(named)} lines more in the report", *named, *lines[-2:]]
