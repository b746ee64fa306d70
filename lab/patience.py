"""Waits for something to become true, for a limited time."""

import time
from collections.abc import Callable


def until(true: Callable[[], bool], *, seconds: float, every: float = 0.05) -> bool:
    """Ask again and again; whether it became true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
