"""Liveness and readiness of the worker: its last heartbeat, and why the service is not ready."""

import time
from dataclasses import dataclass, field


@dataclass
class Liveness:
    """Written by the worker, read by the web and watchdog threads."""

    stall_seconds: float
    reason: str = "starting"
    stopping: bool = False
    _beat: float = field(default_factory=time.monotonic)

    def beat(self) -> None:
        """Record a heartbeat."""
        self._beat = time.monotonic()

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last heartbeat."""
        return time.monotonic() - self._beat

    @property
    def stalled(self) -> bool:
        """Whether the worker counts as stuck."""
        return self.silent_seconds > self.stall_seconds

    def why_not_ready(self) -> str:
        """Why the service is not ready; empty when it is."""
        if self.stopping:
            return "stopping"
        if self.stalled:
            return f"the worker has given no sign of life for {self.silent_seconds:.0f} s"
        return self.reason
