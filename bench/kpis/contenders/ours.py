"""Our own KPIs: exact sums, every check and all context included."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet  # noqa: F401 - what the other contenders have imported by now, too

from bench.kpis.totals import AMOUNTS, Totals
from kpi.aggregate import AGES
from kpi.columns import BUCKETS
from kpi.engine import evaluate
from kpi.reading import read_tape


def memory(columns: Mapping[str, Any]) -> Callable[[], Totals]:
    """A mapping of arrays."""
    return lambda: _totals(columns, loans="loan_id" in columns)


def csv(path: Path, *, loans: bool) -> Totals:
    """From a file."""
    return _totals(path, loans=loans)


def parquet(path: Path, *, loans: bool) -> Totals:
    """From a file."""
    return _totals(path, loans=loans)


def _totals(source: Any, *, loans: bool) -> Totals:
    tape = read_tape(source)
    evaluation = evaluate(tape.apply_policy("fail"))
    if evaluation.findings or evaluation.as_of is None:
        raise ValueError(f"the bench's tapes are sound: {evaluation.findings}")
    aggregate = tape.aggregates[evaluation.as_of]
    ageing = evaluation.ageing[evaluation.as_of]
    names = dict(zip(AGES, ("current", *BUCKETS), strict=False))
    return Totals(
        aggregate.rows,
        evaluation.as_of,
        dict(zip(AMOUNTS, aggregate.nulls, strict=True)),
        {name: aggregate.total(name) for name in AMOUNTS},
        {name: result.value for name, result in evaluation.headline.items() if result.value is not None},
        {names[age]: row["balance"] for age, row in ageing.items() if age in names},
        tape.loans.repeated if loans else None,
    )
