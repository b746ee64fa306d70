"""The KPIs once more, apart from the engine and with exact fractions, to compare with what the service wrote."""

import csv
import io
from decimal import Decimal, InvalidOperation
from fractions import Fraction

PAR30 = ("dpd_30_60_usd", "dpd_60_90_usd", "dpd_90_plus_usd")


def recompute(content: bytes) -> dict[str, float]:
    """The KPIs of the latest date of a CSV tape that was accepted; ValueError when it cannot be read so."""
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    usable = [row for row in rows if _is_usable(row)]
    if not usable:
        raise ValueError("no usable row")
    latest = max(row["measurement_date"] for row in usable)
    of_day = [row for row in usable if row["measurement_date"] == latest]
    receivable, eligible = _sum(of_day, "total_receivable_usd"), _sum(of_day, "total_eligible_usd")
    if not receivable or not eligible:
        raise ValueError("a denominator is zero")
    par30 = 100 * sum((_sum(of_day, name) for name in PAR30), Fraction()) / receivable
    par90 = 100 * _sum(of_day, PAR30[-1]) / receivable
    collection = 100 * _sum(of_day, "cash_available_usd") / eligible
    health = min(Fraction(10), max(Fraction(0), 10 - par30 / 10) * collection / 10)
    return {
        "PAR30": float(par30),
        "PAR90": float(par90),
        "CollectionRate": float(collection),
        "PortfolioHealth": float(health),
    }


def _sum(rows: list[dict[str, str]], column: str) -> Fraction:
    return sum((Fraction(Decimal(row[column])) for row in rows if _is_number(row[column])), Fraction())


def _is_usable(row: dict[str, str]) -> bool:
    """Rows with a negative or unreadable amount were quarantined by the service, where its config lets it go on."""
    amounts = [cell for name, cell in row.items() if name and name.endswith("_usd")]
    return all(not cell or (_is_number(cell) and Decimal(cell) >= 0) for cell in amounts)


def _is_number(cell: str) -> bool:
    try:
        return bool(cell.strip()) and "_" not in cell and Decimal(cell.strip()).is_finite()
    except InvalidOperation:
        return False
