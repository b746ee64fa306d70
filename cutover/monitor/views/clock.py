"""The watch's clock in words, and what comes next on it."""

from collections.abc import Mapping, Sequence
from typing import Any

HOUR = 3600.0


def hour(t: float) -> str:
    """A moment of the watch: hour 3.5."""
    return f"hour {t / HOUR:.4g}" if t >= HOUR / 10 or t == 0 else f"minute {t / 60:.3g}"


def span(seconds: float) -> str:
    """A stretch of time in the two largest units that matter: 45 s, 12 min, 3 h 05 min, 6 d 4 h."""
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s" if seconds >= 9.95 or seconds == whole else f"{seconds:.1f} s"
    minutes = whole // 60
    if minutes < 120:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min" if minutes % 60 else f"{minutes // 60} h"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def points(told: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, float], ...]:
    """The decision points of a watch by name and moment, as the journal keeps them."""
    return tuple((called(one["name"]), float(one["at"])) for one in told)


def called(point: str) -> str:
    """A decision point as people say it: hour 1."""
    return point.replace("_", " ")


def next_point(times: Sequence[tuple[str, float]], t: float) -> tuple[str, float] | None:
    """The decision point that comes next."""
    return min(((name, at) for name, at in times if at > t), key=lambda point: point[1], default=None)
