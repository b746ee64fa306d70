"""Experiments on several hosts at the same time, one after another on each; what goes wrong is reported in the end, all of it."""

import queue
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence

from tests.faults.boundaries import Boundary, play
from tests.faults.ground import Ground
from tests.faults.plays import Stage
from tests.faults.results import Results
from tests.faults.scenarios import Scenario

Work = Callable[[str], list[str]]


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
