"""Personal data through the service that really runs: refused by name or masked, and no value of it anywhere."""

import hashlib
import json
import pickle
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from kpi.cli import main
from kpi.columns import AMOUNTS, DATE_COLUMN
from kpi.config import PipelineConfig
from kpi.engine import evaluate
from kpi.findings import RefusedTapeError
from kpi.personal import Privacy, publishing
from kpi.pipeline import Delivery, run_tape
from kpi.reading import combine, read_tape
from kpi.synthetic import as_csv, draw
from kpi.tapes.pieces import split, tally_piece
from kpi.validation import live, validate
from kpi.verdict import Verdict
from tests.kpi.conftest import Running, serving, wait_for, write_config

SECRETS = ("Ana Ruiz Peralta", "ana.ruiz@example.org", "Eva Luna Quiroga")
SECRET = re.compile(r"\b(Ana|Eva|Ruiz|Luna|Peralta|Quiroga|ruiz@example)\b")
SOUND = as_csv(draw("A", 20)).decode().splitlines()


def _with(columns: Mapping[str, str], lines: list[str] = SOUND) -> bytes:
    header, *rows = lines
    table = [",".join([header, *columns]), *(",".join([row, *columns.values()]) for row in rows)]
    return ("\n".join(table) + "\n").encode()


PERSONAL = {"nombre": SECRETS[0], "email": SECRETS[1]}
# Every way in which a cell could get into a text: an amount that is none, a date that is none, a loan that repeats,
# a quote in the wrong place, a quote that never closes, a first line that is no header, a record that is too long.
BAD_CELLS = _with(
    {}, [SOUND[0], SOUND[1].replace("2025-12-26", SECRETS[0]), SOUND[2].rpartition(",")[0] + f",{SECRETS[1]}"]
)
REPEATED = _with({}, [SOUND[0], *(f"{SECRETS[2]},{row.partition(',')[2]}" for row in SOUND[1:3])])
TAPES: dict[str, tuple[bytes, str]] = {
    "1-personal.csv": (_with(PERSONAL), "personal_data"),
    "2-values.csv": (_with({"notes": SECRETS[1]}), "personal_data"),
    "3-cells.csv": (BAD_CELLS, "quarantined_rows"),
    "4-repeated.csv": (REPEATED, "duplicated_loans"),
    "5-quote.csv": (_with({"notes": f'{SECRETS[0]} "x" y'}), "unreadable"),
    "6-open.csv": (_with({}) + f'"{SECRETS[0]}'.encode(), "truncated"),
    "7-headerless.csv": (f"{SECRETS[0]},{SECRETS[1]},5\n{SECRETS[2]},x,6\n".encode(), "missing_columns"),
    "8-long.csv": (_with({}) + SECRETS[0].encode() + b" " * (1 << 20) + b"\n", "line_too_long"),
    "9-harmless.csv": (_with({"rating": "AAA", "iteration_count": "7"}), ""),
}


def _reason(running: Running, name: str, content: bytes) -> dict[str, Any]:
    return _written(running.root / "rejected" / f"{hashlib.sha256(content).hexdigest()}__{name}.reason.json")


def _metrics(running: Running, content: bytes) -> dict[str, Any]:
    return _written(running.root / "metrics" / f"v2_{hashlib.sha256(content).hexdigest()[:16]}.json")


