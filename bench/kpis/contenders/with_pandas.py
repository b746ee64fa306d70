"""pandas, by hand: its fastest reader, plain sums."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.csv
import pyarrow.parquet  # noqa: F401 - its readers are pandas' fastest

from bench.kpis.totals import AMOUNTS, DAY, LOAN, Totals

NEEDED = [DAY, *AMOUNTS]


def memory(columns: Mapping[str, Any]) -> Callable[[], Totals]:
    """A data frame, and its date, which is one for all rows."""
    frame = pd.DataFrame({name: values for name, values in columns.items() if name != DAY})
    return lambda: _totals(frame, columns[DAY], loans=LOAN in columns)


def csv(path: Path, *, loans: bool) -> Totals:
    """From a file, only what is needed."""
    frame = pd.read_csv(path, usecols=[*NEEDED, *([LOAN] if loans else [])], engine="pyarrow")
    return _totals(frame, str(frame[DAY].max())[:10], loans=loans)


def parquet(path: Path, *, loans: bool) -> Totals:
    """From a file, only what is needed."""
    frame = pd.read_parquet(path, columns=[*NEEDED, *([LOAN] if loans else [])])
    return _totals(frame, str(frame[DAY].max())[:10], loans=loans)


def _totals(frame: Any, as_of: str, *, loans: bool) -> Totals:
    amounts = frame[list(AMOUNTS)]
    repeated = int(frame[LOAN].duplicated().sum()) if loans else None
    return Totals.of(len(frame), as_of, amounts.isna().sum().to_dict(), amounts.sum().to_dict(), repeated)
