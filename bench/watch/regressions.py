"""Regressions that are planted, what is expected of the watch, and when each begins."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bench.watch.service import Faults

Expected = Literal["warn", "hold", "rollback"]


@dataclass(frozen=True)
class Regression:
    """One thing that goes wrong: in words, how, the mildest answer that is right, and the rules that are there to see it."""

    name: str
    plant: Callable[[Faults], None]
    expected: Expected
    rules: tuple[str, ...]
    at_points: bool = False  # it is a warning, which holds the watch at the next decision point


def _set(**faults: object) -> Callable[[Faults], None]:
    def plant(service: Faults) -> None:
        for name, value in faults.items():
            setattr(service, name, value)

    return plant


_ERRORS = ("error_rate", "error_burst", "error_rate_long", "errors_per_hour")
_HANGS = ("tape_at_hand", "standstill")

REGRESSIONS = (
    Regression("2 % of tapes fail", _set(errors=0.02), "hold", _ERRORS),
    Regression("6 % of tapes fail", _set(errors=0.06), "rollback", _ERRORS),
    Regression("20 % of tapes fail", _set(errors=0.20), "rollback", _ERRORS),
    Regression("latency x 10", _set(slow=10.0), "warn", ("latency",)),
    Regression("latency x 50", _set(slow=50.0), "hold", ("latency",)),
    Regression("hangs over a tape", _set(hangs=True), "rollback", _HANGS),
    Regression("silent: answers nothing, takes no tape", _set(dead=True), "rollback", _HANGS),
    Regression("the host is not seen any more", _set(unseen=True), "hold", ("seen",)),
    Regression("leak of 12 % an hour", _set(leak_an_hour=0.12), "warn", ("memory_growth",)),
    Regression("leak of 25 % an hour", _set(leak_an_hour=0.25), "hold", ("memory_growth",)),
    Regression("crash loop, one a minute", _set(restart_every=60.0), "rollback", ("crash_loop",)),
    Regression("one tape lost", _set(lost=1), "rollback", ("tape_lost",)),
    Regression("one tape processed twice", _set(doubled=1), "rollback", ("tape_doubled",)),
    Regression(
        "audit chain broken", _set(breaks=["record 17 does not follow record 16"]), "rollback", ("audit_chain",)
    ),
    Regression("audit trail cut by 100 records", _set(cut=100), "rollback", ("audit_cut",)),
    Regression("no audit event while tapes are processed", _set(mute=True), "rollback", ("tapes_without_audit",)),
    Regression(
        "KPIs drift by 1 % an hour",
        _set(drift_an_hour=0.01),
        "warn",
        ("kpi_drift", "kpi_drift_since_baseline"),
        at_points=True,
    ),
    Regression("an output is missing", _set(missing=["csv"]), "hold", ("outputs",)),
)
