"""Measures the signals of a host from one sample after the other. Measuring always gives a SignalValue, also where there is no value.

Each kind of signal is a function that gives a measure: it is called with every sample in the order of time, and remembers what
it needs of those before. First what is there now, or changed since: values, counts, states, verdicts, standstills, drifts. Then
what went on within a window: means, shares, increases, processor time, restarts, growth of memory.
"""

import math
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from statistics import median
from typing import Any, NamedTuple

from cutover.agent.compare import dig
from cutover.core.verdict import Verdict
from cutover.monitor.rules.rulebook import Kind, Signal

Documents = Mapping[str, Any]
_VERDICTS = frozenset(map(str, Verdict))


class SignalValue(NamedTuple):
    """A value, or why there is none yet.

    `missing`: it could not be measured, which is a finding after some samples; otherwise it has no value since too little
    was seen. `n` events or samples carry it, `part` of them are the share that is counted. `full`: the window is covered,
    so that what grows cannot grow any more in it.
    """

    value: float | None
    n: int | None = None
    part: int | None = None
    full: bool = True
    missing: bool = False
    why: str = ""


def missing(why: str) -> SignalValue:
    """It could not be measured."""
    return SignalValue(None, missing=True, why=why)


def too_little(why: str, n: int | None = None) -> SignalValue:
    """Nothing is wrong with measuring; there is not enough of it yet."""
    return SignalValue(None, n=n, why=why)


def number(found: Any) -> float | None:
    """A finite number as it is; anything else, also NaN and yes/no, was not measured."""
    if type(found) is float or type(found) is int:
        return found if abs(found) <= sys.float_info.max else None  # NaN is not; no float holds a larger whole number
    return None


def numbers(found: object) -> dict[str, float]:
    """The finite numbers of a mapping."""
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in ((name, number(one)) for name, one in found.items()) if value is not None}


def summed(documents: Documents, paths: Sequence[str]) -> float | None:
    """The sum of the numbers at these paths (`figures.audit.events`); None where one of them is missing."""
    total = 0.0
    for path in paths:
        found = number(dig(documents, path))
        if found is None:
            return None
        total += found
    return total


class SeenSample(NamedTuple):
    """One sample that did not fail: documents, the watch's clock, real time, the service's life."""

    documents: Documents
    t: float
    at: float
    epoch: object


Measure = Callable[[SeenSample], SignalValue]


def _sum(paths: Sequence[str], measured: Callable[[float, SeenSample], SignalValue]) -> Measure:
    """Measures from the sum of the numbers at these paths; missing where one of them is not there."""
    absent = _absent(paths)

    def take(seen: SeenSample) -> SignalValue:
        found = summed(seen.documents, paths)
        return absent if found is None else measured(found, seen)

    return take


def _two(signal: Signal, measured: Callable[[float, float, SeenSample], SignalValue]) -> Measure:
    """The same from two sums, those of `of` and of `per`."""
    entry, absent = signal.entry, _absent((*signal.entry.of, *signal.entry.per))

    def take(seen: SeenSample) -> SignalValue:
        of, per = summed(seen.documents, entry.of), summed(seen.documents, entry.per)
        return absent if of is None or per is None else measured(of, per, seen)

    return take


def _absent(paths: Sequence[str]) -> SignalValue:
    return missing(f"{'one of ' if len(paths) > 1 else ''}{', '.join(paths)} is not there")


def value(signal: Signal) -> Measure:
    """The figure as it stands there."""
    scale = signal.entry.scale
    return _sum([signal.entry.at], lambda found, _seen: SignalValue(found * scale))


def fell(signal: Signal) -> Measure:
    """How far something is below the highest that it ever was in this watch; it may only grow, also over restarts."""
    highest = float("-inf")

    def below(found: float, _seen: SeenSample) -> SignalValue:
        nonlocal highest
        highest = max(highest, found)
        return SignalValue(highest - found)

    return _sum([signal.entry.at], below)


def count(signal: Signal) -> Measure:
    """How many there are: numbers, or the lengths of lists, added up."""

    def take(seen: SeenSample) -> SignalValue:
        total = 0.0
        for path in signal.entry.of:
            found = dig(seen.documents, path)
            counted = float(len(found)) if isinstance(found, list) else number(found)
            if counted is None:
                return missing(f"{path} is not there")
            total += counted
        return SignalValue(total)

    return take


def differs(signal: Signal) -> Measure:
    """1 where a state is none of those that it should be, else 0."""
    at, good = signal.entry.at, signal.entry.from_

    def take(seen: SeenSample) -> SignalValue:
        found = dig(seen.documents, at)
        if found is None:
            return missing(f"{at} is not there")
        return SignalValue(float(found not in good), why=f"{at} is {found}")

    return take


def verdict(signal: Signal) -> Measure:
    """A verdict that the host's own code came to, as it stands there; `why` is the verdict."""
    at = signal.entry.at

    def take(seen: SeenSample) -> SignalValue:
        found = dig(seen.documents, at)
        if not isinstance(found, str) or found not in _VERDICTS:
            return missing(f"{at} is {'not there' if found is None else f'{found}, which is not a verdict'}")
        return SignalValue(0.0, why=found)

    return take


