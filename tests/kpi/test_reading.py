"""What a tape may look like, and how each other one is refused: by name, with row and column where there is one."""

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from kpi.engine import evaluate
from kpi.findings import Finding, RefusedTapeError, UsageError
from kpi.reading import read_tape
from kpi.synthetic import as_csv, draw
from kpi.tapes import duplicates
from kpi.tapes.loans import LoanIds
from kpi.tapes.rules import InputRules
from kpi.verdict import Verdict

SOUND = as_csv(draw("A", 5))
HEADER, *BODY = SOUND.decode().splitlines()
AGGREGATES = read_tape(SOUND).aggregates


def _refusal(content: bytes, rules: InputRules | None = None) -> list[Finding]:
    with pytest.raises(RefusedTapeError) as error:
        read_tape(content, rules=rules or InputRules())
    return list(error.value.findings)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + SOUND,
        SOUND.replace(b"\n", b"\r\n"),
        SOUND.replace(b"\n", b"\r"),
        SOUND.rstrip(b"\n"),
        SOUND + b"\n\n\r\n",
        b"\n" + SOUND,
        SOUND.replace(b"2025-12-26", b'"2025-12-26"').replace(b"L1", b'"L""1,\n"'),
        gzip.compress(SOUND),
        gzip.compress(SOUND[:100]) + gzip.compress(SOUND[100:]),
    ],
    ids=["bom", "crlf", "cr", "no last line end", "blank lines after", "before", "quotes", "gzip", "gzip in two"],
)
def test_how_lines_end_and_fields_are_quoted_changes_nothing(content: bytes) -> None:
    assert read_tape(content).aggregates == AGGREGATES


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (b"", ["empty_tape"]),
        (b"\xef\xbb\xbf", ["empty_tape"]),
        (HEADER.encode(), ["empty_tape"]),
        (SOUND.replace(b",", b";"), ["wrong_separator"]),
        (SOUND.replace(b"dpd_0_7_usd", b"dpd_7_30_usd"), ["missing_columns", "duplicate_columns"]),
        (SOUND.replace(b"loan_id", b"dpd_90_plus_usd"), ["duplicate_columns"]),
        (SOUND.replace(b"loan_id", b"DPD_120_plus"), ["schema_drift"]),
        (SOUND.decode().encode("utf-16"), ["unreadable"]),
        (SOUND[:-9] + b"\x00" + SOUND[-9:], ["unreadable"]),
        (SOUND.replace(b"L3", b"L\xe9"), ["unreadable"]),
        (SOUND.replace(b"L3", b'L"3"'), ["unreadable"]),
        (SOUND.replace(b"L3", b'"L"3"'), ["truncated"]),
        (SOUND.replace(b"L3", b'"L3"x'), ["unreadable"]),
        (SOUND.replace(b"L3", b'"L3'), ["truncated"]),
        (b'"' + SOUND, ["truncated"]),
        (SOUND[: SOUND.rindex(b",")], ["truncated"]),
        (gzip.compress(SOUND)[:-20], ["truncated"]),
        (gzip.compress(SOUND)[:50] + b"junk" + gzip.compress(SOUND)[54:], ["unreadable"]),
        (b"PAR1" + SOUND, ["unreadable"]),
    ],
)
def test_other_tapes_are_refused_by_name(content: bytes, codes: list[str]) -> None:
    assert [finding.code for finding in _refusal(content)] == codes


def test_a_refusal_says_where(tmp_path: Path) -> None:
    assert "offset 300" in _refusal(SOUND[:300] + b"\x00" + SOUND[300:])[0].found
    assert "byte 300" in _refusal(SOUND[:300] + b"\xff" + SOUND[300:])[0].found
    assert "UTF-16" in _refusal(SOUND.decode().encode("utf-16"))[0].found
    assert "';'" in _refusal(SOUND.replace(b",", b";"))[0].next
    with pytest.raises(UsageError):
        read_tape(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("old", "new", "column", "reason"),
    [
        ("2025-12-26", "2025-02-31", "measurement_date", "bad_date"),
        ("2025-12-26", "", "measurement_date", "bad_date"),
        ("2025-12-26", "20251226", "measurement_date", "bad_date"),
        (",0.0,", ",-0.01,", "dpd_0_7_usd", "negative_amount"),
        (",0.0,", ",Infinity,", "dpd_0_7_usd", "infinite_amount"),
        (",0.0,", ",1e999,", "dpd_0_7_usd", "infinite_amount"),
        (",0.0,", ",1_000,", "dpd_0_7_usd", "unparsable_amount"),
        (",0.0,", ",-nan,", "dpd_0_7_usd", "unparsable_amount"),
        (",0.0,", ",", "(row)", "field_count"),
    ],
)
def test_a_bad_row_is_quarantined_with_its_reason(old: str, new: str, column: str, reason: str) -> None:
    body = [*BODY[:2], BODY[2].replace(old, new, 1), *BODY[3:]]
    tape = read_tape("\n".join([HEADER, *body, ""]).encode())
    assert [(row.row, row.column, row.reason) for row in tape.quarantine.first] == [(3, column, reason)]
    assert (tape.rows_read, tape.rows_used) == (5, 4)
    with pytest.raises(RefusedTapeError) as error:
        tape.apply_policy("fail")
    assert f"row 3, {column}" in error.value.findings[0].found
    assert tape.apply_policy("continue").rows_used == 4


