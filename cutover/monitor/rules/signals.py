"""Measures the signals of a host from one sample after the other. Measuring always gives a Measurement, also where there is no value.

First what is there now, or changed since: values, counts, states, verdicts, standstills, drifts. Then what went on within a
window: means, shares, increases, processor time, restarts, growth of memory.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple, Protocol

from cutover.core.verdict import Verdict
from cutover.monitor.rules.rulebook import Kind, Signal

Documents = Mapping[str, Any]
_VERDICTS = frozenset(map(str, Verdict))


class Measurement(NamedTuple):
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


def missing(why: str) -> Measurement:
    """It could not be measured."""
    return Measurement(None, missing=True, why=why)


def too_little(why: str, n: int | None = None) -> Measurement:
    """Nothing is wrong with measuring; there is not enough of it yet."""
    return Measurement(None, n=n, why=why)


def getter(path: str) -> Callable[[Documents], Any]:
    """A function that finds `figures.audit.events` in the documents; None where any part of it is not there."""
    keys = path.split(".")

    def find(documents: Documents) -> Any:
        found: Any = documents
        try:
            for key in keys:
                found = found[key]
        except (KeyError, TypeError):  # TypeError: a part of the way is null, a number or a list
            return None
        return found

    return find


def number(found: Any) -> float | None:
    """A finite number as it is; anything else, NaN and yes/no among it, is no measurement."""
    if type(found) is float or type(found) is int:
        return found if math.isfinite(found) else None
    return None


def numbers(found: object) -> dict[str, float]:
    """The finite numbers of a mapping."""
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in ((name, number(one)) for name, one in found.items()) if value is not None}


def summed(paths: Sequence[str]) -> Callable[[Documents], float | None]:
    """A function that adds up the numbers at these paths; None where one of them is missing."""
    getters = [getter(path) for path in paths]

    def add(documents: Documents) -> float | None:
        total = 0.0
        for get in getters:
            found = number(get(documents))
            if found is None:
                return None
            total += found
        return total

    return add


class Seen:
    """What a signal is measured from: a sample's documents, both clocks, the service's life."""

    __slots__ = ("at", "documents", "epoch", "t")

    def __init__(self, documents: Documents, t: float, at: float, epoch: object) -> None:
        self.documents, self.t, self.at, self.epoch = documents, t, at, epoch


class Measure(Protocol):
    """Measures a signal from one sample after the other."""

    def take(self, seen: Seen) -> Measurement:
        """The measurement of this sample, the samples before having been taken."""


class _OfNumber:
    """Measures from the number at one path."""

    def __init__(self, signal: Signal) -> None:
        self.signal, self._get = signal, getter(signal.entry.at)

    def take(self, seen: Seen) -> Measurement:
        """The measurement; missing where there is no number."""
        found = number(self._get(seen.documents))
        return missing(f"{self.signal.entry.at} is not there") if found is None else self._measured(found, seen)

    def _measured(self, found: float, seen: Seen) -> Measurement:
        raise NotImplementedError


class Value(_OfNumber):
    """The figure as it stands there."""

    def _measured(self, found: float, seen: Seen) -> Measurement:  # noqa: ARG002
        return Measurement(found * self.signal.entry.scale)


class Fell(_OfNumber):
    """How far something is below the highest that it ever was in this watch; it may only grow, also over restarts."""

    _highest = float("-inf")

    def _measured(self, found: float, seen: Seen) -> Measurement:  # noqa: ARG002
        self._highest = max(self._highest, found)
        return Measurement(self._highest - found)


class Count:
    """How many there are: numbers, or the lengths of lists, added up."""

    def __init__(self, signal: Signal) -> None:
        self._of = [(path, getter(path)) for path in signal.entry.of]

    def take(self, seen: Seen) -> Measurement:
        """How many there are."""
        total = 0.0
        for path, get in self._of:
            found = get(seen.documents)
            counted = float(len(found)) if isinstance(found, list) else number(found)
            if counted is None:
                return missing(f"{path} is not there")
            total += counted
        return Measurement(total)


class Differs:
    """1 where a state is none of those that it should be, else 0."""

    def __init__(self, signal: Signal) -> None:
        self._get, self._good, self._at = getter(signal.entry.at), tuple(signal.entry.from_), signal.entry.at

    def take(self, seen: Seen) -> Measurement:
        """1 where the state is none of those that it should be."""
        found = self._get(seen.documents)
        if found is None:
            return missing(f"{self._at} is not there")
        return Measurement(float(found not in self._good), why=f"{self._at} is {found}")


class Verdicts:
    """A verdict that the host's own code came to, as it stands there; `why` is the verdict."""

    def __init__(self, signal: Signal) -> None:
        self._get, self._at = getter(signal.entry.at), signal.entry.at

    def take(self, seen: Seen) -> Measurement:
        """The verdict as it stands there."""
        found = self._get(seen.documents)
        if not isinstance(found, str) or found not in _VERDICTS:
            return missing(f"{self._at} is {'not there' if found is None else f'{found}, which is not a verdict'}")
        return Measurement(0.0, why=found)