def _written(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(wait_for(lambda: path.exists() and path.read_bytes()))
    return document


@contextmanager
def _told_nowhere(root: Path) -> Iterator[Running]:
    """A service that is given all the tapes; in the end no part of a secret is in what it wrote, answered or said."""
    with serving(root) as running:
        for name, (content, _) in TAPES.items():
            running.drop(name, content)
        yield running
        written = [path for room in ("metrics", "audit") for path in (root / room).rglob("*") if path.is_file()]
        written += (root / "rejected").rglob("*.reason.json")
        assert len(written) > 10
        texts = {str(path): path.read_text(encoding="utf-8") for path in written}
        texts |= {path: live._get(running.config, path)[1] for path in ("/metrics", "/healthz")}
        assert [where for where, text in texts.items() if SECRET.search(text)] == []
        status, said = running.stop()
    assert (status, SECRET.search(said)) == (0, None)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "masking.key"
    path.write_bytes(b"a key of these tests, and no more")
    path.chmod(0o400)
    return path


@pytest.mark.process
def test_under_the_default_it_is_refused_by_name_and_told_nowhere(tmp_path: Path) -> None:
    with _told_nowhere(tmp_path) as running:
        for name, (content, code) in TAPES.items():
            if code:
                assert _reason(running, name, content)["codes"] == [code], name
        assert _metrics(running, TAPES["9-harmless.csv"][0])["status"] == "ok"
        found = _reason(running, "1-personal.csv", TAPES["1-personal.csv"][0])["findings"][0]["found"]
        assert "nombre" in found
        assert "email" in found
        report = validate(running.config)
        assert report.as_json()["checks"]["error_handling"]["values"]["personal"]["codes"] == ["personal_data"]


@pytest.mark.process
def test_with_a_key_it_is_masked_and_told_nowhere(tmp_path: Path, key: Path) -> None:
    write_config(tmp_path, personal={"key_file": str(key)})
    with _told_nowhere(tmp_path) as running:
        record = _metrics(running, TAPES["1-personal.csv"][0])
        assert (record["status"], list(record["tape"]["personal"]["columns"])) == ("ok", ["nombre", "email"])
        assert record["tape"]["personal"]["policy"] == "mask"
        reason = _reason(running, "3-cells.csv", BAD_CELLS)["findings"][0]["found"]
        assert reason.count("masked:") == 2
        assert _reason(running, "8-long.csv", TAPES["8-long.csv"][0])["codes"] == ["line_too_long"]
        report = validate(running.config)
        values = report.as_json()["checks"]["error_handling"]["values"]["personal"]
        assert (values["ended_in"], values["named"], values["leaks"]) == ("done", True, [])
        assert {check.name: check.status for check in report.checks}["error_handling"] is Verdict.PASS


def test_a_fault_of_ours_tells_no_cell(config: PipelineConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        float(SECRETS[0])

    monkeypatch.setattr("kpi.pipeline.evaluate", broken)
    record = run_tape(config, Delivery("1.csv", _with({})), config.paths["metrics"]).record
    assert record["findings"][0]["code"] == "internal_error"
    assert "could not convert string to float: '(hidden: ??? ???? ???????)'" in record["error"]
    assert "in broken" in record["error"]
    assert not SECRET.search(json.dumps(record))


def _frame(column: str, cell: str) -> dict[str, Any]:
    return {DATE_COLUMN: np.full(20, "2025-12-26"), **draw("A", 20), column: np.array([cell] * 20)}


@pytest.mark.parametrize(("column", "cell"), [("nombre", "x"), ("notes", SECRETS[1])])
def test_columns_in_memory_and_parquet_are_judged_likewise(column: str, cell: str, tmp_path: Path) -> None:
    path = tmp_path / "1.parquet"
    parquet.write_table(pa.table(_frame(column, cell)), path)
    for tape in (_frame(column, cell), path):
        with pytest.raises(RefusedTapeError, match=f"look personal: {column}"):
            evaluate(tape)
        with publishing(Privacy("mask", b"k" * 32)):
            assert evaluate(tape).verdict is Verdict.PASS
    assert evaluate(_frame("rating", "AAA")).verdict is Verdict.PASS


def test_pieces_are_counted_by_the_policy_they_were_split_under(tmp_path: Path) -> None:
    path = tmp_path / "1.csv"
    path.write_bytes(_with(PERSONAL))
    with pytest.raises(RefusedTapeError, match="look personal"):
        split(path)
    with publishing(Privacy("mask", b"k" * 32)):
        pieces = pickle.loads(pickle.dumps(split(path, piece_bytes=1000)))  # noqa: S301 - our own
    parts = [tally_piece(piece) for piece in pieces]
    with publishing(Privacy("mask", b"k" * 32)):
        assert len(parts) > 1
        assert combine(path, path.name, parts).aggregates == read_tape(path).aggregates


@pytest.mark.parametrize("command", ["compute", "judge"])
def test_the_command_line_goes_by_the_config_it_is_given(
    command: str, tmp_path: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tape = tmp_path / "1.csv"
    tape.write_bytes(_with(PERSONAL))
    assert main([command, str(tape), "--json"]) == 9
    said = capsys.readouterr()
    assert "personal_data" in said.out
    config = write_config(tmp_path, personal={"key_file": str(key)})
    assert main([command, str(tape), "--json", "--config", str(config)]) == 0
    said_more = capsys.readouterr()
    assert not SECRET.search(said.out + said.err + said_more.out + said_more.err)


def test_quarantined_rows_take_no_part_in_the_duplicate_check() -> None:
    drawn = draw("A", 20)
    drawn["cash_available_usd"][[3, 4]] = -1.0
    loans = np.array(["L0", "L1", "L2", "L0", "L4", "", *(f"L{at}" for at in range(6, 20))])
    lines = [",".join(["loan_id", DATE_COLUMN, *AMOUNTS])]
    rows = zip(loans.tolist(), *(drawn[name].tolist() for name in AMOUNTS), strict=True)
    lines += [",".join([loan, "2025-12-26", *map(repr, amounts)]) for loan, *amounts in rows]
    columns = {"loan_id": loans, DATE_COLUMN: "2025-12-26", **drawn}
    for tape in (read_tape(("\n".join(lines) + "\n").encode()), read_tape(columns)):
        assert tape.quarantine.reasons == {"negative_amount": 2}
        assert tape.loans.as_json() == {"checked": 17, "without_id": 1, "repeated": 0}
        assert tape.findings == ()
