"""One contender at one job in a fresh process (in .venv-bench): `python -m bench.kpis.worker CONTENDER JOB TAPE`.

Says on stdout in JSON how long it took, without imports and preparation, what came out, and the most memory it held.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.kpis.totals import AMOUNTS, DAY, LOAN, Totals

ENOUGH_SECONDS = 1.0  # short work is done again and again for so long, and the median counts
MOST = 400


def main(contender: str, job: str, tape: Path) -> None:
    """Do the job and print the result as JSON."""
    module = import_module(f"bench.kpis.contenders.{contender}")
    if job.startswith("memory"):
        work = module.memory(_columns(tape, loans=job == "memory-loans"))
        work()  # the first time pays for what is set up once
        seconds, totals = _again(work)
    else:
        began = time.perf_counter()
        totals = getattr(module, job.partition("-")[0])(tape, loans=job.endswith("-loans"))
        seconds = time.perf_counter() - began
    result = {"seconds": seconds, "peak_mb": _peak_mb(), "totals": totals.as_json()}
    sys.stdout.write(json.dumps(result) + "\n")


def _columns(tape: Path, *, loans: bool) -> dict[str, Any]:
    import numpy as np

    columns: dict[str, Any] = dict(zip(AMOUNTS, np.load(tape), strict=True))
    if loans:
        columns[LOAN] = np.array([f"L{number}" for number in range(len(columns[AMOUNTS[0]]))])
    return {**columns, DAY: "2025-12-26"}


def _again(work: Callable[[], Totals]) -> tuple[float, Totals]:
    each: list[float] = []
    while True:
        began = time.perf_counter()
        totals = work()
        each.append(time.perf_counter() - began)
        if sum(each) > ENOUGH_SECONDS or len(each) == MOST:
            return statistics.median(each), totals


def _peak_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
