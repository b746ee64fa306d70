"""What one tape said: an aggregate of each measurement date, the quarantined rows, and what its loans came to."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kpi.aggregate import Aggregate
from kpi.columns import AMOUNTS
from kpi.findings import Finding, RefusedTapeError
from kpi.rows import Rows
from kpi.tapes.quarantine import Quarantine


@dataclass(frozen=True)
class LoanFacts:
    """How many rows were compared with each other by loan, how many have no id, how many repeat one on its date."""

    checked: int = 0
    without_id: int = 0
    repeated: int = 0

    def as_json(self) -> dict[str, int]:
        """As it is in records."""
        return {"checked": self.checked, "without_id": self.without_id, "repeated": self.repeated}


@dataclass(frozen=True)
class Tape:
    """One tape, counted. `aggregates` are by measurement date (ISO), oldest first; `findings` are of the tape as a whole."""

    source: str
    rows_read: int
    aggregates: dict[str, Aggregate]
    quarantine: Quarantine = field(default_factory=Quarantine)
    extra: tuple[str, ...] = ()
    loans: LoanFacts = field(default_factory=LoanFacts)
    findings: tuple[Finding, ...] = ()

    @property
    def rows_used(self) -> int:
        """Rows that take part in the KPIs."""
        return sum(aggregate.rows for aggregate in self.aggregates.values())

    @property
    def nulls(self) -> dict[str, int]:
        """How many nulls each amount has, over all dates; those with none left out."""
        counts = zip(*(aggregate.nulls for aggregate in self.aggregates.values()), strict=True)
        totals = {name: sum(of) for name, of in zip(AMOUNTS, counts, strict=False)}
        return {name: count for name, count in totals.items() if count}

    def by_date(self) -> Iterator[Rows]:
        """The rows of each measurement date, oldest first; no rows give one empty group, whose states are reported."""
        if not self.aggregates:
            yield Rows(Aggregate(), None)
        for day, aggregate in self.aggregates.items():
            yield Rows(aggregate, day)

    def apply_policy(self, policy: str) -> "Tape":
        """The tape itself if it may be computed: `fail` refuses any quarantined row, `continue` if none is left."""
        if self.quarantine and (policy == "fail" or self.rows_used == 0):
            raise RefusedTapeError(self.quarantine.finding(self.source, self.rows_read))
        return self

    def summary(self) -> dict[str, Any]:
        """What records say of it."""
        return {
            "rows_read": self.rows_read,
            "rows_used": self.rows_used,
            "dates": list(self.aggregates),
            "nulls": self.nulls,
            "quarantined": dict(sorted(self.quarantine.reasons.items())),
            "loans": self.loans.as_json(),
            "extra_columns": list(self.extra),
        }
