"""Amounts, nulls, sums, dates and the record of a result."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from kpi.amounts import parse_column
from kpi.engine import Evaluation
from kpi.findings import RefusedTapeError
from kpi.reading import read_tape
from kpi.results import Status
from kpi.tapes.plain import is_iso_day

Rows = Callable[..., Evaluation]


def test_plain_amounts_are_numbers() -> None:
    column, faults = parse_column(["1", "2.5", "1e3"])
    assert column.tolist() == [1.0, 2.5, 1000.0]
    assert faults == []


def test_null_is_counted_and_adds_nothing(of_rows: Rows) -> None:
    column, faults = parse_column(["1", "", "NaN", "3"])
    assert np.isnan(column).tolist() == [False, True, True, False]
    assert faults == []
    collected = of_rows(*({"cash_available_usd": cell} for cell in (1, "", "NaN", 3))).headline["CollectionRate"]
    assert (collected.numerator, collected.nulls["cash_available_usd"]) == (4.0, 2)


@pytest.mark.parametrize("cell", ["junk", "$1,000", "1_000", "1,5", "--1", "0x10"])
def test_what_is_no_amount_is_a_fault_and_not_zero(cell: str) -> None:
    _, faults = parse_column(["1", cell])
    assert faults == [(1, "unparsable_amount", cell)]


def test_negative_and_infinite_amounts_are_faults() -> None:
    _, faults = parse_column(["-1", "inf", "2"])
    assert [(at, reason) for at, reason, _ in faults] == [(0, "negative_amount"), (1, "infinite_amount")]


def test_sums_are_exactly_rounded_in_any_order(of_rows: Rows) -> None:
    def collected(amounts: list[float]) -> float | None:
        rows = ({"cash_available_usd": amount, "total_eligible_usd": 1e18} for amount in amounts)
        return of_rows(*rows).headline["CollectionRate"].numerator

    amounts = [1e16, 1.0, 1e-3, 3.0, 1e16, 7.0] * 50
    assert collected(amounts) == collected(amounts[::-1]) == collected(amounts[7:] + amounts[:7]) == math.fsum(amounts)
    assert collected([0.1] * 10) == 1.0


def test_only_days_that_exist_are_dates() -> None:
    assert is_iso_day("2024-02-29")
    assert not any(is_iso_day(day) for day in ("2025-02-31", "20251226", "2025-W01-1", "26.12.2025", ""))


def test_a_result_carries_its_context(of_rows: Rows) -> None:
    result = of_rows({}, {"dpd_0_7_usd": ""}).headline["PAR30"]
    assert (result.value, result.display, result.unit) == (17.5, "17.50 %", "%")
    assert (result.numerator, result.denominator, result.row_count) == (350.0, 2000.0, 2)
    assert (result.status, result.reason, result.as_of) == (Status.OK, "", "2025-12-26")
    assert "dpd_90_plus" in result.formula


def test_nulls_are_reported_by_column(of_rows: Rows) -> None:
    result = of_rows({}, {"dpd_30_60_usd": ""}).headline["PAR30"]
    assert result.nulls == {"dpd_30_60_usd": 1, "dpd_60_90_usd": 0, "dpd_90_plus_usd": 0, "total_receivable_usd": 0}
    assert result.value == 12.5


def test_a_result_as_json_keeps_value_and_display_apart(of_rows: Rows) -> None:
    document = of_rows({"dpd_90_plus_usd": 1.0 / 3.0}).headline["PAR90"].as_json()
    assert document["value"] == 100.0 * (1.0 / 3.0) / 1000.0
    assert document["display"] == "0.03 %"


def test_several_dates_are_kept_apart_and_the_latest_leads(of_rows: Rows) -> None:
    evaluation = of_rows({"measurement_date": "2025-12-27", "dpd_90_plus_usd": 50.0}, {})
    assert {date: of["PAR90"].value for date, of in evaluation.by_date.items()} == {
        "2025-12-26": 2.5,
        "2025-12-27": 5.0,
    }
    assert (evaluation.as_of, evaluation.headline["PAR90"].value) == ("2025-12-27", 5.0)


def test_a_tape_that_is_no_csv_is_refused(make_tape: Callable[..., bytes]) -> None:
    for content in (make_tape({})[:-5] + b"\x00", "measurement_date\n\xe4".encode("latin-1")):
        with pytest.raises(RefusedTapeError) as refused:
            read_tape(content)
        assert [finding.code for finding in refused.value.findings] == ["unreadable"]
