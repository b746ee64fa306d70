"""Waiting for what another process or thread does in its own time."""

import time
from collections.abc import Callable

import pytest


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for it a few seconds; the test fails when it stays away."""
    for _ in range(500):
        if true():
            return
        time.sleep(0.01)
    pytest.fail("it did not come to pass")