class Stuck:
    """For how long something has waited while nothing went on: its age, and never more than since progress was last seen.

    Both are real seconds. A long queue that moves is no standstill.
    """

    def __init__(self, signal: Signal) -> None:
        self._age, self._progress, self._at = getter(signal.entry.at), summed(signal.entry.per), signal.entry.at
        self._scale = signal.entry.scale
        self._last: float | None = None
        self._since: float | None = None

    def take(self, seen: Seen) -> Measurement:
        """The age, or the real time since progress was last seen where that is shorter."""
        progress = self._progress(seen.documents)
        if self._since is None or (progress is not None and progress != self._last):
            self._since = seen.at
        if progress is not None:
            self._last = progress
        age = number(self._age(seen.documents))
        if age is None:
            return missing(f"{self._at} is not there")
        return Measurement(min(age, seen.at - self._since) * self._scale)


class Drift:
    """The largest change of any of several values, as a share, since the row before or since the first row.

    A change below the floor does not count: 5 % of next to nothing is nothing.
    """

    def __init__(self, signal: Signal) -> None:
        self._get, self._at = getter(signal.entry.at), signal.entry.at
        self._floor, self._moves = signal.floor, signal.entry.against == "previous"
        self._then: dict[str, float] | None = None

    def take(self, seen: Seen) -> Measurement:
        """The largest change, and whose it is."""
        now = numbers(self._get(seen.documents))
        if not now:
            return missing(f"{self._at} is not there")
        then, self._then = self._then, now if self._moves or self._then is None else self._then
        if then is None:
            return too_little("nothing earlier to compare with", 1)
        gone = sorted(set(then) - set(now))
        if gone:
            return missing(f"{', '.join(gone)} had a value before and has none now")
        drifts = [(share(then[name], value, self._floor), name) for name, value in now.items() if name in then]
        drift, name = max(drifts)
        why = f"{name} was {then[name]:.6g} and is {now[name]:.6g}" if drift else ""
        return Measurement(drift, n=len(drifts), why=why)


def share(then: float, now: float, floor: float) -> float:
    """A change as a share of what was before; 0.0 up to the floor."""
    change = abs(now - then)
    if change <= floor:
        return 0.0
    return change / abs(then) if then else float("inf")


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


class Without:
    """By how much one thing grew since another, which should go with it, last moved."""

    def __init__(self, signal: Signal) -> None:
        self._of, self._by = summed(signal.entry.of), summed(signal.entry.per)
        self._words = " and ".join((*signal.entry.of, *signal.entry.per))
        self._grown = 0.0
        self._last: tuple[float, float] | None = None

    def take(self, seen: Seen) -> Measurement:
        """The growth of the one since the other last moved."""
        of, by = self._of(seen.documents), self._by(seen.documents)
        if of is None or by is None:
            return missing(f"one of {self._words} is not there")
        if self._last is not None:
            # A counter that fell has started anew: what it shows now has grown since.
            grown = of - self._last[0] if of >= self._last[0] else of
            self._grown = 0.0 if by != self._last[1] else self._grown + grown
        self._last = (of, by)
        return Measurement(self._grown)


COVERED = 0.95  # of a window, from which on it counts as seen as a whole: samples do not fall on its edges
BUCKETS = 12  # of the window of a growth


class Increase:
    """How much counters grew within the window. Until it has been seen as a whole, that can only become more."""

    def __init__(self, signal: Signal) -> None:
        self._get, self._words = summed(signal.entry.of), ", ".join(signal.entry.of)
        self._counter, self._window = ResettingCounter(), Window(signal.window)
        self._enough = min(COVERED * signal.window, signal.window - signal.slack)
        self._share = signal.share

    def take(self, seen: Seen) -> Measurement:
        """The growth within the window."""
        count = self._get(seen.documents)
        if count is None:
            return missing(f"one of {self._words} is not there")
        grown, _, span = self._window.take(seen.t, self._counter.take(count, seen.epoch))
        return Measurement(grown * self._share, full=span >= self._enough)


class _Ratio:
    """One group of counters over another, by how much each grew within the window."""

    def __init__(self, signal: Signal) -> None:
        self._of, self._per = summed(signal.entry.of), summed(signal.entry.per)
        self._words = ", ".join((*signal.entry.of, *signal.entry.per))
        self._first, self._second, self._window = ResettingCounter(), ResettingCounter(), Window(signal.window)
        self._scale = signal.entry.scale

    def take(self, seen: Seen) -> Measurement:
        """The ratio within the window."""
        of, per, epoch = self._of(seen.documents), self._per(seen.documents), seen.epoch
        if of is None or per is None:
            return missing(f"one of {self._words} is not there")
        part, whole, _ = self._window.take(seen.t, self._first.take(of, epoch), self._second.take(per, epoch))
        return self._ratio(part, whole)

    def _ratio(self, part: float, whole: float) -> Measurement:
        raise NotImplementedError


