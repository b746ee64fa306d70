"""The record of one KPI: its value with everything needed to judge it, or a named state instead of a number."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """Whether there is a value, and if not, why."""

    OK = "ok"
    NO_DATA = "no_data"  # nothing to compute from: no rows, or a column that is null throughout
    UNDEFINED = "undefined"  # the formula has no answer: zero denominator
    INVALID = "invalid"  # the input or the answer cannot be right: missing column, out of range


@dataclass(frozen=True)
class KpiResult:
    """One KPI on one date. `value` is unrounded and present exactly when `status` is ok; `cause` names the state."""

    name: str
    unit: str
    direction: str
    valid_range: tuple[float, float]
    formula: str
    as_of: str | None
    row_count: int
    nulls: dict[str, int]
    status: Status
    cause: str
    reason: str
    value: float | None = None
    numerator: float | None = None
    denominator: float | None = None
    unclamped: float | None = None  # scores only: the clamp hides drift
    inputs: dict[str, float | None] = field(default_factory=dict)
    portfolio_state: str = "unknown"  # normal | warn | critical: for the owners of the data, not for a deployment
    business_thresholds: dict[str, float] = field(default_factory=dict)

    @property
    def display(self) -> str:
        """The value as shown to people: two decimals and the unit, or the state."""
        if self.value is None:
            return str(self.status)
        return f"{self.value:.2f} %" if self.unit == "%" else f"{self.value:.2f}"

    def as_json(self) -> dict[str, Any]:
        """All of it, as written to outputs."""
        return {**vars(self), "valid_range": list(self.valid_range), "display": self.display}
