"""Quarantined rows: counted by reason, the first of them listed, never all of them kept."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from kpi.amounts import hint
from kpi.findings import Finding
from kpi.personal import shown

LISTED_ROWS = 20
_SHOWN = 80


@dataclass(frozen=True, order=True)
class QuarantinedRow:
    """One quarantined row: its number (the first data row is 1), the column, the reason, what stood there."""

    row: int
    column: str
    reason: str
    found: str

    def __str__(self) -> str:
        text = self.found if self.reason == "field_count" else shown(self.found)  # only the one is ours to say
        found = repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
        rule = hint(self.reason, self.found)
        return f"row {self.row}, {self.column}: {self.reason} ({found}{'; ' + rule if rule else ''})"


@dataclass(frozen=True)
class Quarantine:
    """How many rows were quarantined, by reason, and the first `LISTED_ROWS` of them."""

    reasons: dict[str, int] = field(default_factory=dict)
    first: tuple[QuarantinedRow, ...] = ()

    @classmethod
    def of(cls, rows: Iterable[QuarantinedRow]) -> "Quarantine":
        """All of these rows; of two with one number the first counts."""
        once: dict[int, QuarantinedRow] = {}
        for row in rows:
            once.setdefault(row.row, row)
        reasons: dict[str, int] = {}
        for row in once.values():
            reasons[row.reason] = reasons.get(row.reason, 0) + 1
        return cls(reasons, tuple(sorted(once.values())[:LISTED_ROWS]))

    def __add__(self, other: "Quarantine") -> "Quarantine":
        if not (self.reasons and other.reasons):
            return self if self.reasons else other
        names = sorted({*self.reasons, *other.reasons})
        reasons = {name: self.reasons.get(name, 0) + other.reasons.get(name, 0) for name in names}
        return Quarantine(reasons, tuple(sorted([*self.first, *other.first])[:LISTED_ROWS]))

    def __len__(self) -> int:
        return sum(self.reasons.values())

    def shifted(self, rows: int) -> "Quarantine":
        """The same, that many rows further down the tape."""
        return Quarantine(self.reasons, tuple(replace(one, row=one.row + rows) for one in self.first))

    def finding(self, source: str, rows_read: int) -> Finding:
        """What there is to say of it, with the rows that are listed."""
        kinds = ", ".join(f"{count} x {reason}" for reason, count in sorted(self.reasons.items()))
        found = f"{len(self)} of {rows_read} rows quarantined ({kinds}): {'; '.join(map(str, self.first))}"
        if len(self) > len(self.first):
            found += f"; and {len(self) - len(self.first)} more"
        return Finding("quarantined_rows", source, found, "have these rows corrected and redelivered")
