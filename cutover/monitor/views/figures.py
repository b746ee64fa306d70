"""Figures out of the documents of the looks, one sample after the other, and where they are kept: series of times and values."""

import math
from array import array
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cutover.console.values import follow
from cutover.core.numbers import is_number
from cutover.timeline.presented import Raw

NAN = math.nan


class Series:
    """A figure over the watch's clock. What was not measured is kept as such, so that a line breaks there."""

    def __init__(self) -> None:
        self.times = array("d")
        self.values = array("d")

    def add(self, t: float, value: float | None) -> None:
        """One more moment."""
        self.times.append(t)
        self.values.append(NAN if value is None else value)

    def __iter__(self) -> Iterator[tuple[float, float]]:
        return iter(zip(self.times, self.values, strict=True))

    def __len__(self) -> int:
        return len(self.times)

    @property
    def latest(self) -> float | None:
        """The newest value; None where the newest look did not measure it."""
        return self.values[-1] if self.values and not math.isnan(self.values[-1]) else None

    def since(self, t: float) -> "Series":
        """The part from a moment on."""
        part = Series()
        first = len(self.times)
        while first and self.times[first - 1] >= t:
            first -= 1
        part.times, part.values = self.times[first:], self.values[first:]
        return part

    def at(self, t: float) -> float | None:
        """What was measured at just that moment, looked for from the end."""
        for index in range(len(self.times) - 1, -1, -1):
            if self.times[index] <= t:
                value = self.values[index]
                return value if self.times[index] == t and not math.isnan(value) else None
        return None


class Gauge:
    """Turns samples into one figure, as its description says. Counters that begin anew (a restart) go on from where they were."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw
        self._before: tuple[dict[str, float], dict[str, float]] = (
            {},
            {},
        )  # the last reading of each counter of `at`, of `of`
        self._sums = [0.0, 0.0]  # how far `at` and `of` have come, restarts left out
        self._known: deque[tuple[float, float, float]] = deque()  # (place, at, of), the oldest before the window first
        self._value: Any = None
        self._changes = 0
        self._since: float | None = None

    def take(self, documents: Mapping[str, Any], at: float, t: float) -> float | None:
        """The figure at this sample; None where it cannot be had."""
        if self._raw.how in ("changes", "steady"):
            return self._steadiness(documents, t)
        if self._raw.how == "value":
            found = [_number(documents, path) for path in self._raw.at]
            known = [one for one in found if one is not None]
            return self._raw.times * sum(known) if len(known) == len(found) else None
        return self._increase(documents, at, t)

    def _steadiness(self, documents: Mapping[str, Any], t: float) -> float | None:
        seen = follow(documents, self._raw.at[0].split("."))
        if seen in (None, ""):
            return None
        if self._since is None:
            self._since = t
        elif seen != self._value:
            self._changes, self._since = self._changes + 1, t
        self._value = seen
        return float(self._changes) if self._raw.how == "changes" else t - self._since

    def _increase(self, documents: Mapping[str, Any], at: float, t: float) -> float | None:
        grown = _grown(documents, self._raw.at, self._before[0])
        whole = _grown(documents, self._raw.of, self._before[1])
        if grown is None or whole is None:
            return None
        self._sums = [self._sums[0] + grown, self._sums[1] + whole]
        place = at if self._raw.how == "busy" else self._sums[1]
        self._known.append((t, self._sums[0], place))
        while len(self._known) > 2 and self._known[1][0] <= t - self._raw.window_s:
            self._known.popleft()
        _, first, begin = self._known[0]
        if len(self._known) < 2 or place <= begin:
            return None
        return self._raw.times * (self._sums[0] - first) / (place - begin)


def _grown(documents: Mapping[str, Any], paths: Sequence[str], before: dict[str, float]) -> float | None:
    """By how much these counters have grown since they were last read (kept in `before`); None where one of them is missing."""
    fresh: dict[str, float] = {}
    for path in paths:
        now = _number(documents, path)
        if now is None:
            return None
        fresh[path] = now
    grown = sum(now - before[path] if now >= before[path] else now for path, now in fresh.items() if path in before)
    before |= fresh
    return grown


def _number(documents: Mapping[str, Any], path: str) -> float | None:
    """The number at a path; None for anything that is not one."""
    found = follow(documents, path.split("."))
    return float(found) if is_number(found) and math.isfinite(found) else None
