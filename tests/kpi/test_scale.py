"""A Dask cluster of real processes computes what the embedded engine does, to the last digit; also when a worker is killed."""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from kpi import scale
from kpi.cli import main
from kpi.engine import evaluate
from kpi.findings import RefusedTapeError, UsageError
from kpi.reading import STRICT, combine, read_tape
from kpi.synthetic import as_csv, draw
from kpi.tapes.pieces import split
from tests.checkout import ROOT
from tests.kpi.conftest import free_port, wait_for
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.process

distributed: Any = pytest.importorskip("distributed", reason="pip install '.[scale]'")

PIECE_BYTES = 40_000


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Starts a process of Dask's; all are killed at the end."""
    scratch = tmp_path_factory.mktemp("dask")
    with ExitStack() as stack:

        def run(kind: str, *words: str) -> subprocess.Popen[bytes]:
            common = ["--host", "127.0.0.1", "--no-dashboard"]
            log = stack.enter_context((scratch / f"{kind}.log").open("ab"))
            command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *words, *common]
            variables = {**os.environ, "PYTHONPATH": str(ROOT)}
            process = subprocess.Popen(command, cwd=scratch, env=variables, stdout=subprocess.DEVNULL, stderr=log)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield run
    # What Dask left behind is reported here: reporting it while pytest parses another module confuses Python 3.11's parser.
    gc.collect()


@pytest.fixture(scope="module")
def scheduler(start: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    scheduler_file = tmp_path_factory.mktemp("scheduler") / "scheduler.json"
    start("scheduler", "--port", "0", "--scheduler-file", str(scheduler_file))
    return str(wait_for(lambda: _address(scheduler_file)))


def _address(scheduler_file: Path) -> str:
    """Empty until the scheduler has written all of it."""
    try:
        return str(json.loads(scheduler_file.read_text())["address"])
    except (FileNotFoundError, json.JSONDecodeError):
        return ""


@contextmanager
def connected(address: str, workers: int) -> Iterator[Any]:
    with distributed.Client(address, set_as_default=False, timeout=PATIENCE_S) as client:
        client.wait_for_workers(workers, timeout=PATIENCE_S)
        yield client


@pytest.fixture(scope="module")
def workers(start: Callable[..., Any], scheduler: str) -> list[subprocess.Popen[bytes]]:
    started = [start("worker", scheduler, "--nthreads", "1", "--no-nanny") for _ in range(2)]
    with connected(scheduler, 2):
        return started


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Three dates, nulls, rows that must be quarantined, loans that stand twice far from each other."""
    rows = 4000
    drawn = {name: [repr(value) for value in column.tolist()] for name, column in draw("B", rows).items()}
    for at in range(0, rows, 97):
        drawn["discounted_balance_usd"][at] = ""
    for at in range(50, rows, 701):
        drawn["total_receivable_usd"][at] = "-1"
    loans = [f"L{at % 3990}" for at in range(rows)]
    days = [f"2025-12-{24 + at % 3}" for at in range(rows)]
    lines = [",".join(["loan_id", "measurement_date", *drawn])]
    lines += [",".join(cells) for cells in zip(loans, days, *drawn.values(), strict=True)]
    path = tmp_path / "tape.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.usefixtures("workers")
def test_the_same_digits_dates_nulls_quarantine_and_duplicates(scheduler: str, tape: Path) -> None:
    alone = evaluate(tape, "continue")
    assert (len(split(tape, piece_bytes=PIECE_BYTES)) > 10, len(alone.by_date)) == (True, 3)
    assert "duplicated_loans" in {finding.code for finding in alone.findings}
    assert scale.evaluate_on(tape, scheduler, "continue", piece_bytes=PIECE_BYTES) == alone
    with connected(scheduler, 2) as client:
        assert scale.read_tape_on(client, tape, piece_bytes=PIECE_BYTES) == read_tape(tape)


@pytest.mark.usefixtures("workers")
def test_what_cannot_be_cut_is_read_by_one_worker(scheduler: str, tape: Path) -> None:
    tape.write_text(tape.read_text().replace("L3000,", '"L3000",'))  # a quote far behind the first pieces
    assert scale.evaluate_on(tape, scheduler, "continue", piece_bytes=PIECE_BYTES) == evaluate(tape, "continue")


@pytest.mark.usefixtures("workers")
def test_a_refusal_comes_back_whole(scheduler: str, tape: Path) -> None:
    with tape.open("ab") as more:
        more.write(b"\x00\x00,\n")
    with pytest.raises(RefusedTapeError) as alone:
        evaluate(tape, "continue")
    with pytest.raises(RefusedTapeError) as refused:
        scale.evaluate_on(tape, scheduler, "continue", piece_bytes=PIECE_BYTES)
    assert refused.value.findings == alone.value.findings


@pytest.mark.usefixtures("workers")
def test_a_worker_with_other_code_or_another_tape_counts_nothing(scheduler: str, tape: Path) -> None:
    seen, pieces = scale.TapeMark.of(tape), split(tape, piece_bytes=PIECE_BYTES)
    with connected(scheduler, 2) as client:
        other = scale.TapeMark(tape, seen.size, seen.changed_ns, "another release")
        with pytest.raises(scale.ClusterError) as error:
            list(scale.parts_on(client, other, pieces))
        assert error.value.findings[0].code == "other_code"
        older = scale.TapeMark(tape, seen.size, seen.changed_ns - 1, seen.code)
        with pytest.raises(RefusedTapeError) as changed:
            list(scale.parts_on(client, older, pieces))
        assert changed.value.findings[0].code == "content_changed"


@pytest.mark.usefixtures("workers")
def test_the_command(scheduler: str, tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape.write_bytes(as_csv(draw("B", 3000)))
    assert main(["compute", str(tape), "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert main(["compute", str(tape), "--json", "--cluster", scheduler]) == 0
    assert json.loads(capsys.readouterr().out) == alone


def test_no_scheduler_and_no_dask_are_said(tape: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "CONNECT_SECONDS", 0.5)
    with pytest.raises(UsageError) as error:
        scale.evaluate_on(tape, f"tcp://127.0.0.1:{free_port()}")
    assert error.value.findings[0].code == "no_cluster"
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError) as error:
        scale.evaluate_on(tape, "tcp://127.0.0.1:1")
    assert error.value.findings[0].code == "no_dask"


def test_workers_killed_in_the_middle(
    scheduler: str, workers: list[subprocess.Popen[bytes]], tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One dies: its pieces are counted again, and the digits stand. All die: it is said, and there is no number."""
    monkeypatch.setattr(scale, "PATIENCE_SECONDS", 1.0)
    pieces = split(tape, piece_bytes=PIECE_BYTES)
    with connected(scheduler, 2) as client:
        parts = scale.parts_on(client, scale.TapeMark.of(tape), pieces)
        first = [next(parts), next(parts)]
        workers[0].kill()
        assert combine(tape, tape.name, [*first, *parts], STRICT) == read_tape(tape)
        parts = scale.parts_on(client, scale.TapeMark.of(tape), pieces)
        next(parts)
        workers[1].kill()
        with pytest.raises(scale.ClusterError) as error:
            list(parts)
        assert "no worker" in error.value.findings[0].found
