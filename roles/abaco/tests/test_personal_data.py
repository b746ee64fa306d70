"""Personal data in tapes: found by whole words, masked by the key or refused by name, and never shown."""

import pytest

from kpi.columns import OPTIONAL, REQUIRED
from kpi.personal import Privacy, judge_columns, publishing, shown, why_name

KEY = b"a key of this test alone, 32 byt"


@pytest.mark.parametrize("name", [*REQUIRED, *OPTIONAL, "rating", "iteration", "operating_status", "duration"])
def test_a_harmless_column_is_not_hit(name: str) -> None:
    assert why_name(name) == ""


@pytest.mark.parametrize("name", ["nombre", "correo_electronico", "Teléfono", "RFC", "birthDate", "account_number"])
def test_a_personal_column_is_refused_by_name_where_there_is_no_key(name: str) -> None:
    findings = judge_columns("tape", ["loan_id", name])
    assert [finding.code for finding in findings] == ["personal_data"]
    assert name in findings[0].found


def test_with_a_key_it_is_masked() -> None:
    with publishing(Privacy("mask", KEY)):
        assert judge_columns("tape", ["loan_id", "nombre"]) == []
        assert shown("Ana Ruiz") == shown(" Ana Ruiz ") != shown("Eva Ruiz")
        assert "Ana" not in shown("Ana Ruiz")
        assert shown("-1.5") == "-1.5"


def test_without_a_key_no_value_is_shown() -> None:
    assert "ana" not in shown("ana@example.org")
