"""When rows of a watch are recorded: every half an hour at first, then less and less often."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cutover.decide.watch.durations import HOW, NoDurationError, seconds, words
from cutover.words.errors import Problem, UsageError

_ALMOST = 1e-6  # seconds: moments that are reached by adding up are not missed by a rounding


@dataclass(frozen=True)
class Cadence:
    """Stretches of a watch, each (until, every) in seconds of its clock: `every` 30 min until hour 4, and so on."""

    stretches: tuple[tuple[float, float], ...]

    def between(self, after: float, until: float) -> tuple[float, ...]:
        """The moments of recorded rows in (after, until]. The one at 0, the baseline, belongs to none: take it first."""
        return tuple(moment for moment in self._moments() if after + _ALMOST < moment <= until + _ALMOST)

    def next_after(self, after: float) -> float | None:
        """The next row after a moment; None when the cadence has ended."""
        return next((moment for moment in self._moments() if moment > after + _ALMOST), None)

    def every_at(self, t: float) -> float:
        """How far apart rows are at a moment; after the end as in the last stretch."""
        return next((every for until, every in self.stretches if t < until), self.stretches[-1][1])

    def _moments(self) -> Iterator[float]:
        start = 0.0
        for until, every in self.stretches:
            for step in range(1, int((until - start + _ALMOST) // every) + 1):
                yield start + step * every
            start = until


def cadence(written: Mapping[str, Any], path: str) -> Cadence:
    """`{4h: 30m, 8h: 1h}` (until when: how often) as a Cadence; UsageError with all that is wrong, `path` says where it is written."""
    problems: list[Problem] = []
    read: list[tuple[float, float, str]] = []
    for key, value in written.items():
        try:
            read.append((seconds(key), seconds(value), f"{path}.{key}"))
        except NoDurationError as error:
            problems.append(Problem(str(error), HOW, path=f"{path}.{key}"))
    stretches: list[tuple[float, float]] = []
    start = 0.0
    for until, every, where in sorted(read):  # a map has no order that could be relied on
        if every <= 0 or every > until - start + _ALMOST:
            found = f"from {words(start)} until {words(until)} every {words(every)} has no row in it"
            problems.append(Problem(found, "let each stretch last for a row at least", path=where))
        else:
            stretches.append((until, every))
            start = until
    if not stretches and not problems:
        problems.append(Problem("has no stretch", "write {24h: 30m}", path=path))
    if problems:
        raise UsageError(problems)
    return Cadence(tuple(stretches))
