"""The KPIs once more, apart from the engine: rows read by the standard library, sums by math.fsum, no line in common."""

import csv
import gzip
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PAR30 = ("dpd_30_60_usd", "dpd_60_90_usd", "dpd_90_plus_usd")
CASH, RECEIVABLE, ELIGIBLE = "cash_available_usd", "total_receivable_usd", "total_eligible_usd"
SIGNS = (("currency", ""), ("thousands", ""), ("decimal", "."))
NULLS = {"", "nan", "null", "na", "none"}
MOST_BYTES = 64 * 1024 * 1024  # unpacked; some 5 s
# Most cells: read without asking how numbers are written here.
IS_PLAIN = re.compile(r"\d+(\.\d+)?", re.ASCII).fullmatch
Row = Mapping[str, Any]
Amounts = dict[str, float]
Signs = Sequence[tuple[str, str]]  # what is in an amount, and what to read instead


class NotRecomputedError(Exception):
    """The tape cannot be recomputed here: too large, or Parquet without pyarrow."""


@dataclass(frozen=True)
class Recomputed:
    """What the tape gives: the KPIs of its latest date, that date, how many rows it has, and how many of them count."""

    kpis: dict[str, float]
    as_of: str
    rows_read: int
    rows_used: int


def recompute(path: Path, rules: Mapping[str, Any]) -> Recomputed:
    """Read an accepted tape by the config's declared input rules; ValueError when it has no KPIs at all."""
    signs = [(rules[name], instead) for name, instead in SIGNS if rules.get(name)]
    count = 0
    used: list[tuple[str, Amounts]] = []
    for row in _rows(path, rules):
        count += 1
        amounts = _usable(row, signs)
        if amounts is not None:
            used.append((str(row["measurement_date"]).strip()[:10], amounts))
    if not used:
        raise ValueError("no usable row")
    latest = max(day for day, _ in used)
    counted = [amounts for day, amounts in used if day == latest]

    def total(*names: str) -> float:
        return math.fsum(amounts[name] for name in names for amounts in counted if name in amounts)

    receivable, eligible = total(RECEIVABLE), total(ELIGIBLE)
    if not receivable or not eligible:
        raise ValueError("a denominator is zero")
    par30 = 100.0 * total(*PAR30) / receivable
    collection = 100.0 * total(CASH) / eligible
    kpis = {
        "PAR30": par30,
        "PAR90": 100.0 * total(PAR30[-1]) / receivable,
        "CollectionRate": collection,
        "PortfolioHealth": min(10.0, max(0.0, 10.0 - par30 / 10.0) * collection / 10.0),
    }
    return Recomputed(kpis, latest, count, len(used))


def _rows(path: Path, rules: Mapping[str, Any]) -> Iterator[Row]:
    with path.open("rb") as tape:
        magic = tape.read(4)
    if path.stat().st_size > MOST_BYTES:
        raise NotRecomputedError(f"larger than {MOST_BYTES >> 20} MB")
    if magic == b"PAR1":
        yield from _parquet_rows(path)
        return
    with gzip.open(path) if magic[:2] == b"\x1f\x8b" else path.open("rb") as tape:
        content = tape.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise NotRecomputedError(f"larger than {MOST_BYTES >> 20} MB, unpacked")
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    reader = csv.reader(text, delimiter=rules.get("separator", ","), strict=True)
    names = [name.strip() for name in next(reader)]
    for cells in reader:
        if cells:
            yield dict(zip(names, cells, strict=False)) if len(cells) == len(names) else {}


def _parquet_rows(path: Path) -> Iterator[Row]:
    if find_spec("pyarrow") is None:
        raise NotRecomputedError("Parquet, and this release has no pyarrow")
    from pyarrow import parquet

    table = parquet.read_table(path)
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    for cells in zip(*columns.values(), strict=True):
        yield dict(zip(columns, cells, strict=True))


def _usable(row: Row, signs: Signs) -> Amounts | None:
    """The amounts of a row that are not null; None for a row that the service quarantines: ragged, unreadable, negative, without a date."""
    day = str(row.get("measurement_date", "")).strip()
    if not _is_day(day if isinstance(row.get("measurement_date"), str) else day[:10]):
        return None
    read = ((name, _amount(cell, signs)) for name, cell in row.items() if name.endswith("_usd"))
    amounts = {name: value for name, value in read if value is not None}
    return amounts if all(map(math.isfinite, amounts.values())) and min(amounts.values(), default=0.0) >= 0 else None


@cache
def _is_day(text: str) -> bool:
    try:
        return len(text) == 10 and date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _amount(cell: Any, signs: Signs) -> float | None:
    """A cell as a number, NaN where it is none, None where it is null."""
    if not isinstance(cell, str):
        return None if cell is None or math.isnan(cell) else float(cell)
    if not signs and IS_PLAIN(cell):
        return float(cell)
    text = cell.strip()
    if text.lower() in NULLS:
        return None
    for sign, instead in signs:
        text = text.replace(sign, instead)
    try:
        return math.nan if "_" in text or not text.isascii() else float(text.strip())
    except ValueError:
        return math.nan
