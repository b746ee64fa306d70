"""Experiments on several hosts at the same time, one after another on each; what goes wrong is reported in the end, all of it.

What each came to is one line of a file, kept as it goes, so that a table can be drawn from it.
"""

import json
import queue
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.faults.boundaries import Boundary, Outcome, play
from tests.faults.ground import Ground
from tests.faults.plays import Stage
from tests.faults.scenarios import Scenario

Work = Callable[[str], list[str]]


class Results:
    """Lines in a file; several grounds write to it at the same time."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed, self._lock = folder, seed, threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "results.jsonl"

    def note(self, group: str, outcome: Outcome, history: Mapping[str, Any]) -> None:
        """Put one experiment on record; the history of one with a violation is kept, to be judged again offline."""
        line = {
            "group": group, "name": outcome.name, "ends": outcome.ends, "codes": outcome.codes, "seconds": outcome.seconds,
            "violations": [[one.invariant, one.host, one.found] for one in outcome.violations], "seed": self.seed,
            "hosts": len(outcome.ends), "tapes": sum(_fresh(one) for one in history["hosts"].values()),
        }  # fmt: skip
        with self._lock, self.file.open("a") as file:
            file.write(json.dumps(line) + "\n")
        if outcome.violations:
            kept = self.folder / f"{outcome.name.replace('/', '_').replace(' ', '-')}.json"
            kept.write_text(json.dumps(history))


def _fresh(seen: Mapping[str, Any]) -> int:
    """How many tapes were delivered while it lasted."""
    return len(seen["after"]["tapes"]["arrived"]) - len(seen["before"]["tapes"]["arrived"])


def boundary(results: Results, grounds: dict[str, Ground], series: str, at: Boundary, group: str) -> Work:
    """Death at one boundary."""

    def work(name: str) -> list[str]:
        history, result = play(grounds[name], series, at, results.seed)
        results.note(group, result, history)
        return [f"{result.name} on {name}: {violation}" for violation in result.violations]

    return work


def scenario(results: Results, grounds: dict[str, Ground], others: dict[str, Ground], one: Scenario) -> Work:
    """One scenario; afterwards the hosts are put back, however it ended."""

    def work(name: str) -> list[str]:
        ground = grounds[name]
        try:
            experiment, result = one.play(Stage(ground, others[name].checkout, results.seed, one.name))
        finally:
            for left in ground.started:
                if left.process.poll() is None:
                    left.process.kill()
                    left.process.wait()
            ground.reset()
        results.note("scenarios", result, experiment.history)
        return [f"{result.name} on {name}: {violation}" for violation in result.violations]

    return work


def all_of(jobs: Iterable[Work], names: Sequence[str]) -> list[str]:
    """Do all of it, with one thread a host; gives what was wrong, an experiment that broke included."""
    waiting: queue.Queue[Work] = queue.Queue()
    for job in jobs:
        waiting.put(job)
    wrong: list[str] = []

    def host(name: str) -> None:
        while True:
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                wrong.extend(job(name))
            except BaseException:  # noqa: BLE001 - one that breaks must not hide the others; it fails the test in the end
                wrong.append(f"on {name}: {traceback.format_exc()[-3000:]}")

    threads = [threading.Thread(target=host, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong
