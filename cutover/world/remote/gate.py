"""Lets only a few connections begin at the same time, so that sshd's MaxStartups (10:30:100) drops none of them."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

WIDTH = 8  # sshd begins to drop at random from ten unauthenticated connections on; a jump host sees all of ours
JITTER = 0.02  # seconds; what makes eight waiting connects start one after the other


class ConnectGate:
    """A turnstile shared by the transports of a run: `width` connects at once, the waiting ones started with jitter."""

    def __init__(self, width: int = WIDTH, jitter: float = JITTER) -> None:
        self._places = threading.BoundedSemaphore(width)
        self._jitter = jitter

    @contextmanager
    def place(self, deadline: float) -> Iterator[bool]:
        """Hold one place while connecting; yields False where none became free within `deadline` seconds."""
        began = time.monotonic()
        if not self._places.acquire(blocking=False):
            if not self._places.acquire(timeout=max(deadline, 0)):
                yield False
                return
            jitter = random.uniform(0, self._jitter)  # noqa: S311 - no secret: it only spreads the connects
            time.sleep(min(jitter, max(deadline - (time.monotonic() - began), 0)))
        try:
            yield True
        finally:
            self._places.release()
