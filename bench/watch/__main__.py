"""Runs the A/A simulation and the planted regressions on all cores, and writes docs/watch.md."""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

from bench.watch import parameters
from bench.watch.counting import Alarms, Detection
from bench.watch.day import SimulatedDay, batch, book
from bench.watch.page import origins_of, page
from bench.watch.regressions import REGRESSIONS

ROOT = Path(__file__).parent.parent.parent
BATCH = 10


def main() -> int:
    """Parse, run, write; says how long it took."""
    parser = argparse.ArgumentParser(prog="python -m bench.watch", description=__doc__)
    parser.add_argument(
        "--watches", type=int, default=1000, help="watches of the A/A run; a twentieth of it for each regression"
    )
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "watch.md")
    options = parser.parse_args()
    if options.watches < 1:
        parser.error("--watches has to be 1 or more")
    begun = time.monotonic()
    rules = book(ROOT)  # mistakes in the rules are reported before the work begins
    planted = max(1, options.watches // 20)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        alone = list(_batches(pool, options.seed, "", options.watches))
        others = {one.name: list(_batches(pool, options.seed, one.name, planted)) for one in REGRESSIONS}
        alarms = Alarms()
        for day in _all(alone):
            alarms.add(day)
        detections = [Detection.of(one, _all(others[one.name])) for one in REGRESSIONS]
    origins = origins_of(Path(parameters.__file__).read_text(encoding="utf-8"))
    options.out.write_text(page(rules, alarms, detections, options.seed, origins), encoding="utf-8")
    sys.stdout.write(f"{options.out}: {alarms.watches} watches in {time.monotonic() - begun:.0f} s\n")
    return 0


def _batches(pool: ProcessPoolExecutor, seed: int, name: str, count: int) -> Iterator[Future[list[SimulatedDay]]]:
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        yield pool.submit(batch, str(ROOT), seed, parameters.Parameters(), name, numbers)


def _all(batches: list[Future[list[SimulatedDay]]]) -> Iterator[SimulatedDay]:
    for one in batches:
        yield from one.result()


if __name__ == "__main__":
    raise SystemExit(main())
