"""The command on CSV files that become larger and larger: does its memory stay where it is?"""

import json
import os
import subprocess
import time
from dataclasses import dataclass

from bench.kpis.measure import Progress, Workspace
from cutover.core.errors import Problem, Refused


@dataclass(frozen=True)
class Large:
    """One file: its size, rows, how long `kpi compute` took as a cold process, and the most memory that it held."""

    gb: float
    rows: int
    seconds: float
    peak_mb: float


def measure(space: Workspace, gb: float, progress: Progress) -> tuple[Large, ...]:
    """A tenth of the size, then all of it."""
    return tuple(_one(space, size, progress) for size in (gb / 10, gb))


def _one(space: Workspace, gb: float, progress: Progress) -> Large:
    space.module("tapes", "large", str(space.place), str(int(gb * 1e9)))
    tape, expected = space.place / "large.csv", int((space.place / "large.rows").read_text())
    out = space.place / "large.out"
    size = tape.stat().st_size
    began = time.perf_counter()
    try:
        with out.open("wb") as stdout:
            argv = [str(space.python), "-m", "kpi", "compute", str(tape), "--json"]
            process = subprocess.Popen(argv, cwd=space.root, env=space.environment, stdout=stdout)
            _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        _require(process.returncode, out.read_bytes(), expected)
    finally:
        tape.unlink()
    large = Large(size / 1e9, expected, seconds, used.ru_maxrss * 1024 / 1e6)
    progress(f"CSV of {large.gb:.1f} GB: {seconds:.1f} s, {large.peak_mb:.0f} MB")
    return large


def _require(status: int, said: bytes, rows: int) -> None:
    document = json.loads(said) if said else {}
    counted = {kpi.get("row_count") for kpi in document.get("kpis", {}).values()}
    if status != 0 or counted != {rows}:
        found = f"exit status {status}, rows {counted} instead of {rows}: {said[-1000:]!r}"
        raise Refused(Problem(path="kpi compute", found=found, next="make it work by itself, then measure again"))
