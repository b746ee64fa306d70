"""The outage of each host and its parts, by the hosts' own journals (as the steps found it)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cutover.agent.compare import is_number
from cutover.timeline.host_state import HostState, Labels
from cutover.timeline.presentation import OutageSteps
from cutover.timeline.timeline import Timeline


@dataclass(frozen=True)
class Interval:
    """One interval without service on a host: in which direction, from when until when, and its parts in seconds."""

    why: str
    start: str
    end: str
    seconds: float
    parts: dict[str, float]  # by short name


@dataclass(frozen=True)
class Outage:
    """All intervals without service of a host. None at all: nobody could measure it (`note`). `open`: not known to be over."""

    host: str
    intervals: tuple[Interval, ...]
    note: str = ""
    open: bool = False

    @property
    def seconds(self) -> float:
        """In all."""
        return sum(interval.seconds for interval in self.intervals)

    @property
    def words(self) -> str:
        """How long, for people: `1.20 s`, and that it is a sum where there was more than one."""
        return f"{self.seconds:.2f} s{' in all' if len(self.intervals) > 1 else ''}"

    def as_json(self) -> list[dict[str, Any]]:
        """For `--json`: one entry an interval; one that says why where nothing was measured."""
        measured: list[dict[str, Any]] = [
            {"what": one.why, "seconds": one.seconds, "why": "", "from": one.start, "until": one.end} | one.parts
            for one in self.intervals
        ]
        return measured or [{"what": "not measured", "seconds": None, "why": self.note}]


def outages(timeline: Timeline, steps: OutageSteps, labels: Labels) -> list[Outage]:
    """One for each host on which the old release was to be stopped."""
    return [_outage(timeline, host, steps, labels) for host in timeline.touched()]


def longest(away: list[Outage]) -> Outage | None:
    """The host where it took longest, of those that were measured."""
    return max((outage for outage in away if outage.intervals), key=lambda outage: outage.seconds, default=None)


def _outage(timeline: Timeline, host: str, steps: OutageSteps, labels: Labels) -> Outage:
    unknown = timeline.state(host) in (HostState.FAILED, HostState.UNKNOWN)
    forward = _interval(timeline, host, steps.forward, steps, f"from {labels.old} to {labels.new}")
    back = _interval(timeline, host, steps.back, steps, f"from {labels.new} to {labels.old}")
    whole = _interval(timeline, host, steps.whole, steps, f"until {labels.old} was back")
    if forward is not None:
        return Outage(host, (forward, back) if back else (forward,), open=unknown)
    if whole is not None:  # the new release never was in service: from the old one's stop to its start
        return Outage(host, (whole,), open=unknown)
    seen = (timeline.outcomes.get((host, step), {}).get("after") or {} for step in (steps.forward, steps.whole))
    why = next((after["why"] for after in seen if after.get("why")), "")
    return Outage(host, (), why or "not measured: the run did not come that far", open=unknown)


def _interval(timeline: Timeline, host: str, step: str, steps: OutageSteps, why: str) -> Interval | None:
    seen: Mapping[str, Any] = timeline.outcomes.get((host, step), {}).get("after") or {}
    measured_at = seen.get("from"), seen.get("until")
    if not is_number(seen.get("gap_s")) or not all(isinstance(one, str) for one in measured_at):
        return None
    measured = {name: seen.get(f"{name}_s") for name in steps.parts}
    parts = {name: float(seconds) for name, seconds in measured.items() if is_number(seconds)}
    return Interval(why, seen["from"], seen["until"], float(seen["gap_s"]), parts)
