"""The one way to measure: a cold process is timed, what it took becomes samples, and samples become rows and ratios."""

import os
import statistics
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cutover.core.errors import Problem, Refused

T = TypeVar("T")


@dataclass(frozen=True)
class Took:
    """What one process took: seconds, CPU seconds of it and its children on this machine; and its stdout."""

    wall: float
    cpu: float
    stdout: str


@dataclass(frozen=True)
class BenchSample:
    """One measured value: of what, on how many hosts (0: none), by whom, in which round."""

    what: str
    hosts: int
    who: str
    round: int
    value: float
    unit: str = "s"


@dataclass(frozen=True)
class RatioRow:
    """All rounds of one (what, hosts, who). `ratio`: median of the rounds' own ratios to `to`, None for the reference itself."""

    what: str
    hosts: int
    who: str
    median: float
    least: float
    most: float
    unit: str
    to: str
    ratio: float | None


def timed(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, most_s: float = 900) -> Took:
    """Run a command to its end; Refused with its last output where it fails, since that would be the time of something else."""
    before, started = _children_cpu(), time.perf_counter()
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            timeout=most_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as late:
        raise _failed(argv, f"timed out after {most_s:g} s") from late
    wall = time.perf_counter() - started
    if done.returncode != 0:
        output = f"{done.stdout[-2500:]}\n{done.stderr[-2500:]}".strip()
        raise _failed(argv, f"exit status {done.returncode}: {output}")
    return Took(wall, _children_cpu() - before, done.stdout)


def rotated(everyone: Sequence[T], by: int) -> list[T]:
    """The same contenders, another one first: nobody always has the warm caches."""
    by %= len(everyone)
    return [*everyone[by:], *everyone[:by]]


def ratio(samples: Iterable[BenchSample], what: str, hosts: int, who: str, to: str) -> float | None:
    """Median of the ratios of `who` to `to` within each round; None where no round has both."""
    values = {(one.who, one.round): one.value for one in samples if (one.what, one.hosts) == (what, hosts)}
    pairs = [(value, values.get((to, number))) for (name, number), value in values.items() if name == who]
    ratios = [value / reference for value, reference in pairs if reference]
    return statistics.median(ratios) if ratios else None


def rows(samples: Sequence[BenchSample]) -> list[RatioRow]:
    """One row per (what, hosts, who), in order of appearance; the reference is who was measured first of a (what, hosts)."""
    groups: dict[tuple[str, int, str], list[BenchSample]] = {}
    references: dict[tuple[str, int], str] = {}
    for sample in sorted(samples, key=lambda one: (one.what, one.hosts)):
        groups.setdefault((sample.what, sample.hosts, sample.who), []).append(sample)
        references.setdefault((sample.what, sample.hosts), sample.who)
    result = []
    for (what, hosts, who), group in groups.items():
        values, to = [one.value for one in group], references[what, hosts]
        own = None if who == to else ratio(samples, what, hosts, who, to)
        median = statistics.median(values)
        result.append(RatioRow(what, hosts, who, median, min(values), max(values), group[0].unit, to, own))
    return result


def _failed(argv: Sequence[str], found: str) -> Refused:
    return Refused(
        Problem(path=" ".join(argv), found=found, next="make this command work by itself, then measure again")
    )


def _children_cpu() -> float:
    now = os.times()
    return now.children_user + now.children_system
