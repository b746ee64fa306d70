"""The real service: how long it takes to be ready, and a tape from inbox to done; and what it holds in memory."""

import json
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.kpis.measure import Progress, Workspace
from bench.measure import timed
from cutover.core.errors import Problem, Refused

PATIENCE_SECONDS = 30.0
FLUSHES = 30
LOOK_SECONDS = 0.0002
POLL_SECONDS = 0.01  # how often the service looks into its inbox while that is empty; the least that it takes
BARE = ["-B", "-P"]  # as the release's launcher starts Python


@dataclass(frozen=True)
class ServiceFigures:
    """Medians: seconds to ready, of `import pandas` and of an empty Python; of a tape and of one flush; MB afterwards."""

    ready: float
    import_pandas: float
    empty: float
    tape: float
    tape_most: float
    tapes: int
    flush: float
    memory_mb: float


def measure(space: Workspace, rounds: int, progress: Progress) -> ServiceFigures:
    """Starts in turn, then one service that is given tapes one by one, each after the other is done."""
    starts, imports, empties = [], [], []
    for _ in range(max(rounds, 3)):
        with _serving(space) as (_, _, ready):
            starts.append(ready)
        imports.append(_python(space, "import pandas"))
        empties.append(_python(space, "pass"))
    tapes = sorted(space.place.glob("tape-*.csv"))
    with _serving(space) as (process, root, _):
        each = [_through(process, root, tape) for tape in tapes]
        memory = _memory_mb(process.pid)
    ready, pandas, empty, tape = (statistics.median(several) for several in (starts, imports, empties, each))
    seen = ServiceFigures(ready, pandas, empty, tape, max(each), len(each), _flush(space.place), memory)
    progress(f"service ready in {seen.ready:.3f} s, a tape in {seen.tape * 1e3:.1f} ms, {memory:.0f} MB")
    return seen


@contextmanager
def _serving(space: Workspace) -> Iterator[tuple[subprocess.Popen[str], Path, float]]:
    with tempfile.TemporaryDirectory(prefix="service-", dir=space.place) as name:
        root = Path(name)
        config = _config(space, root)
        began = time.perf_counter()
        argv = [str(space.python), *BARE, "-m", "kpi", "serve", "--config", str(config)]
        with subprocess.Popen(argv, cwd="/", env=space.environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                first = process.stdout.readline() if process.stdout else ""
                ready = time.perf_counter() - began
                if not first.startswith("ready"):
                    raise _failed(f"not ready: {first!r}")
                yield process, root, ready
            finally:
                process.terminate()
                process.communicate()


def _config(space: Workspace, root: Path) -> Path:
    document = json.loads((space.root / "kpi" / "example_config.json").read_text())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        document["http"] = {"address": "127.0.0.1", "port": probe.getsockname()[1]}
    document |= {"paths": {"root": str(root)}}
    document["service"] |= {"poll_seconds": POLL_SECONDS}
    path = root / "pipeline.yml"
    path.write_text(json.dumps(document))
    return path


def _through(process: subprocess.Popen[str], root: Path, tape: Path) -> float:
    """Deliver one, and wait until it is done."""
    inbox, done = root / "inbox", root / "done"
    part = inbox / f".{tape.name}.part"
    part.write_bytes(tape.read_bytes())
    began = time.perf_counter()
    part.rename(inbox / tape.name)
    while not any(path.name.endswith(f"__{tape.name}") for path in done.iterdir()):
        if process.poll() is not None or time.perf_counter() - began > PATIENCE_SECONDS:
            raise _failed(f"{tape.name} is not done; exit status {process.returncode}")
        time.sleep(LOOK_SECONDS)
    return time.perf_counter() - began


def _flush(place: Path) -> float:
    """A few kilobytes written and flushed to the same disk; a tape needs several of them."""
    each = []
    for _ in range(FLUSHES):
        began = time.perf_counter()
        with (place / "flushed").open("wb") as out:
            out.write(bytes(4096))
            out.flush()
            os.fsync(out.fileno())
        each.append(time.perf_counter() - began)
    return statistics.median(each)


def _python(space: Workspace, code: str) -> float:
    return timed([str(space.python), *BARE, "-c", code], cwd=space.place).wall


def _memory_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024 / 1e6


def _failed(found: str) -> Refused:
    return Refused(Problem(path="kpi serve", found=found, next="start it by hand: python -m kpi serve --config FILE"))
