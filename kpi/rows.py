"""Rows of one measurement date, as columns: what a formula is evaluated on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from kpi.sums import Column, null_count


@dataclass(frozen=True)
class Rows:
    """Columns of equal length; NaN is null. `as_of` is the measurement date, ISO."""

    columns: Mapping[str, Column]
    count: int
    as_of: str | None

    @cached_property
    def nulls(self) -> dict[str, int]:
        """How many nulls each column has."""
        return {name: null_count(column) for name, column in self.columns.items()}

    def nulls_of(self, columns: Iterable[str]) -> dict[str, int]:
        """The null counts of these columns, as far as they exist."""
        return {name: self.nulls[name] for name in columns if name in self.nulls}
