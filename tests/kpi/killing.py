"""Kill real services with SIGKILL at random moments under a stream of tapes, and count what is left afterwards."""

import hashlib
import json
import random
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kpi.audit import Record, records_since, verify
from kpi.config import PipelineConfig
from kpi.durable import TEMPORARY
from kpi.outputs import output_paths
from kpi.validation.ledger import reconcile
from legacy.deliver_tapes import Deliverer
from tests.waiting import PATIENCE_S, wait_until

ROWS = 20


@dataclass
class Storm:
    """One root under a stream of tapes, and services that are killed on it."""

    root: Path
    dice: random.Random
    kills: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Tapes keep arriving, a few every tenth of a second."""
        deliverer, stop = Deliverer(self.root), threading.Event()
        pauses = random.Random(self.dice.random())  # noqa: S311 - a repeatable test

        def deliver() -> None:
            while not stop.wait(pauses.uniform(0.02, 0.08)):
                deliverer.deliver("A", ROWS)

        thread = threading.Thread(target=deliver)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def kill(
        self, command: Sequence[str], ready: str, cwd: Path, *, after: Callable[[], object] = lambda: True
    ) -> None:
        """Start a service and kill it: mostly at work, now and then while it starts, never before ``after`` holds."""
        early = self.dice.random() < 0.25
        with _started(command, "" if early else ready, cwd) as process:
            wait_until(after)
            time.sleep(self.dice.uniform(0.0, 0.4 if early else 0.15))
            self.kills["starting" if early else "at work"] += 1
            process.kill()

    def drain(self, command: Sequence[str], ready: str, cwd: Path) -> None:
        """Let a service finish everything, then stop it cleanly."""
        with _started(command, ready, cwd) as process:
            rooms = [self.root / "inbox", self.root / "processing"]
            wait_until(lambda: not any(True for room in rooms for _ in room.iterdir()), every=0.05)
            process.terminate()
            assert process.wait(PATIENCE_S) == 0


def assert_each_exactly_once(config: PipelineConfig) -> int:
    """Arrivals = done, by content, once each; how many."""
    stock = reconcile(config)
    assert (stock.lost, stock.doubled, stock.late, stock.unledgered, stock.unreadable) == ([], [], [], [], [])
    assert (stock.rejected, stock.duplicates, stock.in_flight) == (0, 0, 0)
    arrived = [json.loads(line)["sha256"] for line in config.arrivals.read_bytes().splitlines()]
    done = [path for path in config.paths["done"].iterdir() if path.is_file()]
    assert Counter(path.name.partition("__")[0] for path in done) == Counter(arrived)
    for path in done:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name.partition("__")[0]
    return len(done)


def recorded_outputs(config: PipelineConfig) -> dict[str, dict[str, str]]:
    """By tape, the digests of the outputs that the audit trail says were written."""
    return {
        record["details"]["sha256"]: record["details"]["outputs"]
        for record in records_since(config.paths["audit"], "")
        if record["event"] == "outputs_written"
    }


def assert_outputs(config: PipelineConfig, digests: Iterable[str]) -> None:
    """Each tape's outputs are there, and are what manifest and audit trail say."""
    recorded = recorded_outputs(config)
    for digest in digests:
        paths = output_paths(config.paths["metrics"], digest, config.outputs)
        manifest = json.loads(paths.pop("manifest").read_bytes())
        written = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths.values()}
        assert manifest["digests"]["input"] == digest
        assert manifest["outputs"] == written == recorded[digest]


def assert_trail(config: PipelineConfig) -> list[Record]:
    """The chain is whole, followed record by record; nothing failed; its records."""
    seen = verify(config.paths["audit"], full=True)
    assert [str(problem) for problem in seen.problems] == []
    assert verify(config.paths["audit"]).problems == []
    records = list(records_since(config.paths["audit"], ""))
    assert [record["seq"] for record in records] == list(range(1, seen.seq + 1))
    assert [record for record in records if record["event"] in ("run_failed", "gap_found")] == []
    return records


def assert_nothing_left_over(config: PipelineConfig) -> None:
    """No half-written file anywhere."""
    left = [path for path in config.root.rglob(f"{TEMPORARY}*") if path.is_file()]
    assert left == []


@contextmanager
def _started(command: Sequence[str], ready: str, cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A service that has said the word. It talks to a file, since a pipe that nobody reads would fill up and stop it."""
    with tempfile.NamedTemporaryFile() as log, subprocess.Popen(command, cwd=cwd, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + PATIENCE_S
            while ready not in (said := Path(log.name).read_text(encoding="utf-8")):
                assert process.poll() is None, f"the service ended: {said}"
                assert time.monotonic() < deadline, f"the service does not get ready: {said}"
                time.sleep(0.005)
            yield process
        finally:
            process.kill()