def stuck(signal: Signal) -> Measure:
    """For how long something has waited while nothing went on: its age, and never more than since progress was last seen.

    Both are real seconds. A long queue that moves is not stuck.
    """
    at, per, scale = signal.entry.at, signal.entry.per, signal.entry.scale
    last: float | None = None
    since: float | None = None

    def take(seen: SeenSample) -> SignalValue:
        nonlocal last, since
        progress = summed(seen.documents, per)
        if since is None or (progress is not None and progress != last):
            since = seen.at
        if progress is not None:
            last = progress
        age = number(dig(seen.documents, at))
        return missing(f"{at} is not there") if age is None else SignalValue(min(age, seen.at - since) * scale)

    return take


def drift(signal: Signal) -> Measure:
    """The largest change of any of several values, as a share, since the row before or since the first row.

    A change below the floor does not count: 5 % of next to nothing is nothing.
    """
    at, moves = signal.entry.at, signal.entry.against == "previous"
    kept: dict[str, float] | None = None

    def take(seen: SeenSample) -> SignalValue:
        nonlocal kept
        now = numbers(dig(seen.documents, at))
        if not now:
            return missing(f"{at} is not there")
        then, kept = kept, now if moves or kept is None else kept
        if then is None:
            return too_little("nothing earlier to compare with", 1)
        if gone := sorted(set(then) - set(now)):
            return missing(f"{', '.join(gone)} had a value before and has none now")
        drifts = [(change(then[name], one, signal.floor), name) for name, one in now.items() if name in then]
        most, name = max(drifts)
        why = f"{name} was {then[name]:.6g} and is {now[name]:.6g}" if most else ""
        return SignalValue(most, n=len(drifts), why=why)

    return take


def change(then: float, now: float, floor: float) -> float:
    """A change as a share of what was before; 0.0 up to the floor."""
    difference = abs(now - then)
    if difference <= floor:
        return 0.0
    return difference / abs(then) if then else float("inf")


# Counters that start anew with their process, and how much they grew within a window, as Prometheus' increase() has it.