@pytest.mark.parametrize(
    ("cell", "rule"),
    [
        ('"1,234.56"', "input.thousands ','"),
        ("$5", "input.currency '$'"),
        ('"1.234,56"', "input.thousands '.' with input.decimal ','"),
        ('"12,5"', "input.decimal ','"),
    ],
)
def test_an_amount_by_other_rules_is_quarantined_and_the_rule_is_named(cell: str, rule: str) -> None:
    content = SOUND.decode().replace(",0.0,", f",{cell},", 1).encode()
    finding = read_tape(content).quarantine.finding("tape", 5)
    assert "row 1, dpd_0_7_usd: unparsable_amount" in finding.found
    assert f"{rule} would accept it" in finding.found


@pytest.mark.parametrize(
    ("rules", "write"),
    [
        (InputRules(separator=";", decimal=","), lambda text: text.replace(",", ";").replace(".", ",")),
        (InputRules(separator="\t"), lambda text: text.replace(",", "\t")),
        (InputRules(thousands=","), lambda text: text.replace(",0.0,", ',"0,000.0",')),
        (InputRules(currency="$"), lambda text: text.replace(",0.0,", ",$0.00,")),
    ],
)
def test_declared_rules_read_what_they_declare(rules: InputRules, write: object) -> None:
    assert callable(write)
    assert read_tape(write(SOUND.decode()).encode(), rules=rules).aggregates == AGGREGATES


def test_a_tape_of_bad_rows_only_is_refused_under_any_policy() -> None:
    body = [row.replace("2025-12-26", "soon") for row in BODY]
    with pytest.raises(RefusedTapeError):
        read_tape("\n".join([HEADER, *body, ""]).encode()).apply_policy("continue")


def test_quarantined_rows_are_counted_and_only_the_first_are_listed() -> None:
    content = as_csv(draw("A", 500)).replace(b",0.0,0.0,", b",-1,0.0,")
    quarantine = read_tape(content).quarantine
    assert quarantine.reasons == {"negative_amount": 500}
    assert [row.row for row in quarantine.first] == list(range(1, 21))
    assert quarantine.finding("tape", 500).found.endswith("and 480 more")


def test_a_line_without_end_is_refused_early(tmp_path: Path) -> None:
    path = tmp_path / "line.csv"
    path.write_bytes(SOUND + b"x" * (3 << 20))
    with pytest.raises(RefusedTapeError) as error:
        read_tape(path)
    assert [finding.code for finding in error.value.findings] == ["line_too_long"]


def test_a_gzip_bomb_is_refused_by_ratio_and_by_size() -> None:
    bomb = gzip.compress(SOUND + b"\n" * (8 << 20))
    assert [(one.code, "input.expansion_ratio" in one.found) for one in _refusal(bomb)] == [("gzip_bomb", True)]
    small = _refusal(gzip.compress(SOUND), InputRules(expanded_bytes=500))
    assert [(one.code, "input.expanded_bytes" in one.found) for one in small] == [("gzip_bomb", True)]


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "growing.csv"
    path.write_text("\n".join([HEADER, *BODY * 20_000, ""]))

    def grow() -> None:
        with path.open("ab") as out:
            out.write(BODY[0].encode() + b"\n")

    with pytest.raises(RefusedTapeError) as error:
        read_tape(path, alive=grow)
    assert [finding.code for finding in error.value.findings] == ["content_changed"]


