"""Errors and findings for people: all at once, the same of many hosts as one, each with what to do next."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TextIO

from rich.console import Group, RenderableType
from rich.padding import Padding

from cutover.console.text import clean, count, joined, names, rich_console, text, verdict_text
from cutover.core.errors import CutoverError, Problem
from cutover.core.verdict import Verdict, worst
from cutover.plan.gate import Finding
from cutover.timeline.problems import Grouped, grouped

MOST_LINES = 6  # of a finding in a summary; the report has all of it


def show_error(error: CutoverError, stream: TextIO) -> None:
    """Print an error and all its problems."""
    out = rich_console(stream)
    hosts = {problem.host for problem in error.problems if problem.host}
    on = f" on {count(len(hosts), 'host')}" if hosts else ""
    number = len(grouped((Verdict.ERROR, one) for one in error.problems))
    first = f"{count(number, 'problem')}{on}; exit {int(error.exit_code)}, {error.exit_code.status}"
    out.print(joined([verdict_text(Verdict.ERROR), text(first)], "  "))
    out.print(problems_view(error.problems))


def problems_view(problems: Iterable[Problem], *, whole: bool = True) -> RenderableType:
    """Every problem with hosts, place, cause and next step; long findings are cut in the middle unless `whole`."""
    groups = grouped((Verdict.ERROR, one) for one in problems)
    return Group(*(part for group in groups for part in _block(group, whole=whole)))


def _block(group: Grouped, *, whole: bool) -> list[RenderableType]:
    title = ": ".join(part for part in (names(group.hosts, 8), group.problem.path) if part)
    every = clean(group.problem.found).rstrip().splitlines()
    found = [line for line in every if not set(line) <= set(" ^~")]  # without a traceback's pointers
    if not whole and len(found) > MOST_LINES:  # what went wrong is said first, or last
        found = [found[0], f"... {len(found) - MOST_LINES + 1} lines more in the report", *found[2 - MOST_LINES :]]
    lines = [text(line) for line in found]
    if group.left_out:
        lines.append(text(f"({count(group.left_out, 'step')} left out because of it)", "dim"))
    lines.append(text(f"next: {group.problem.next}", "cyan"))
    return [*([text(title, "bold")] if title else []), *(Padding(line, (0, 0, 0, 4)) for line in lines)]


def show_judged(
    title: str, findings: Sequence[Finding], verdict: Verdict, say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Print what `verify` and `validate` found: one line a check and result, with the next step where it is not PASS.

    Gives the `hosts` of `--json`.
    """
    say(f"{title}\n")
    same: dict[tuple[str, str], list[Finding]] = {}
    by_host: dict[str, list[Finding]] = {}
    for finding in findings:
        same.setdefault((finding.name, finding.message), []).append(finding)
        by_host.setdefault(finding.host, []).append(finding)
    for (name, message), alike in same.items():
        hosts = ", ".join(finding.host for finding in alike)
        say(f"  {alike[0].verdict:12} {hosts:24} {name.partition('.')[2]}: {message}")
        if alike[0].verdict is not Verdict.PASS and alike[0].next:
            say(f"  {'':12} {'':24} next: {alike[0].next}")
    say(f"\n{verdict}: {len(findings)} judged on {len(by_host.keys() - {''})} hosts")
    return {
        host: {"verdict": str(worst(one.verdict for one in own)), "findings": [one.as_json() for one in own]}
        for host, own in by_host.items()
    }
