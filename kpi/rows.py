"""Rows of one measurement date, as a formula sees them: how many, their nulls, their exactly rounded sums."""

from collections.abc import Iterable
from dataclasses import dataclass

from kpi.columns import AMOUNTS
from kpi.tally import Tally


@dataclass(frozen=True)
class Rows:
    """A tally and the measurement date it is of, ISO; no date when there are no rows."""

    tally: Tally
    as_of: str | None

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.tally.rows

    def nulls_of(self, columns: Iterable[str]) -> dict[str, int]:
        """The null counts of these columns."""
        return {name: self.tally.nulls[AMOUNTS.index(name)] for name in columns}