def test_columns_in_memory_go_by_the_same_rules() -> None:
    drawn = draw("A", 5)
    dated = pd.DataFrame(drawn).assign(measurement_date=pd.Timestamp("2025-12-26"))
    assert read_tape(dated).aggregates == AGGREGATES
    frame = pd.DataFrame(drawn).assign(measurement_date="2025-12-26")
    assert read_tape(frame).aggregates == AGGREGATES
    assert read_tape({"measurement_date": "2025-12-26", **drawn}).aggregates == AGGREGATES
    frame.loc[2, "cash_available_usd"] = -1.0
    assert [(row.row, row.reason) for row in read_tape(frame).quarantine.first] == [(3, "negative_amount")]
    with pytest.raises(RefusedTapeError):
        read_tape({"measurement_date": "2025-12-26", **drawn, "cash_available_usd": np.ones(4)})
    with pytest.raises(RefusedTapeError):
        read_tape({"measurement_date": "2025-12-26", **{name: np.empty(0) for name in drawn}})


def test_parquet_gives_the_digits_of_csv(tmp_path: Path) -> None:
    drawn = draw("B", 5000)
    days = ["2025-12-26"] * 2500 + ["2025-12-27"] * 2500
    table = pa.table({"measurement_date": days, "loan_id": [f"L{n}" for n in range(5000)], **drawn})
    path = tmp_path / "tape.parquet"
    parquet.write_table(table, path, row_group_size=700)
    csv = as_csv(drawn).decode().splitlines()
    csv[2501:] = [line.replace("2025-12-26", "2025-12-27") for line in csv[2501:]]
    of_csv = read_tape("\n".join([*csv, ""]).encode())
    of_parquet = read_tape(path)
    assert (of_parquet.aggregates, of_parquet.loans) == (of_csv.aggregates, of_csv.loans)
    text = pa.table({name: [str(cell) for cell in table[name].to_pylist()] for name in table.column_names})
    buffer = io.BytesIO()
    parquet.write_table(text, buffer)
    assert read_tape(buffer.getvalue()).aggregates == of_csv.aggregates


def test_bad_rows_of_parquet_are_quarantined_and_no_parquet_is_refused() -> None:
    drawn = draw("A", 5)
    drawn["cash_available_usd"][1] = np.inf
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"measurement_date": ["2025-12-26"] * 4 + ["x"], **drawn}), buffer)
    seen = read_tape(buffer.getvalue()).quarantine.first
    assert [(row.row, row.reason) for row in seen] == [(2, "infinite_amount"), (5, "bad_date")]
    assert [finding.code for finding in _refusal(buffer.getvalue()[:-30])] == ["unreadable"]
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"measurement_date": ["2025-12-26"], "x": [1]}), buffer)
    assert [finding.code for finding in _refusal(buffer.getvalue())] == ["missing_columns"]


# Loans that stand in a tape twice on one date: found and named, in memory and when the keys are spilled.

LOANS = as_csv(draw("A", 2000)).decode()


def _repeating(text: str, *ids: str, day: str = "2025-12-26") -> bytes:
    line = text.splitlines()[1]
    return (text + "".join(line.replace("L0,2025-12-26", f"{one},{day}") + "\n" for one in ids)).encode()


@pytest.mark.parametrize("held", [1 << 20, 100])
def test_a_loan_twice_on_one_date_fails_with_its_rows(
    held: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(duplicates, "HELD_KEYS", held)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    evaluation = evaluate(_repeating(LOANS, "L7", "L1999", "L7"))
    assert evaluation.verdict is Verdict.FAIL
    assert [finding.code for finding in evaluation.findings] == ["duplicated_loans"]
    found = evaluation.findings[0].found
    assert found.startswith("3 rows repeat a loan")
    assert "L7" not in found
    assert "on 2025-12-26 in rows 8, 2001, 2003" in found
    assert "on 2025-12-26 in rows 2000, 2002" in found
    assert list(tmp_path.iterdir()) == []


def test_other_dates_and_rows_without_id_are_no_duplicates() -> None:
    tape = read_tape(_repeating(_repeating(LOANS, "L7", day="2025-12-27").decode(), "", ""))
    assert tape.findings == ()
    assert tape.loans.as_json() == {"checked": 2001, "without_id": 2, "repeated": 0}


def test_a_suspicion_that_is_wrong_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    def colliding(self: LoanIds, days: "np.ndarray[tuple[int], np.dtype[np.int32]]") -> object:
        return np.zeros(len(days), dtype=np.uint64), np.diff(self.starts) > 0

    monkeypatch.setattr(LoanIds, "keys", colliding)
    tape = read_tape(LOANS.encode())
    assert (tape.findings, tape.loans.repeated) == ((), 0)
