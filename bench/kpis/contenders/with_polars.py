"""polars: one lazy query, streamed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from bench.kpis.totals import AMOUNTS, DAY, LOAN, Totals


def memory(columns: Mapping[str, Any]) -> Callable[[], Totals]:
    """A data frame, and its date, which is one for all rows."""
    frame = pl.DataFrame({name: values for name, values in columns.items() if name != DAY})
    wanted = _wanted(loans=LOAN in columns)
    return lambda: _totals(frame.select(wanted), columns[DAY])


def csv(path: Path, *, loans: bool) -> Totals:
    """From a file, only what is needed."""
    return _totals(_collected(pl.scan_csv(path), loans=loans))


def parquet(path: Path, *, loans: bool) -> Totals:
    """From a file, only what is needed."""
    return _totals(_collected(pl.scan_parquet(path), loans=loans))


def _wanted(*, loans: bool) -> list[Any]:
    sums = [pl.col(name).sum().alias(f"{name}.sum") for name in AMOUNTS]
    nulls = [pl.col(name).null_count().alias(f"{name}.nulls") for name in AMOUNTS]
    return [pl.len().alias("rows"), *sums, *nulls, *([pl.col(LOAN).n_unique().alias("loans")] if loans else [])]


def _collected(lazy: Any, *, loans: bool) -> Any:
    return lazy.select([*_wanted(loans=loans), pl.col(DAY).max().alias("as_of")]).collect(engine="streaming")


def _totals(frame: Any, as_of: str = "") -> Totals:
    row = frame.row(0, named=True)
    nulls = {name: row[f"{name}.nulls"] for name in AMOUNTS}
    repeated = row["rows"] - row["loans"] if "loans" in row else None
    sums = {name: row[f"{name}.sum"] for name in AMOUNTS}
    return Totals.of(row["rows"], as_of or str(row["as_of"])[:10], nulls, sums, repeated)
