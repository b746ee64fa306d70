"""Synthetic tapes by recipe (A, B: sound books; C: one that must be refused), the same digits for the same seed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kpi.columns import AMOUNTS, BUCKETS, DATE_COLUMN, RECEIVABLE
from kpi.sums import Column

Draws = dict[str, Column]
MEASURED_ON = "2025-12-26"


@dataclass(frozen=True)
class Recipe:
    """How many rows, how they are drawn, and the KPIs that must come out for seed 42 (to six digits; none: refused)."""

    rows: int
    draw: Callable[[np.random.RandomState, int], Draws]
    known: dict[str, str]


def _draw_a(dice: np.random.RandomState, n: int) -> Draws:
    return {
        "dpd_30_60_usd": dice.uniform(0, 20_000, n),
        "dpd_60_90_usd": dice.uniform(0, 10_000, n),
        "dpd_90_plus_usd": dice.uniform(0, 5_000, n),
        RECEIVABLE: dice.uniform(1e5, 1.5e6, n),
        "cash_available_usd": dice.uniform(1e3, 1.5e5, n),
        "total_eligible_usd": dice.uniform(5e4, 1.2e6, n),
    }


def _draw_b(dice: np.random.RandomState, n: int) -> Draws:
    receivable = dice.lognormal(9, 2, n)
    shares = {
        bucket: dice.uniform(0, top, n) for bucket, top in zip(BUCKETS, (0.03, 0.03, 0.08, 0.05, 0.10), strict=True)
    }
    drawn = {RECEIVABLE: receivable, **{bucket: receivable * share for bucket, share in shares.items()}}
    return {**drawn, "cash_available_usd": dice.uniform(0, 50_000, n), "total_eligible_usd": receivable * 0.95}


def _draw_c(dice: np.random.RandomState, n: int) -> Draws:
    drawn = {RECEIVABLE: dice.lognormal(9, 2, n)}
    drawn |= {bucket: dice.uniform(0, top, n) for bucket, top in zip(BUCKETS, (1e4, 1e4, 5e4, 5e4, 1e5), strict=True)}
    return {**drawn, "cash_available_usd": dice.uniform(0, 5e4, n), "total_eligible_usd": dice.lognormal(9, 2, n)}


RECIPES = {
    "A": Recipe(1000, _draw_a, {"PAR30": "2.210652", "PAR90": "0.319383", "CollectionRate": "11.973300"}),
    "B": Recipe(500, _draw_b, {"PAR30": "11.582404", "PAR90": "6.081477", "CollectionRate": "29.111097"}),
    "C": Recipe(100, _draw_c, {}),
}


def draw(recipe: str, rows: int | None = None, seed: int = 42) -> Draws:
    """The amounts of a recipe; what it does not draw is filled in: buckets 0, discounted balance = receivable."""
    chosen = RECIPES[recipe]
    count = chosen.rows if rows is None else rows
    drawn = chosen.draw(np.random.RandomState(seed), count)
    filled = {bucket: np.zeros(count) for bucket in BUCKETS} | {"discounted_balance_usd": drawn[RECEIVABLE]} | drawn
    return {name: filled[name] for name in AMOUNTS}


def as_csv(drawn: Draws, loan_prefix: str = "L", measured_on: str = MEASURED_ON) -> bytes:
    """A tape as CSV; every amount with all its digits, so that nothing is lost on the way."""
    lines = [",".join(["loan_id", DATE_COLUMN, *drawn])]
    for number, amounts in enumerate(zip(*(column.tolist() for column in drawn.values()), strict=True)):
        lines.append(",".join([f"{loan_prefix}{number}", measured_on, *map(repr, amounts)]))
    return ("\n".join(lines) + "\n").encode()
