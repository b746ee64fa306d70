"""What tests of programs under way share: waiting for what they do, and reading what they are still writing."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
PATIENCE_S = 600.0  # far more than anything takes: it ends a test that would never end, and decides nothing


def wait_until(reached: Callable[[], T], *, within: float = PATIENCE_S, every: float = 0.01) -> T:
    """Return the first true answer; the test fails when there is none in time."""
    deadline = time.monotonic() + within
    while not (answer := reached()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {within:g} s in vain")
        time.sleep(every)
    return answer


def journal_lines(file: Path) -> list[str]:
    """The whole lines of a journal; none where there is no file. Half a line at its end is being written, or is what a crash left."""
    return file.read_text().split("\n")[:-1] if file.exists() else []


def journal_records(file: Path) -> list[dict[str, Any]]:
    """The records of a journal that may be written to at this moment."""
    return [json.loads(line) for line in journal_lines(file)]
