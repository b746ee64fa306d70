"""The arithmetic of the bench's KPI half: a wrong total that is believed, or an aim that is met on paper only."""

import pytest

from bench.kpis import aims
from bench.kpis.jobs import OURS, PLAIN, READ, jobs
from bench.kpis.large import Large
from bench.kpis.measure import JobResult, rows
from bench.kpis.service import ServiceFigures
from bench.kpis.totals import AMOUNTS, Totals, differences

SERVICE = ServiceFigures(
    ready=0.2, import_pandas=0.4, empty=0.01, tape=0.015, tape_most=0.03, tapes=60, flush=0.001, memory_mb=45.0
)
GROWN = (Large(1.0, 10, 5.0, 150.0), Large(10.0, 100, 50.0, 160.0))


def totals(**changes: float) -> Totals:
    sums = {**dict.fromkeys(AMOUNTS, 1.0), "total_receivable_usd": 100.0, "total_eligible_usd": 50.0, **changes}
    return Totals.of(3, "2025-12-26", dict.fromkeys(AMOUNTS, 0), sums, 0)


def measured(seconds: dict[str, float], at: int = 0) -> JobResult:
    return JobResult(jobs(1000, 10_000_000)[at], rows({name: [(value, 50.0)] for name, value in seconds.items()}))


def test_kpis_by_hand() -> None:
    assert totals().kpis == {"PAR30": 3.0, "PAR90": 1.0, "CollectionRate": 2.0, "PortfolioHealth": pytest.approx(1.94)}
    assert totals().ageing["current"] == 95.0


def test_a_peer_is_believed_to_nine_digits_and_we_to_the_last() -> None:
    expected, near = totals().as_json(), totals(cash_available_usd=1.0 + 1e-12).as_json()
    assert differences(expected, near, exact=False) == []
    assert [name.split(":")[0] for name in differences(expected, near, exact=True)] == [
        "sums.cash_available_usd",
        "kpis.CollectionRate",
        "kpis.PortfolioHealth",
    ]
    assert differences(expected, totals(cash_available_usd=1.0 + 1e-8).as_json(), exact=False)
    assert differences(expected, {**expected, "rows": 4}, exact=False) == ["rows: 4 instead of 3"]
    assert differences(expected, {**expected, "repeated": None}, exact=False) == ["repeated: None instead of 0"]


def test_ratios_are_to_the_fastest_of_the_three_and_never_to_bare_sums() -> None:
    table = {
        row.contender: row.ratio
        for row in rows(
            {
                OURS: [(3.0, 1.0), (9.0, 1.0), (4.0, 1.0)],
                "with_pandas": [(4.0, 1.0)],
                "with_polars": [(2.0, 1.0)],
                PLAIN: [(0.5, 1.0)],
            }
        )
    }
    assert table == {OURS: 2.0, "with_pandas": 2.0, "with_polars": 1.0, PLAIN: 0.25}


def test_an_aim_is_met_or_not() -> None:
    small = measured({OURS: 0.00031, "with_polars": 0.0001})
    many = measured({OURS: 0.4, "with_polars": 0.1, PLAIN: 0.1}, at=2)
    file = measured({OURS: 1.3, "with_polars": 1.0, READ: 1.4}, at=3)
    found = {aim.what.split(",")[0]: aim for aim in aims.against([small, many, file], GROWN, SERVICE)}
    assert (found["1 000 rows in memory"].met, found["1 000 rows in memory"].measured) == ("**no**", "0.31 ms")
    assert found["10 000 000 rows in memory"].met == "yes"
    assert found["10 000 000 rows in memory"].measured == "25.0 M rows/s; 4.0 x numpy, plain sums alone"
    assert found["CSV"].met == "**no**"
    assert found["CSV"].measured == "1.30 x (0.9 x pyarrow, plain sums alone, which takes 1.40 x)"
    assert found["large CSV"].met == "yes"
    steep = (Large(1.0, 10, 5.0, 90.0), Large(10.0, 100, 50.0, 190.0))
    assert next(aim.met for aim in aims.against([], steep, SERVICE)) == "**no**"  # below 200 MB, and not flat
