"""Makes the tapes and what they must come to (in .venv-bench): `python -m bench.kpis.tapes KIND PLACE SIZE`.

Amounts are dollars with cents, one row in a thousand lacks one; sums are math.fsum's, so they are the exactly rounded ones.
"""

import json
import math
import sys
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from bench.kpis.totals import AMOUNTS, BUCKETS, CASH, DAY, ELIGIBLE, LOAN, RECEIVABLE, Totals
from kpi.synthetic import MEASURED_ON, as_csv, draw

NULLS_IN, EVERY = "discounted_balance_usd", 1000
BLOCK_ROWS = 200_000
DIGITS = 10
TAPE_ROWS = 1000


def files(place: Path, rows: int) -> None:
    """The same tape as CSV and Parquet, without loans and with them."""
    columns: dict[str, Any] = dict(_cents(rows))
    holes = np.arange(rows) % EVERY == EVERY // 2
    expected = _expected({**columns, NULLS_IN: columns[NULLS_IN][~holes]}, rows, {NULLS_IN: int(holes.sum())})
    columns[NULLS_IN] = pa.array(columns[NULLS_IN], mask=holes)
    bare = pa.table({DAY: pa.repeat(MEASURED_ON, rows), **columns})
    loans = pa.array([f"L{number:0{DIGITS}}" for number in range(rows)])
    for name, table in {"bare": bare, "loans": bare.add_column(0, LOAN, loans)}.items():
        csv.write_csv(table, place / f"{name}.csv", csv.WriteOptions(quoting_style="none", quoting_header="none"))
        parquet.write_table(table, place / f"{name}.parquet")
        repeated = 0 if name == "loans" else None
        (place / f"{name}.json").write_text(json.dumps({**expected.as_json(), "repeated": repeated}))


def memory(place: Path, rows: int) -> None:
    """A matrix of amounts, row by row of it a column, without nulls."""
    columns = _cents(rows)
    np.save(place / f"memory-{rows}.npy", np.array([columns[name] for name in AMOUNTS]))
    (place / f"memory-{rows}.json").write_text(json.dumps(_expected(columns, rows, {}).as_json()))


def tapes(place: Path, count: int) -> None:
    """Small tapes, each another content."""
    for seed in range(count):
        (place / f"tape-{seed:04}.csv").write_bytes(as_csv(draw("AB"[seed % 2], TAPE_ROWS, seed)))


def large(place: Path, size: int) -> None:
    """One CSV of at least so many bytes: a block of rows again and again, its loans renumbered each time."""
    header, _, body = as_csv(_cents(BLOCK_ROWS), f"L{'0' * DIGITS}-").partition(b"\n")
    lines = np.frombuffer(body, dtype=np.uint8).copy()
    starts = np.concatenate([[0], np.flatnonzero(lines == ord("\n"))[:-1] + 1])
    with (place / "large.csv").open("wb") as out:
        written, repeat = out.write(header + b"\n"), 0
        while written < size:
            for at, digit in enumerate(f"{repeat:0{DIGITS}}".encode()):
                lines[starts + 1 + at] = digit
            written += out.write(lines.tobytes())
            repeat += 1
    (place / "large.rows").write_text(str(repeat * BLOCK_ROWS))


def _cents(rows: int) -> dict[str, Any]:
    return {name: np.round(values, 2) for name, values in draw("B", rows).items()}


def _expected(columns: Mapping[str, Any], rows: int, nulls: Mapping[str, int]) -> Totals:
    """By math.fsum; each number is rounded once, after all additions."""
    sums = {name: _exact(values) for name, values in columns.items()}
    par30 = 100 * _exact(*(columns[name] for name in BUCKETS[2:])) / sums[RECEIVABLE]
    rate = 100 * sums[CASH] / sums[ELIGIBLE]
    kpis = {
        "PAR30": par30,
        "PAR90": 100 * sums[BUCKETS[-1]] / sums[RECEIVABLE],
        "CollectionRate": rate,
        "PortfolioHealth": min(10.0, max(0.0, 10 - par30 / 10) * rate / 10),
    }
    current = _exact(columns[RECEIVABLE], *(-columns[name] for name in BUCKETS))
    ageing = {"current": current, **{name: sums[name] for name in BUCKETS}}
    return Totals(rows, MEASURED_ON, {name: nulls.get(name, 0) for name in AMOUNTS}, sums, kpis, ageing, None)


def _exact(*columns: Any) -> float:
    pieces = (column[begin : begin + BLOCK_ROWS] for column in columns for begin in range(0, len(column), BLOCK_ROWS))
    return math.fsum(chain.from_iterable(piece.tolist() for piece in pieces))


if __name__ == "__main__":
    {"files": files, "memory": memory, "tapes": tapes, "large": large}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
