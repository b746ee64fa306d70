"""What the release's own tests share: tapes from recipes, and a config for a temporary root."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kpi.config import PipelineConfig
from kpi.engine import Evaluation, evaluate
from kpi.probes import EXAMPLE
from kpi.recipes import as_csv, draw

AMOUNTS = {
    "total_receivable_usd": 1000.0,
    "total_eligible_usd": 800.0,
    "discounted_balance_usd": 1000.0,
    "cash_available_usd": 80.0,
    "dpd_0_7_usd": 0.0,
    "dpd_7_30_usd": 0.0,
    "dpd_30_60_usd": 100.0,
    "dpd_60_90_usd": 50.0,
    "dpd_90_plus_usd": 25.0,
}


def tape_bytes(*changes: dict[str, object]) -> bytes:
    """A CSV tape, a row for each set of changes to a sound row; `...` as a value leaves that column out."""
    rows = [{"measurement_date": "2025-12-26", **AMOUNTS, **change} for change in changes]
    names = [name for name in rows[0] if rows[0][name] is not ...] if rows else ["measurement_date", *AMOUNTS]
    lines = [",".join(names), *(",".join(str(row[name]) for name in names) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


@pytest.fixture
def of_rows() -> Callable[..., Evaluation]:
    """The evaluation of a tape with these rows."""
    return lambda *changes: evaluate(tape_bytes(*changes))


@pytest.fixture
def of_recipe() -> Callable[[str], Evaluation]:
    """The evaluation of a recipe's tape, read from its CSV."""
    return lambda name: evaluate(as_csv(draw(name)), name=name)


@pytest.fixture
def make_tape() -> Callable[..., bytes]:
    """The bytes of a tape with these rows."""
    return tape_bytes


@pytest.fixture
def make_config(tmp_path: Path) -> Callable[..., PipelineConfig]:
    """The example config on a temporary root, with changes to its top level."""

    def make(**changes: object) -> PipelineConfig:
        document = json.loads(EXAMPLE.read_text(encoding="utf-8"))
        document["paths"] = {"root": str(tmp_path)}
        return PipelineConfig.parse(json.dumps(document | changes), "test")

    return make
