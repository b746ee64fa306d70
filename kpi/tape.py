"""A loan tape in memory: clean columns, their dates, and the rows that were put aside with their reasons."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kpi.findings import Finding, RefusedTapeError
from kpi.rows import Rows
from kpi.sums import Column

LISTED_ROWS = 20


@dataclass(frozen=True)
class QuarantinedRow:
    """One row that was put aside: its number (the first data row is 1), the column, the reason, what stood there."""

    row: int
    column: str
    reason: str
    found: str

    def __str__(self) -> str:
        return f"row {self.row}, {self.column}: {self.reason} ({self.found!r})"


@dataclass(frozen=True)
class Tape:
    """What one file said. `columns` and `dates` hold the rows that are left; `quarantined` every row put aside."""

    source: str
    columns: dict[str, Column]
    dates: NDArray[np.str_]
    rows_read: int
    quarantined: tuple[QuarantinedRow, ...] = ()
    extra: tuple[str, ...] = ()

    @property
    def rows_used(self) -> int:
        """Rows that take part in the KPIs."""
        return len(self.dates)

    @cached_property
    def quarantined_by_reason(self) -> dict[str, int]:
        """How many rows were put aside, by reason."""
        return dict(sorted(Counter(row.reason for row in self.quarantined).items()))

    def by_date(self) -> Iterator[Rows]:
        """The rows of each measurement date, oldest first; no rows give one empty group, whose states are reported."""
        distinct = np.unique(self.dates)
        if len(distinct) <= 1:
            yield Rows(self.columns, self.rows_used, str(distinct[0]) if len(distinct) else None)
            return
        for date in distinct:
            chosen = self.dates == date
            columns = {name: column[chosen] for name, column in self.columns.items()}
            yield Rows(columns, int(np.count_nonzero(chosen)), str(date))

    def apply_policy(self, policy: str) -> "Tape":
        """The tape itself if it may be computed: `fail` refuses any quarantined row, `continue` if none is left."""
        if self.quarantined and (policy == "fail" or self.rows_used == 0):
            raise RefusedTapeError(self._quarantine_finding())
        return self

    def _quarantine_finding(self) -> Finding:
        kinds = ", ".join(f"{count} x {reason}" for reason, count in self.quarantined_by_reason.items())
        listed = "; ".join(str(row) for row in self.quarantined[:LISTED_ROWS])
        left_out = len(self.quarantined) - LISTED_ROWS
        found = f"{len(self.quarantined)} of {self.rows_read} rows quarantined ({kinds}): {listed}"
        if left_out > 0:
            found += f"; and {left_out} more"
        return Finding("quarantined_rows", self.source, found, "have these rows corrected and redelivered")
