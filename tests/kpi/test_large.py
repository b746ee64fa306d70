"""Large tapes: in constant memory as a process of their own measures it, in pieces, and by either reader the same."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from kpi.reading import combine, read_tape
from kpi.synthetic import as_csv, draw
from kpi.tapes import arrow
from kpi.tapes.pieces import UnsplittableError, split, tally_piece
from tests.checkout import ROOT

MEGABYTES = 90
# VmHWM and not ru_maxrss: that one counts what the parent had when it forked.
MEASURE = """
import sys
from pathlib import Path
from kpi.reading import read_tape
peak = lambda: int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024
read_tape(Path(sys.argv[1]))
before = peak()
tape = read_tape(Path(sys.argv[2]))
print(before, peak(), tape.rows_read)
"""


def _large(path: Path, megabytes: float) -> Path:
    """A tape of about that size: one drawn body with ever new loan ids."""
    header, _, body = as_csv(draw("B", 5000)).partition(b"\n")
    with path.open("wb") as out:
        written, number = out.write(header + b"\n"), 0
        while written < megabytes * 1e6:
            written += out.write(body.replace(b"L", f"K{number}-".encode()))
            number += 1
    return path


@pytest.mark.process
def test_memory_does_not_grow_with_the_tape(tmp_path: Path) -> None:
    small, large = _large(tmp_path / "small.csv", 8), _large(tmp_path / "large.csv", MEGABYTES)
    command = [sys.executable, "-c", MEASURE, str(small), str(large)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    before, after, rows = map(int, said)
    assert rows > 300_000
    assert after < 200
    assert after - before < MEGABYTES / 2


def test_both_readers_and_any_pieces_come_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _large(tmp_path / "tape.csv", 3)
    tape = read_tape(path)
    pieces = split(path, piece_bytes=200_000)
    assert len(pieces) > 10
    assert combine(path, path.name, map(tally_piece, pieces)) == tape
    monkeypatch.setattr(arrow, "is_available", lambda: False)
    assert read_tape(path) == tape


def test_pieces_of_parquet_are_its_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "tape.parquet"
    drawn = draw("B", 1000)
    table = pa.table({"measurement_date": ["2025-12-26"] * 1000, "loan_id": ["L1"] * 1000, **drawn})
    parquet.write_table(table, path, row_group_size=300)
    pieces = split(path)
    assert len(pieces) == 4
    tape = combine(path, path.name, map(tally_piece, pieces))
    assert tape == read_tape(path)
    assert tape.loans.repeated == 999


def test_a_tape_with_quotes_or_packed_is_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "tape.csv"
    path.write_bytes(as_csv(draw("A", 100)).replace(b"L50", b'"L\n50"'))
    with pytest.raises(UnsplittableError):
        [tally_piece(piece) for piece in split(path, piece_bytes=1000)]
    assert read_tape(path).rows_read == 100
    path.write_bytes(b"\x1f\x8b" + path.read_bytes())
    with pytest.raises(UnsplittableError):
        split(path)
