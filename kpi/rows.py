"""Rows of one measurement date, as a formula sees them: how many, their nulls, their exactly rounded sums."""

from collections.abc import Iterable
from dataclasses import dataclass

from kpi.aggregate import Aggregate
from kpi.columns import AMOUNTS


@dataclass(frozen=True)
class Rows:
    """An aggregate and the measurement date it is of, ISO; no date when there are no rows."""

    aggregate: Aggregate
    as_of: str | None

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.aggregate.rows

    def nulls_of(self, columns: Iterable[str]) -> dict[str, int]:
        """The null counts of these columns."""
        return {name: self.aggregate.nulls[AMOUNTS.index(name)] for name in columns}
