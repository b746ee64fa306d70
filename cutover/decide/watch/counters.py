"""Counters that start anew with their process, and how much they grew within a window, as Prometheus' increase() has it."""

from collections import deque


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
