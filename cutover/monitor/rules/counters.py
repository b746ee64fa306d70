"""Meters of what went on within a window: means, shares, increases, processor time, restarts, growth of memory."""

import math
from collections import deque
from statistics import median

from cutover.monitor.rules.reading import Moment, Reading, getter, missing, number, summed, too_little
from cutover.monitor.rules.rulebook import Signal

# Counters that start anew with their process, and how much they grew within a window, as Prometheus' increase() has it.


class Counter:
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
            self._caught = not changed  # the epoch, looked at a moment earlier, may follow with the next look
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


COVERED = 0.95  # of a window, from which on it counts as seen as a whole: looks do not fall on its edges
BUCKETS = 12  # of the window of a growth


class Increase:
    """How much counters grew within the window. Until it has been seen as a whole, that can only become more."""

    def __init__(self, signal: Signal) -> None:
        self._get, self._words = summed(signal.entry.of), ", ".join(signal.entry.of)
        self._counter, self._window = Counter(), Window(signal.window)
        self._enough = min(COVERED * signal.window, signal.window - signal.slack)
        self._share = signal.share

    def take(self, moment: Moment) -> Reading:
        """The growth within the window."""
        count = self._get(moment.documents)
        if count is None:
            return missing(f"of {self._words} one is not there")
        grown, _, span = self._window.take(moment.t, self._counter.take(count, moment.epoch))
        return Reading(grown * self._share, full=span >= self._enough)


class _Two:
    """Two groups of counters and how much each grew within the window."""

    def __init__(self, signal: Signal) -> None:
        self._of, self._per = summed(signal.entry.of), summed(signal.entry.per)
        self._words = ", ".join((*signal.entry.of, *signal.entry.per))
        self._first, self._second, self._window = Counter(), Counter(), Window(signal.window)
        self._scale = signal.entry.scale

    def grown(self, moment: Moment) -> tuple[float, float] | None:
        """The growth of both, or None where one could not be measured."""
        of, per = self._of(moment.documents), self._per(moment.documents)
        if of is None or per is None:
            return None
        epoch = moment.epoch
        first, second, _ = self._window.take(moment.t, self._first.take(of, epoch), self._second.take(per, epoch))
        return first, second

    def lost(self) -> Reading:
        """What is said where one could not be measured."""
        return missing(f"of {self._words} one is not there")


class Mean(_Two):
    """How much of one thing there was for each of another: seconds for each piece of work."""

    def take(self, moment: Moment) -> Reading:
        """The mean within the window."""
        grown = self.grown(moment)
        if grown is None:
            return self.lost()
        of, per = grown
        return Reading(of / per * self._scale, n=round(per)) if per > 0 else too_little("nothing happened", 0)


class Share(_Two):
    """How many of all events were of one sort."""

    def take(self, moment: Moment) -> Reading:
        """The share within the window; a part larger than its whole is a mistake of who counts."""
        grown = self.grown(moment)
        if grown is None:
            return self.lost()
        part, whole = round(grown[0]), round(grown[1])
        if whole <= 0:
            return too_little("nothing happened", 0)
        if part > whole:
            return missing(f"{part} of {whole} is no share")
        return Reading(part / whole, n=whole, part=part)


class Busy:
    """Processor time used in a stretch of real time, in per cent of one core."""

    def __init__(self, signal: Signal) -> None:
        self._get, self._at = getter(signal.entry.at), signal.entry.at
        self._counter, self._window = Counter(), Window(signal.window)

    def take(self, moment: Moment) -> Reading:
        """Per cent of one core within the window, whose length is of the watch, its content of real time."""
        used = number(self._get(moment.documents))
        if used is None:
            return missing(f"{self._at} is not there")
        seconds, real, _ = self._window.take(moment.t, self._counter.take(used, moment.epoch), moment.at)
        return Reading(seconds / real * 100.0) if real > 0 else too_little("one look only")


class Restarts:
    """How often the service was started anew within the window: by systemd's count, and by the id of each life."""

    def __init__(self, signal: Signal) -> None:
        self._get, self._at, self._seconds = getter(signal.entry.at), signal.entry.at, signal.window
        self._starts: deque[tuple[float, int]] = deque()
        self._last: int | None = None
        self._epoch: object = None
        self._total = 0
        self._share = signal.share

    def take(self, moment: Moment) -> Reading:
        """The starts within the window; the first look only says what was before."""
        found = number(self._get(moment.documents))
        if found is None:
            return missing(f"{self._at} is not there")
        starts = self._since(int(found), moment.epoch)
        if starts:
            self._starts.append((moment.t, starts))
            self._total += starts
        while self._starts and self._starts[0][0] < moment.t - self._seconds:
            self._total -= self._starts.popleft()[1]
        return Reading(self._total * self._share)

    def _since(self, count: int, epoch: object) -> int:
        last, changed = self._last, bool(epoch) and bool(self._epoch) and epoch != self._epoch
        self._last, self._epoch = count, epoch or self._epoch
        if last is None:
            return 0
        if count > last:
            return count - last
        # Started by hand: systemd counts from 0 again, and what it counts now came after.
        return int(changed) + (count if count < last else 0)


class Growth:
    """How fast something grows for hours, as a share of what it was at first, by the median of all slopes (Theil, Sen).

    The window is cut into buckets and each stands for its median: peaks and single steps of an allocator do not move it.
    A new life of the service starts it anew. `n` is the number of buckets.
    """

    def __init__(self, signal: Signal) -> None:
        self._get, self._at = getter(signal.entry.at), signal.entry.at
        self._width = signal.window / BUCKETS
        self._medians: deque[tuple[float, float]] = deque(maxlen=BUCKETS)
        self._open: list[float] = []
        self._index, self._first = -1, 0.0
        self._epoch: object = None
        self._reading = too_little("one stretch only", 0)

    def take(self, moment: Moment) -> Reading:
        """The growth an hour, worked out anew whenever a bucket is full."""
        found = number(self._get(moment.documents))
        if found is None:
            return missing(f"{self._at} is not there")
        index = math.floor(moment.t / self._width)
        if moment.epoch and moment.epoch != self._epoch:
            self._start_anew(moment, index)
        elif index != self._index:
            self._close(index)
        self._open.append(found)
        return self._reading

    def _start_anew(self, moment: Moment, index: int) -> None:
        self._medians.clear()
        self._open, self._index, self._epoch = [], index, moment.epoch
        self._reading = too_little("one stretch only", 0)

    def _close(self, index: int) -> None:
        if self._open:
            if not self._medians:
                self._first = median(self._open)
            self._medians.append(((self._index + 0.5) * self._width, median(self._open)))
        self._open, self._index = [], index
        oldest = (index - BUCKETS) * self._width
        while self._medians and self._medians[0][0] < oldest:
            self._medians.popleft()
        self._reading = self._judged()

    def _judged(self) -> Reading:
        kept = list(self._medians)
        if len(kept) < 2 or self._first <= 0:
            return too_little("one stretch only", len(kept))
        slopes = [
            (later - earlier) / (late - early)
            for number, (early, earlier) in enumerate(kept)
            for late, later in kept[number + 1 :]
        ]
        return Reading(median(slopes) * 3600.0 / self._first, n=len(kept))
