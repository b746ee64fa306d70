"""Runs every contender at every job, in fresh processes, in turn, and believes only those whose result is right."""

import json
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.kpis.jobs import FLOORS, NAMES, OURS, PEERS, SMALL_ROWS, Job
from bench.kpis.totals import differences
from bench.measure import timed
from cutover.core.errors import Problem, Refused

Progress = Callable[[str], None]
SMALL_TAPES = 60


@dataclass(frozen=True)
class Workspace:
    """Where the tapes lie, the checkout, and the Python that everybody runs in."""

    root: Path
    python: Path
    place: Path

    def module(self, name: str, *words: str) -> str:
        """Run a module of this package there; what it says."""
        argv = [str(self.python), "-m", f"bench.kpis.{name}", *words]
        return timed(argv, cwd=self.root, env=self.environment).stdout

    @property
    def environment(self) -> Mapping[str, str]:
        """With the checkout's packages."""
        return {**os.environ, "PYTHONPATH": str(self.root)}


@dataclass(frozen=True)
class KpiRow:
    """One contender at one job: medians over the rounds; `ratio` is to the fastest of pandas, polars and duckdb."""

    contender: str
    median: float
    least: float
    most: float
    peak_mb: float
    ratio: float


@dataclass(frozen=True)
class JobResult:
    """A job and its rows, fastest first."""

    job: Job
    rows: tuple[KpiRow, ...]

    @property
    def ours(self) -> KpiRow:
        """The row of this project."""
        return next(row for row in self.rows if row.contender == OURS)


def prepare(space: Workspace, file_rows: int, memory_rows: int, progress: Progress) -> None:
    """Make the tapes; each is read once by everybody anyway, so all lie in the page cache."""
    progress(f"tapes of {file_rows} and {memory_rows} rows ...")
    space.module("tapes", "files", str(space.place), str(file_rows))
    for rows in (SMALL_ROWS, memory_rows):
        space.module("tapes", "memory", str(space.place), str(rows))
    space.module("tapes", "tapes", str(space.place), str(SMALL_TAPES))


def measure(space: Workspace, jobs: Sequence[Job], rounds: int, progress: Progress) -> list[JobResult]:
    """Every job: each contender once a round, another one first each time."""
    return [_one(space, job, rounds, progress) for job in jobs]


def _one(space: Workspace, job: Job, rounds: int, progress: Progress) -> JobResult:
    tape = space.place / f"{job.tape}{job.suffix}"
    expected = json.loads((space.place / f"{job.tape}.json").read_text())
    if job.work == "memory-loans":
        expected["repeated"] = 0
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in job.contenders}
    for number in range(rounds):
        _into_cache(tape)
        for at in range(len(job.contenders)):
            name = job.contenders[(at + number) % len(job.contenders)]
            result = json.loads(space.module("worker", name, job.work, str(tape)))
            if wrong := differences(expected, result["totals"], exact=name == OURS):
                step = "a figure of a wrong result is worth nothing; find out whose it is"
                raise Refused(Problem(path=f"{job.words}, {NAMES[name]}", found="; ".join(wrong), next=step))
            seen[name].append((result["seconds"], result["peak_mb"]))
            progress(f"{job.words}, {NAMES[name]}: {result['seconds']:.4f} s")
    return JobResult(job, rows(seen))


def rows(seen: Mapping[str, Sequence[tuple[float, float]]]) -> tuple[KpiRow, ...]:
    """Medians and ratios of what was seen, fastest first."""
    medians = {name: statistics.median(seconds for seconds, _ in several) for name, several in seen.items()}
    fastest = min(medians[name] for name in PEERS if name in medians)
    each = [
        KpiRow(
            name,
            medians[name],
            min(seconds for seconds, _ in several),
            max(seconds for seconds, _ in several),
            statistics.median(peak for _, peak in several),
            medians[name] / fastest,
        )
        for name, several in seen.items()
    ]
    return tuple(sorted(each, key=lambda row: (row.contender in FLOORS, row.median)))


def _into_cache(path: Path) -> None:
    with path.open("rb", buffering=0) as stream:
        while stream.read(1 << 24):
            pass
