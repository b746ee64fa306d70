"""What a KPI is: name, unit, direction, range, business thresholds, inputs, formula in words, and its evaluation."""

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kpi.results import KpiResult, Status
from kpi.rows import Rows

LOWER_IS_BETTER = "lower is better"
HIGHER_IS_BETTER = "higher is better"


@dataclass(frozen=True)
class Case:
    """An example of a KPI: one row with these amounts (others 0) comes to this value, or to this state."""

    amounts: Mapping[str, float]
    expected: float | Status


@dataclass(frozen=True, kw_only=True)
class Kpi(ABC):
    """One declared KPI. `needs` names the KPIs that must be evaluated before it."""

    name: str
    unit: str
    direction: str
    valid_range: tuple[float, float]
    warn: float
    critical: float
    formula: str
    position: int  # its place in reports
    cases: tuple[Case, ...]  # what it must come to; the registry's own tests, and the self-test at each start
    needs: tuple[str, ...] = ()

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The tape columns it reads."""

    @abstractmethod
    def evaluate(self, rows: Rows, earlier: Mapping[str, KpiResult], /) -> KpiResult:
        """The result on these rows; never raises for what the data can contain."""

    def state_of(self, value: float) -> str:
        """The state of the portfolio by the business thresholds."""
        worse = operator.gt if self.direction == LOWER_IS_BETTER else operator.lt
        if worse(value, self.critical):
            return "critical"
        return "warn" if worse(value, self.warn) else "normal"

    def without_value(self, rows: Rows | None, status: Status, cause: str, reason: str, **more: Any) -> KpiResult:
        """A result that is a named state instead of a number."""
        return self._result(rows, status, cause, reason, **more)

    def with_value(self, rows: Rows, value: float, **more: Any) -> KpiResult:
        """A result that is a number, if the number can be right; outside the range it is `invalid`."""
        low, high = self.valid_range
        if not math.isfinite(value):
            return self._result(rows, Status.INVALID, "overflow", f"{self.name} is {value}", **more)
        if not low <= value <= high:
            reason = f"{self.name} {value:.2f} {self.unit} is outside {low:g}-{high:g} {self.unit}"
            return self._result(rows, Status.INVALID, "out_of_range", reason, **more)
        state = self.state_of(value)
        return self._result(rows, Status.OK, "ok", "", value=value, portfolio_state=state, **more)

    def _result(self, rows: Rows | None, status: Status, cause: str, reason: str, **more: Any) -> KpiResult:
        return KpiResult(
            name=self.name,
            unit=self.unit,
            direction=self.direction,
            valid_range=self.valid_range,
            formula=self.formula,
            as_of=rows.as_of if rows else None,
            row_count=rows.count if rows else 0,
            nulls=rows.nulls_of(self.columns) if rows else {},
            status=status,
            cause=cause,
            reason=reason,
            business_thresholds={"warn": self.warn, "critical": self.critical},
            **more,
        )


@dataclass(frozen=True, kw_only=True)
class Ratio(Kpi):
    """100 x sum of some columns / sum of another, in percent."""

    numerator: tuple[str, ...]
    denominator: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Numerator and denominator."""
        return (*self.numerator, self.denominator)

    def evaluate(self, rows: Rows, _earlier: Mapping[str, KpiResult], /) -> KpiResult:
        """The percentage, or the state that says why there is none."""
        if rows.count == 0:
            return self.without_value(rows, Status.NO_DATA, "empty", "the tape has no rows")
        all_null = [column for column, nulls in rows.nulls_of(self.columns).items() if nulls == rows.count]
        if all_null:
            return self.without_value(rows, Status.NO_DATA, "all_null", f"null in every row: {', '.join(all_null)}")
        try:
            above, below = rows.aggregate.total(*self.numerator), rows.aggregate.total(self.denominator)
        except OverflowError:
            return self.without_value(rows, Status.INVALID, "overflow", "the sums are beyond the range of numbers")
        sums = {"numerator": above, "denominator": below}
        if below == 0.0:
            reason = f"sum of {self.denominator} is 0"
            return self.without_value(rows, Status.UNDEFINED, "zero_denominator", reason, **sums)
        return self.with_value(rows, 100.0 * above / below, **sums)
