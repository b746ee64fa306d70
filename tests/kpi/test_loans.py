"""Loans that stand in a tape twice on one date are found and named, in memory and when the keys are spilled."""

from pathlib import Path

import numpy as np
import pytest

from kpi.engine import evaluate
from kpi.reading import read_tape
from kpi.synthetic import as_csv, draw
from kpi.tapes import duplicates
from kpi.tapes.loans import LoanIds
from kpi.verdict import Verdict

SOUND = as_csv(draw("A", 2000)).decode()


def _with(text: str, *ids: str, day: str = "2025-12-26") -> bytes:
    line = text.splitlines()[1]
    return (text + "".join(line.replace("L0,2025-12-26", f"{one},{day}") + "\n" for one in ids)).encode()


@pytest.mark.parametrize("held", [1 << 20, 100])
def test_a_loan_twice_on_one_date_fails_with_its_rows(
    held: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(duplicates, "HELD_KEYS", held)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    evaluation = evaluate(_with(SOUND, "L7", "L1999", "L7"))
    assert evaluation.verdict is Verdict.FAIL
    assert [finding.code for finding in evaluation.findings] == ["duplicated_loans"]
    found = evaluation.findings[0].found
    assert found.startswith("3 rows repeat a loan")
    assert "L7" not in found
    assert "on 2025-12-26 in rows 8, 2001, 2003" in found
    assert "on 2025-12-26 in rows 2000, 2002" in found
    assert list(tmp_path.iterdir()) == []


def test_other_dates_and_rows_without_id_are_no_duplicates() -> None:
    tape = read_tape(_with(_with(SOUND, "L7", day="2025-12-27").decode(), "", ""))
    assert tape.findings == ()
    assert tape.loans.as_json() == {"checked": 2001, "without_id": 2, "repeated": 0}


def test_a_suspicion_that_is_wrong_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    def colliding(self: LoanIds, days: "np.ndarray[tuple[int], np.dtype[np.int32]]") -> object:
        return np.zeros(len(days), dtype=np.uint64), np.diff(self.starts) > 0

    monkeypatch.setattr(LoanIds, "keys", colliding)
    tape = read_tape(SOUND.encode())
    assert (tape.findings, tape.loans.repeated) == ((), 0)
