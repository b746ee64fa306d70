"""The two clocks of a watch: real time, and the watch's own, which a scale factor hurries. A test brings clocks of its own."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class WatchClock:
    """Seconds on the watch's clock since the watch began (Unix time `began`), `scale` of them in a real one.

    It follows the wall clock, so that it goes on while the controller is switched off: what was not looked at is a gap.
    """

    began: float
    scale: float = 1.0
    now: Callable[[], float] = time.time

    @property
    def t(self) -> float:
        """Now, on the watch's clock."""
        return self.at_watch(self.now())

    def at_watch(self, at: float) -> float:
        """A moment of real time (Unix seconds) on the watch's clock."""
        return (at - self.began) * self.scale

    def at_real(self, t: float) -> float:
        """A moment of the watch in real time (Unix seconds)."""
        return self.began + t / self.scale

    def real_seconds_until(self, t: float) -> float:
        """How long to wait for a moment of the watch; 0 where it has come."""
        return max(0.0, self.at_real(t) - self.now())