class ResettingCounter:
    """Adds up what a counter grew by since the watch began, also across restarts of the process that counts."""

    __slots__ = ("_caught", "_epoch", "_last", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self._last: float | None = None
        self._epoch: object = None
        self._caught = False

    def take(self, count: float, epoch: object) -> float:
        """The growth so far, `count` being what it shows now and `epoch` the life of the process it counts in."""
        changed = bool(epoch) and bool(self._epoch) and epoch != self._epoch
        if self._last is None:
            pass  # what was counted before the watch is not part of it
        elif count < self._last:
            self.total += count
            self._caught = not changed  # the epoch, read a moment earlier, may follow with the next sample
        elif changed and not self._caught:
            self.total += count
        else:
            self.total += count - self._last
        if changed and count >= (self._last or 0.0):
            self._caught = False
        self._last, self._epoch = count, epoch or self._epoch
        return self.total


class Window:
    """The last stretch of a few numbers that only grow: by how much did each grow within it?"""

    __slots__ = ("_kept", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept: deque[tuple[float, float, float]] = deque()

    def take(self, t: float, first: float, second: float = 0.0) -> tuple[float, float, float]:
        """The growth of both within the window that ends now, and the seconds that it really covers."""
        kept = self._kept
        kept.append((t, first, second))
        oldest = t - self._seconds - 1e-6
        while kept[0][0] < oldest:
            kept.popleft()
        since, first_then, second_then = kept[0]
        return first - first_then, second - second_then, t - since


COVERED = 0.95  # of a window, from which on it counts as seen as a whole: samples do not fall on its edges
BUCKETS = 12  # of the window of a growth


def without(signal: Signal) -> Measure:
    """By how much one thing grew since another, which should go with it, last moved."""
    total = 0.0
    last: tuple[float, float] | None = None

    def since(of: float, by: float, _seen: SeenSample) -> SignalValue:
        nonlocal total, last
        if last is not None:
            # A counter that fell has started anew: what it shows now has grown since.
            grown = of - last[0] if of >= last[0] else of
            total = 0.0 if by != last[1] else total + grown
        last = (of, by)
        return SignalValue(total)

    return _two(signal, since)


def increase(signal: Signal) -> Measure:
    """How much counters grew within the window. Until it has been seen as a whole, that can only become more."""
    counter, window = ResettingCounter(), Window(signal.window)
    enough = min(COVERED * signal.window, signal.window - signal.slack)

    def grown(found: float, seen: SeenSample) -> SignalValue:
        growth, _, covered = window.take(seen.t, counter.take(found, seen.epoch))
        return SignalValue(growth * signal.share, full=covered >= enough)

    return _sum(signal.entry.of, grown)


def _ratio(signal: Signal, ratio: Callable[[float, float], SignalValue]) -> Measure:
    """One group of counters over another, by how much each grew within the window."""
    first, second, window = ResettingCounter(), ResettingCounter(), Window(signal.window)

    def take(of: float, per: float, seen: SeenSample) -> SignalValue:
        part, whole, _ = window.take(seen.t, first.take(of, seen.epoch), second.take(per, seen.epoch))
        return ratio(part, whole)

    return _two(signal, take)


def mean(signal: Signal) -> Measure:
    """How much of one thing there was for each of another: seconds for each piece of work."""
    scale = signal.entry.scale

    def ratio(part: float, whole: float) -> SignalValue:
        return SignalValue(part / whole * scale, n=round(whole)) if whole > 0 else too_little("nothing happened", 0)

    return _ratio(signal, ratio)


def share(signal: Signal) -> Measure:
    """How many of all events were of one sort; a part larger than its whole is a mistake of who counts."""

    def ratio(of: float, per: float) -> SignalValue:
        part, whole = round(of), round(per)
        if whole <= 0:
            return too_little("nothing happened", 0)
        impossible = part > whole
        return (
            missing(f"{part} of {whole} is impossible") if impossible else SignalValue(part / whole, n=whole, part=part)
        )

    return _ratio(signal, ratio)


def busy(signal: Signal) -> Measure:
    """Processor time used in a stretch of real time, in per cent of one core; the window's length is of the watch's clock."""
    counter, window = ResettingCounter(), Window(signal.window)

    def used(found: float, seen: SeenSample) -> SignalValue:
        seconds, real, _ = window.take(seen.t, counter.take(found, seen.epoch), seen.at)
        return SignalValue(seconds / real * 100.0) if real > 0 else too_little("one sample only")

    return _sum([signal.entry.at], used)


def restarts(signal: Signal) -> Measure:
    """How often the service was started anew within the window: by systemd's count, and by the id of each life."""
    starts: deque[tuple[float, int]] = deque()
    last: int | None = None  # the first sample only says what was before
    life: object = None

    def take(found: float, seen: SeenSample) -> SignalValue:
        nonlocal last, life
        counted, changed = int(found), bool(seen.epoch) and bool(life) and seen.epoch != life
        if last is not None and counted > last:
            starts.append((seen.t, counted - last))
        elif last is not None and (changed or counted < last):
            # Started by hand: systemd counts from 0 again, and what it counts now came after.
            starts.append((seen.t, int(changed) + (counted if counted < last else 0)))
        last, life = counted, seen.epoch or life
        while starts and starts[0][0] < seen.t - signal.window:
            starts.popleft()
        return SignalValue(sum(number for _, number in starts) * signal.share)

    return _sum([signal.entry.at], take)


class _Growth:
    """Medians of the buckets that a window is cut into, and the slope through them."""

    def __init__(self, signal: Signal) -> None:
        self._width = signal.window / BUCKETS
        self._medians: deque[tuple[float, float]] = deque(maxlen=BUCKETS)
        self._open: list[float] = []
        self._index, self._first = -1, 0.0
        self._epoch: object = None
        self._latest = too_little("one stretch only", 0)

    def take(self, found: float, seen: SeenSample) -> SignalValue:
        """The growth an hour, worked out anew whenever a bucket is full."""
        index = math.floor(seen.t / self._width)
        if seen.epoch and seen.epoch != self._epoch:
            self._medians.clear()
            self._open, self._index, self._epoch = [], index, seen.epoch
            self._latest = too_little("one stretch only", 0)
        elif index != self._index:
            self._close(index)
        self._open.append(found)
        return self._latest

    def _close(self, index: int) -> None:
        if self._open:
            if not self._medians:
                self._first = median(self._open)
            self._medians.append(((self._index + 0.5) * self._width, median(self._open)))
        self._open, self._index = [], index
        while self._medians and self._medians[0][0] < (index - BUCKETS) * self._width:
            self._medians.popleft()
        kept = list(self._medians)
        if len(kept) < 2 or self._first <= 0:
            self._latest = too_little("one stretch only", len(kept))
            return
        slopes = [(later - earlier) / (late - early) for (early, earlier), (late, later) in combinations(kept, 2)]
        self._latest = SignalValue(median(slopes) * 3600.0 / self._first, n=len(kept))


def growth(signal: Signal) -> Measure:
    """How fast something grows for hours, as a share of what it was at first, by the median of all slopes (Theil, Sen).

    The window is cut into buckets and each stands for its median: peaks and single steps of an allocator do not move it.
    A new life of the service starts it anew. `n` is the number of buckets.
    """
    return _sum([signal.entry.at], _Growth(signal).take)


# Each gives a new measure of a signal; there is none for `looks` and `values`, which the judge reads by itself.
MEASURES: Mapping[Kind, Callable[[Signal], Measure]] = {
    "value": value, "count": count, "differs": differs, "verdict": verdict, "stuck": stuck, "without": without, "fell": fell,
    "drift": drift, "mean": mean, "share": share, "increase": increase, "busy": busy, "restarts": restarts, "growth": growth,
}  # fmt: skip
