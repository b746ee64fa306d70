"""Runs one command as a cold process and tells how long it took."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cutover.core.errors import Problem, Refused


@dataclass(frozen=True)
class Took:
    """When it began, seconds to its end, seconds of CPU of it and its children on this side, and what it wrote to stdout."""

    began: datetime
    wall: float
    cpu: float
    stdout: str


def timed(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, most_s: float = 900, ends: int = 0
) -> Took:
    """Run it to its end; Refused with the end of what it said where it does not end as it must. A figure of that is worth nothing."""
    before, began = _children(), datetime.now(UTC)
    started = time.perf_counter()
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            timeout=most_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as late:
        raise _failed(argv, f"not done after {most_s:g} s") from late
    wall = time.perf_counter() - started
    if done.returncode != ends:
        said = f"{done.stdout[-2500:]}\n{done.stderr[-2500:]}".strip()
        raise _failed(argv, f"exit status {done.returncode}: {said}")
    return Took(began, wall, _children() - before, done.stdout)


def _failed(argv: Sequence[str], found: str) -> Refused:
    return Refused(Problem(path=" ".join(argv), found=found, next="make it work by itself, then measure again"))


def _children() -> float:
    now = os.times()
    return now.children_user + now.children_system
