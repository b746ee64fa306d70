"""duckdb: one query."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from bench.kpis.totals import AMOUNTS, DAY, LOAN, Totals

DATABASE = duckdb.connect()


def memory(columns: Mapping[str, Any]) -> Callable[[], Totals]:
    """A table of its own, and its date, which is one for all rows."""
    given = pa.table({name: values for name, values in columns.items() if name != DAY})
    DATABASE.register("given", given)
    DATABASE.execute("CREATE TABLE tape AS SELECT * FROM given")
    query = f"SELECT {_wanted(loans=LOAN in columns)} FROM tape"  # noqa: S608 - our own names
    return lambda: _totals(query, columns[DAY])


def csv(path: Path, *, loans: bool) -> Totals:
    """From a file, only what is needed."""
    return _totals(f"SELECT {_wanted(loans=loans)}, max({DAY}) AS as_of FROM read_csv('{path}')")  # noqa: S608 - as above, and our own file


def parquet(path: Path, *, loans: bool) -> Totals:
    """From a file, only what is needed."""
    return _totals(f"SELECT {_wanted(loans=loans)}, max({DAY}) AS as_of FROM read_parquet('{path}')")  # noqa: S608 - as above, and our own file


def _wanted(*, loans: bool) -> str:
    each = [f'sum({name}) AS "{name}.sum", count({name}) AS "{name}.known"' for name in AMOUNTS]
    return ", ".join(["count(*) AS rows", *each, *([f"count(DISTINCT {LOAN}) AS loans"] if loans else [])])


def _totals(query: str, as_of: str = "") -> Totals:
    answer = DATABASE.execute(query)
    row: dict[str, Any] = dict(zip([one[0] for one in answer.description], answer.fetchone() or (), strict=True))
    nulls = {name: row["rows"] - row[f"{name}.known"] for name in AMOUNTS}
    repeated = row["rows"] - row["loans"] if "loans" in row else None
    sums = {name: row[f"{name}.sum"] for name in AMOUNTS}
    return Totals.of(row["rows"], as_of or str(row["as_of"])[:10], nulls, sums, repeated)
