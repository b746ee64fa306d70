"""pyarrow, by hand: its own readers, which this project reads files with, and its plain sums; nothing is checked."""

from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from pyarrow import csv as text
from pyarrow import parquet as columns

from bench.kpis.totals import AMOUNTS, DAY, LOAN, Totals


def csv(path: Path, *, loans: bool) -> Totals:
    """From a file, only what is needed."""
    return _totals(text.read_csv(path, convert_options=text.ConvertOptions(include_columns=_needed(loans=loans))))


def parquet(path: Path, *, loans: bool) -> Totals:
    """From a file, only what is needed."""
    return _totals(columns.read_table(path, columns=_needed(loans=loans)))


def _needed(*, loans: bool) -> list[str]:
    return [DAY, *AMOUNTS, *([LOAN] if loans else [])]


def _totals(table: Any) -> Totals:
    rows = table.num_rows
    nulls = {name: table[name].null_count for name in AMOUNTS}
    sums = {name: pc.sum(table[name]).as_py() for name in AMOUNTS}
    repeated = rows - pc.count_distinct(table[LOAN]).as_py() if LOAN in table.column_names else None
    return Totals.of(rows, str(pc.max(table[DAY]).as_py())[:10], nulls, sums, repeated)
