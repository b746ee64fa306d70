"""How long the service was away on each host, what that consisted of, by the hosts' own journals (as the steps found it)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cutover.tell.presentation import OutageSteps
from cutover.tell.story.timeline import Story


@dataclass(frozen=True)
class Stretch:
    """One stretch without service on a host: why, from when until when, and its parts in seconds."""

    why: str
    start: str
    end: str
    seconds: float
    parts: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Outage:
    """All stretches without service of a host. None at all: nobody could measure it (`note`). `open`: not known to be over."""

    host: str
    stretches: tuple[Stretch, ...]
    note: str = ""
    open: bool = False

    @property
    def seconds(self) -> float:
        """In all."""
        return sum(stretch.seconds for stretch in self.stretches)


def outages(story: Story, steps: OutageSteps) -> list[Outage]:
    """One for each host on which V1 was to be stopped."""
    return [_outage(story, host, steps) for host in story.touched()]


def _outage(story: Story, host: str, steps: OutageSteps) -> Outage:
    unknown = story.where(host) in ("needs a person", "not known")
    forward = _stretch(story, host, steps.forward, steps.parts, "on the way to V2")
    back = _stretch(story, host, steps.back, steps.parts, "on the way back")
    whole = _stretch(story, host, steps.whole, steps.parts, "until V1 was back")
    if forward is not None:
        return Outage(host, (forward, back) if back else (forward,), open=unknown)
    if whole is not None:  # V2 never came into service: from V1's stop to V1's start
        return Outage(host, (whole,), open=unknown)
    seen = [outcome["after"] for step in (steps.forward, steps.whole) if (outcome := story.outcomes.get((host, step)))]
    why = next((after["why"] for after in seen if after and after.get("why")), "")
    return Outage(host, (), why or "not measured: the run did not come that far", open=unknown)


def _stretch(story: Story, host: str, step: str, parts: Mapping[str, str], why: str) -> Stretch | None:
    outcome = story.outcomes.get((host, step))
    seen: Mapping[str, Any] = (outcome["after"] or {}) if outcome else {}
    if not isinstance(seen.get("gap_s"), int | float):
        return None
    named = tuple(
        (words, float(seen[part])) for part, words in parts.items() if isinstance(seen.get(part), int | float)
    )
    return Stretch(why, seen["from"], seen["until"], float(seen["gap_s"]), named)
