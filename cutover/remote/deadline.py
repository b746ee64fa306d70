"""Time that is left of a call, and a guard for the calls that have no timeout of their own."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Deadline:
    """A moment on the monotonic clock, given as seconds from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._began = time.monotonic()

    @property
    def left(self) -> float:
        """Seconds until the deadline, 0 when it has passed."""
        return max(self.seconds - self.spent, 0.0)

    @property
    def spent(self) -> float:
        """Seconds since it was set."""
        return time.monotonic() - self._began

    @property
    def passed(self) -> bool:
        """Whether the time is up."""
        return self.spent >= self.seconds


@contextmanager
def guarded(seconds: float, action: Callable[[], object]) -> Iterator[None]:
    """Call `action` from another thread where the block takes longer than `seconds`; it must unblock the block."""
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
