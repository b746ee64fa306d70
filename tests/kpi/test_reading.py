"""What a tape may look like, and how each other one is refused."""

import pytest

from kpi.findings import RefusedTapeError
from kpi.parquet import tape_from_frame
from kpi.reading import parse_csv, parse_tape
from kpi.recipes import as_csv, draw
from kpi.tape import Tape

SOUND = as_csv(draw("A", 5))
HEADER, *BODY = SOUND.decode().splitlines()


def _refusal(content: bytes) -> list[str]:
    with pytest.raises(RefusedTapeError) as error:
        parse_tape("tape", content)
    return [finding.code for finding in error.value.findings]


def _same(tape: Tape, other: Tape) -> bool:
    return all(tape.columns[name].tolist() == other.columns[name].tolist() for name in other.columns)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + SOUND,
        SOUND.replace(b"\n", b"\r\n"),
        SOUND.rstrip(b"\n"),
        SOUND + b"\n\n",
    ],
)
def test_bom_line_ends_and_blank_lines_change_nothing(content: bytes) -> None:
    assert _same(parse_csv("tape", content), parse_csv("tape", SOUND))


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (b"", ["empty_tape"]),
        (HEADER.encode(), ["empty_tape"]),
        (SOUND.replace(b",", b";"), ["missing_columns"]),
        (SOUND.replace(b"dpd_0_7_usd", b"dpd_7_30_usd"), ["missing_columns", "duplicate_columns"]),
        (SOUND.replace(b"loan_id", b"DPD_120_plus"), ["schema_drift"]),
        (SOUND.decode().encode("utf-16"), ["unreadable"]),
        (b'"' + SOUND, ["unreadable"]),
        (b"PAR1" + SOUND, ["unsupported_format"]),
    ],
)
def test_other_tapes_are_refused_by_name(content: bytes, codes: list[str]) -> None:
    assert _refusal(content) == codes


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("2025-12-26", "2025-02-31", "bad_date"),
        ("2025-12-26", "", "bad_date"),
        (",0.0,", ",-0.01,", "negative_amount"),
        (",0.0,", ",Infinity,", "infinite_amount"),
        (",0.0,", ',"1,234.56",', "unparsable_amount"),
        (",0.0,", ",", "field_count"),
    ],
)
def test_a_bad_row_is_put_aside_with_its_reason(old: str, new: str, reason: str) -> None:
    body = [*BODY[:2], BODY[2].replace(old, new, 1), *BODY[3:]]
    tape = parse_csv("tape", "\n".join([HEADER, *body]).encode())
    assert [(row.row, row.reason) for row in tape.quarantined] == [(3, reason)]
    assert (tape.rows_read, tape.rows_used) == (5, 4)
    with pytest.raises(RefusedTapeError) as error:
        tape.apply_policy("fail")
    assert "row 3" in error.value.findings[0].found
    assert tape.apply_policy("continue").rows_used == 4


def test_a_tape_of_bad_rows_only_is_refused_under_any_policy() -> None:
    body = [row.replace("2025-12-26", "soon") for row in BODY]
    with pytest.raises(RefusedTapeError):
        parse_csv("tape", "\n".join([HEADER, *body]).encode()).apply_policy("continue")


def test_a_data_frame_goes_by_the_same_rules() -> None:
    import pandas as pd

    frame = pd.DataFrame(draw("A", 5)).assign(measurement_date=pd.Timestamp("2025-12-26"))
    assert _same(tape_from_frame("frame", frame), parse_csv("tape", SOUND))
    frame.loc[2, "cash_available_usd"] = -1.0
    assert [row.reason for row in tape_from_frame("frame", frame).quarantined] == ["negative_amount"]
