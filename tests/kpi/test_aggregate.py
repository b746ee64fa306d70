"""The ageing table, and the excess of buckets."""

import numpy as np

from kpi.columns import AMOUNTS
from kpi.engine import evaluate
from kpi.reading import read_tape
from kpi.sums import Column
from kpi.tapes.batch import BLOCK_ROWS


def _rows(*changes: dict[str, float]) -> dict[str, object]:
    columns: dict[str, Column] = {
        name: np.array([change.get(name, 100.0 if name == "total_receivable_usd" else 0.0) for change in changes])
        for name in AMOUNTS
    }
    return {"measurement_date": "2025-12-26", **columns}


def test_each_row_counts_in_its_worst_bucket() -> None:
    tape = _rows(
        {},
        {"dpd_0_7_usd": 10.0},
        {"dpd_0_7_usd": 10.0, "dpd_30_60_usd": 1.0},
        {"dpd_90_plus_usd": 100.0},
        {"dpd_60_90_usd": np.nan, "dpd_7_30_usd": 5.0},
        {"total_receivable_usd": np.nan, "dpd_7_30_usd": 5.0},
    )
    ageing = evaluate(tape).ageing["2025-12-26"]
    assert {age: (entry["rows"], entry["balance"]) for age, entry in ageing.items()} == {
        "current": (1, 279.0), "0-7": (1, 20.0), "7-30": (0, 10.0), "30-60": (1, 1.0), "60-90": (0, 0.0), "90+": (1, 100.0),
        "unknown": (2, 90.0),
    }  # fmt: skip


def test_the_first_row_with_too_large_buckets_is_named_wherever_it_is() -> None:
    changes: list[dict[str, float]] = [{} for _ in range(BLOCK_ROWS + 50)]
    changes[BLOCK_ROWS + 10] = changes[BLOCK_ROWS + 20] = {"dpd_0_7_usd": 101.0}
    tape = read_tape(_rows(*changes))
    excess = tape.aggregates["2025-12-26"].excess
    assert excess is not None
    assert (excess.count, excess.row, excess.buckets, excess.receivable) == (2, BLOCK_ROWS + 11, 101.0, 100.0)
    assert (
        f"2 of {BLOCK_ROWS + 50} rows of 2025-12-26, first in row {BLOCK_ROWS + 11}" in evaluate(tape).findings[0].found
    )


def test_buckets_are_not_compared_with_a_receivable_that_is_null() -> None:
    tape = read_tape(_rows({"total_receivable_usd": np.nan, "dpd_0_7_usd": 1.0}, {}))
    assert tape.aggregates["2025-12-26"].excess is None
