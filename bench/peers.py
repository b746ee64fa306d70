"""The first comparison: the same eleven operations on the same hosts in the same run, contenders in rotating order."""

import statistics
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bench.clock import timed
from bench.contenders import FLOOR, Contender, contenders, environment_of, group_vars
from bench.ground import ENVIRONMENT, Ground, hosts_up
from bench.toys import install, require_done, reset

Tell = Callable[[str], None]
C = TypeVar("C")


@dataclass(frozen=True)
class Timing:
    """One contender, one size of fleet, one round."""

    contender: str
    hosts: int
    number: int
    wall: float
    cpu: float


@dataclass(frozen=True)
class Row:
    """One contender on one size of fleet: median, fastest and slowest in seconds, CPU, and the ratio to the floor."""

    contender: str
    hosts: int
    median: float
    least: float
    most: float
    cpu: float
    ratio: float


def measure(root: Path, venv: Path, sizes: Sequence[int], rounds: int, tell: Tell) -> list[Timing]:
    """Every contender on every size, `rounds` times; each verified on the hosts afterwards."""
    timings: list[Timing] = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            checkout = toy_checkout(root, Path(name) / "checkout")
            with hosts_up(size, checkout, {"toy_mark": "none"}) as ground:
                install(ground)
                timings += _rounds(ground, contenders(root, venv), rounds, Path(name), tell)
    return timings


def _rounds(ground: Ground, everyone: Sequence[Contender], rounds: int, place: Path, tell: Tell) -> list[Timing]:
    timings = []
    size = len(ground.hosts)
    for number in range(1, rounds + 1):
        for contender in rotated(everyone, number - 1):
            mark = f"{everyone.index(contender)}-{size}-{number}"
            timings.append(_one(ground, contender, mark, number, place / mark))
            tell(f"{size} hosts, round {number}: {contender.name} {timings[-1].wall:.2f} s")
    return timings


def _one(ground: Ground, contender: Contender, mark: str, number: int, place: Path) -> Timing:
    place.mkdir()
    reset(ground)
    command = contender.ready(ground, place, mark)
    try:
        took = timed(command.argv, cwd=command.cwd, env=environment_of(command))
    finally:
        command.after()
    require_done(ground, contender.name, mark)
    return Timing(contender.name, len(ground.hosts), number, took.wall, took.cpu)


def rotated(everyone: Sequence[C], by: int) -> list[C]:
    """The same contenders, another one first: nobody always has the warm caches."""
    by %= len(everyone)
    return [*everyone[by:], *everyone[:by]]


def rows(timings: Iterable[Timing]) -> list[Row]:
    """The table: medians, and ratios to the floor's median on the same number of hosts."""
    by: dict[tuple[int, str], list[Timing]] = {}
    for timing in timings:
        by.setdefault((timing.hosts, timing.contender), []).append(timing)
    medians = {key: statistics.median(one.wall for one in several) for key, several in by.items()}
    return [
        Row(
            contender, size, medians[size, contender], min(one.wall for one in several), max(one.wall for one in several),
            statistics.median(one.cpu for one in several), medians[size, contender] / medians[size, FLOOR],
        )
        for (size, contender), several in sorted(by.items(), key=lambda item: (item[0][0], medians[item[0]]))
    ]  # fmt: skip


def toy_checkout(root: Path, place: Path) -> Path:
    """A checkout of another pair of services: the toy role, its templates, and the engine's own variables."""
    (place / "roles").mkdir(parents=True)
    (place / "roles" / "toy").symlink_to(Path(__file__).parent / "with_ours" / "roles" / "toy")
    (place / "roles" / "standard").symlink_to(root / "roles" / "standard")
    (place / "inventory" / ENVIRONMENT / "group_vars" / "lab").mkdir(parents=True)
    group_vars(place, "none")
    return place
