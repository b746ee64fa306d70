"""The KPIs once more, apart from the engine: rows read by the standard library, sums by math.fsum, no line in common."""

import csv
import gzip
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PAR30 = ("dpd_30_60_usd", "dpd_60_90_usd", "dpd_90_plus_usd")
CASH, RECEIVABLE, ELIGIBLE = "cash_available_usd", "total_receivable_usd", "total_eligible_usd"
NULLS = {"", "nan", "null", "na", "none"}
MOST_BYTES = 64 * 1024 * 1024  # unpacked; some 5 s
Row = Mapping[str, Any]


class NotRecomputedError(Exception):
    """The tape cannot be recomputed here: too large, or Parquet without pyarrow."""


@dataclass(frozen=True)
class Recomputed:
    """What the tape gives: the KPIs of its latest date, that date, how many rows it has, and how many of them count."""

    kpis: dict[str, float]
    as_of: str
    rows_read: int
    rows_used: int


@dataclass
class _Amounts:
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, amounts: Mapping[str, float | None]) -> None:
        for name, value in amounts.items():
            if value is not None:
                self.values.setdefault(name, []).append(value)

    def total(self, *names: str) -> float:
        return math.fsum(value for name in names for value in self.values.get(name, ()))


def recompute(path: Path, rules: Mapping[str, Any]) -> Recomputed:
    """Read an accepted tape by the config's declared input rules; ValueError when it has no KPIs at all."""
    dates: dict[str, _Amounts] = {}
    count = used = 0
    for row in _rows(path, rules):
        count += 1
        amounts = _usable(row, rules)
        if amounts is not None:
            used += 1
            dates.setdefault(str(row["measurement_date"]).strip()[:10], _Amounts()).add(amounts)
    if not dates:
        raise ValueError("no usable row")
    latest = dates[max(dates)]
    receivable, eligible = latest.total(RECEIVABLE), latest.total(ELIGIBLE)
    if not receivable or not eligible:
        raise ValueError("a denominator is zero")
    par30 = 100.0 * latest.total(*PAR30) / receivable
    collection = 100.0 * latest.total(CASH) / eligible
    kpis = {
        "PAR30": par30,
        "PAR90": 100.0 * latest.total(PAR30[-1]) / receivable,
        "CollectionRate": collection,
        "PortfolioHealth": min(10.0, max(0.0, 10.0 - par30 / 10.0) * collection / 10.0),
    }
    return Recomputed(kpis, max(dates), count, used)


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


def _usable(row: Row, rules: Mapping[str, Any]) -> dict[str, float | None] | None:
    """The amounts of a row; None for one that the service puts aside: ragged, unreadable, negative, without a date."""
    day = str(row.get("measurement_date", "")).strip()
    if not _is_day(day if isinstance(row.get("measurement_date"), str) else day[:10]):
        return None
    amounts = {name: _amount(cell, rules) for name, cell in row.items() if name.endswith("_usd")}
    known: Iterable[float] = (value for value in amounts.values() if value is not None)
    return amounts if all(math.isfinite(value) and value >= 0 for value in known) else None


def _is_day(text: str) -> bool:
    try:
        return len(text) == 10 and date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _amount(cell: Any, rules: Mapping[str, Any]) -> float | None:
    """A cell as a number, NaN where it is none, None where it is null."""
    if not isinstance(cell, str):
        return None if cell is None or math.isnan(cell) else float(cell)
    text = cell.strip()
    if text.lower() in NULLS:
        return None
    for sign, instead in ((rules.get("currency"), ""), (rules.get("thousands"), ""), (rules.get("decimal"), ".")):
        text = text.replace(sign, instead) if sign else text
    try:
        return math.nan if "_" in text or not text.isascii() else float(text.strip())
    except ValueError:
        return math.nan
