"""The one place where a signal gets its meter."""

from collections.abc import Callable, Mapping

from cutover.decide.watch import meters, rolling
from cutover.decide.watch.reading import Meter
from cutover.decide.watch.rulebook import Kind, Signal

_METERS: Mapping[Kind, Callable[[Signal], Meter]] = {
    "value": meters.Value,
    "count": meters.Count,
    "differs": meters.Differs,
    "verdict": meters.Verdicts,
    "stuck": meters.Stuck,
    "without": meters.Without,
    "fell": meters.Fell,
    "drift": meters.Drift,
    "mean": rolling.Mean,
    "share": rolling.Share,
    "increase": rolling.Increase,
    "busy": rolling.Busy,
    "restarts": rolling.Restarts,
    "growth": rolling.Growth,
}


def meter(signal: Signal) -> Meter:
    """A new meter for a signal; none for `looks` and `values`, which the judge sees by itself."""
    return _METERS[signal.kind](signal)
