"""Each KPI: its digits, its named states, its range."""

from collections.abc import Callable

import pytest

from kpi.engine import Evaluation
from kpi.formulas import REGISTRY
from kpi.results import Status

Rows = Callable[..., Evaluation]
TWO = (
    {"dpd_30_60_usd": 100, "dpd_60_90_usd": 50, "dpd_90_plus_usd": 25, "total_receivable_usd": 1000},
    {"dpd_30_60_usd": 200, "dpd_60_90_usd": 100, "dpd_90_plus_usd": 50, "total_receivable_usd": 2000},
)


def test_par30_of_two_rows(of_rows: Rows) -> None:
    result = of_rows(*TWO).headline["PAR30"]
    assert (result.value, result.row_count) == (17.5, 2)


def test_par90_of_two_rows(of_rows: Rows) -> None:
    assert of_rows(*TWO).headline["PAR90"].value == 2.5


def test_collection_rate_of_two_rows(of_rows: Rows) -> None:
    rate = of_rows({}, {"cash_available_usd": 40.0, "total_eligible_usd": 400.0}).headline["CollectionRate"]
    assert (rate.value, rate.numerator, rate.denominator) == (10.0, 120.0, 1200.0)


def test_portfolio_health_uses_unrounded_inputs(of_rows: Rows) -> None:
    health = of_rows({"cash_available_usd": 10.0 / 3.0}).headline["PortfolioHealth"]
    collection = 100.0 * (10.0 / 3.0) / 800.0
    assert health.inputs == {"PAR30": 17.5, "CollectionRate": collection}
    assert health.value == health.unclamped == (10.0 - 1.75) * collection / 10.0


def test_portfolio_health_shows_what_the_clamp_hides(of_rows: Rows) -> None:
    health = of_rows({"cash_available_usd": 400.0}).headline["PortfolioHealth"]
    assert (health.value, health.unclamped) == (10.0, 41.25)


def test_a_book_that_is_all_at_risk_has_no_health_left(of_rows: Rows) -> None:
    health = of_rows({"dpd_30_60_usd": 0, "dpd_60_90_usd": 0, "dpd_90_plus_usd": 1000}).headline["PortfolioHealth"]
    assert (health.inputs["PAR30"], health.value, health.unclamped) == (100.0, 0.0, 0.0)


def test_a_zero_denominator_is_undefined_and_no_number(of_rows: Rows) -> None:
    headline = of_rows({"total_eligible_usd": 0.0}).headline
    assert (headline["CollectionRate"].status, headline["CollectionRate"].value) == (Status.UNDEFINED, None)
    assert (headline["PortfolioHealth"].status, headline["PortfolioHealth"].value) == (Status.UNDEFINED, None)
    assert headline["PAR30"].value == 17.5


def test_a_column_of_nulls_is_no_data(of_rows: Rows) -> None:
    result = of_rows({"cash_available_usd": ""}, {"cash_available_usd": ""}).headline["CollectionRate"]
    assert (result.status, result.value, result.cause) == (Status.NO_DATA, None, "all_null")


def test_a_value_outside_its_range_is_invalid(of_rows: Rows) -> None:
    evaluation = of_rows({"cash_available_usd": 801.0})
    assert evaluation.headline["CollectionRate"].status is Status.INVALID
    assert evaluation.headline["CollectionRate"].value is None
    assert [finding.code for finding in evaluation.findings] == ["out_of_range"]


def test_zero_risk_is_a_number_of_its_own(of_rows: Rows) -> None:
    nothing_due = {"dpd_30_60_usd": 0, "dpd_60_90_usd": 0, "dpd_90_plus_usd": 0}
    result = of_rows(nothing_due).headline["PAR30"]
    assert (result.status, result.value) == (Status.OK, 0.0)


@pytest.mark.parametrize(
    ("name", "value", "state"),
    [
        ("PAR30", 5.0, "normal"),
        ("PAR30", 5.1, "warn"),
        ("PAR30", 8.0, "warn"),
        ("PAR30", 8.1, "critical"),
        ("PAR90", 3.1, "warn"),
        ("PAR90", 5.1, "critical"),
        ("CollectionRate", 1.5, "normal"),
        ("CollectionRate", 1.4, "warn"),
        ("CollectionRate", 0.9, "critical"),
        ("PAR90", 3.0, "normal"),
        ("PAR90", 5.0, "warn"),
        ("CollectionRate", 1.0, "warn"),
        ("PortfolioHealth", 5.0, "normal"),
        ("PortfolioHealth", 4.9, "warn"),
        ("PortfolioHealth", 3.0, "warn"),
        ("PortfolioHealth", 2.9, "critical"),
    ],
)
def test_business_thresholds_name_the_portfolios_state(name: str, value: float, state: str) -> None:
    assert REGISTRY[name].state_of(value) == state


def test_the_four_kpis_are_declared_in_their_order() -> None:
    assert list(REGISTRY) == ["PAR30", "PAR90", "CollectionRate", "PortfolioHealth"]
    assert [kpi.valid_range for kpi in REGISTRY.values()] == [(0.0, 100.0)] * 3 + [(0.0, 10.0)]