class Mean(_Ratio):
    """How much of one thing there was for each of another: seconds for each piece of work."""

    def _ratio(self, part: float, whole: float) -> Measurement:
        if whole <= 0:
            return too_little("nothing happened", 0)
        return Measurement(part / whole * self._scale, n=round(whole))


class Share(_Ratio):
    """How many of all events were of one sort; a part larger than its whole is a mistake of who counts."""

    def _ratio(self, part: float, whole: float) -> Measurement:
        some, all_ = round(part), round(whole)
        if all_ <= 0:
            return too_little("nothing happened", 0)
        return (
            missing(f"{some} of {all_} is impossible") if some > all_ else Measurement(some / all_, n=all_, part=some)
        )


class Busy(_OfNumber):
    """Processor time used in a stretch of real time, in per cent of one core."""

    def __init__(self, signal: Signal) -> None:
        super().__init__(signal)
        self._counter, self._window = ResettingCounter(), Window(signal.window)

    def _measured(self, found: float, seen: Seen) -> Measurement:
        """The window's length is of the watch's clock, its content of real time."""
        used, real, _ = self._window.take(seen.t, self._counter.take(found, seen.epoch), seen.at)
        return Measurement(used / real * 100.0) if real > 0 else too_little("one sample only")


class Restarts(_OfNumber):
    """How often the service was started anew within the window: by systemd's count, and by the id of each life."""

    def __init__(self, signal: Signal) -> None:
        super().__init__(signal)
        self._starts: deque[tuple[float, int]] = deque()
        self._last: int | None = None
        self._epoch: object = None
        self._total = 0

    def _measured(self, found: float, seen: Seen) -> Measurement:
        starts = self._since(int(found), seen.epoch)
        if starts:
            self._starts.append((seen.t, starts))
            self._total += starts
        while self._starts and self._starts[0][0] < seen.t - self.signal.window:
            self._total -= self._starts.popleft()[1]
        return Measurement(self._total * self.signal.share)

    def _since(self, count: int, epoch: object) -> int:
        """The starts since the sample before; the first one only says what was before."""
        last, changed = self._last, bool(epoch) and bool(self._epoch) and epoch != self._epoch
        self._last, self._epoch = count, epoch or self._epoch
        if last is None:
            return 0
        if count > last:
            return count - last
        # Started by hand: systemd counts from 0 again, and what it counts now came after.
        return int(changed) + (count if count < last else 0)


class Growth(_OfNumber):
    """How fast something grows for hours, as a share of what it was at first, by the median of all slopes (Theil, Sen).

    The window is cut into buckets and each stands for its median: peaks and single steps of an allocator do not move it.
    A new life of the service starts it anew. `n` is the number of buckets. It is worked out anew whenever a bucket is full.
    """

    def __init__(self, signal: Signal) -> None:
        super().__init__(signal)
        self._width = signal.window / BUCKETS
        self._medians: deque[tuple[float, float]] = deque(maxlen=BUCKETS)
        self._open: list[float] = []
        self._index, self._first = -1, 0.0
        self._epoch: object = None
        self._latest = too_little("one stretch only", 0)

    def _measured(self, found: float, seen: Seen) -> Measurement:
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
        oldest = (index - BUCKETS) * self._width
        while self._medians and self._medians[0][0] < oldest:
            self._medians.popleft()
        self._latest = self._slope()

    def _slope(self) -> Measurement:
        kept = list(self._medians)
        if len(kept) < 2 or self._first <= 0:
            return too_little("one stretch only", len(kept))
        slopes = [
            (later - earlier) / (late - early)
            for number, (early, earlier) in enumerate(kept)
            for late, later in kept[number + 1 :]
        ]
        return Measurement(median(slopes) * 3600.0 / self._first, n=len(kept))


_MEASURES: Mapping[Kind, Callable[[Signal], Measure]] = {
    "value": Value, "count": Count, "differs": Differs, "verdict": Verdicts, "stuck": Stuck, "without": Without, "fell": Fell,
    "drift": Drift, "mean": Mean, "share": Share, "increase": Increase, "busy": Busy, "restarts": Restarts, "growth": Growth,
}  # fmt: skip


def measure(signal: Signal) -> Measure:
    """A new measure of a signal; there is none for `looks` and `values`, which the judge reads by itself."""
    return _MEASURES[signal.kind](signal)
