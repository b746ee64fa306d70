"""How long the service was away on each host, what that consisted of, by the hosts' own journals (as the steps found it)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cutover.timeline.host_state import Place
from cutover.timeline.presentation import OutageSteps
from cutover.timeline.timeline import Story


@dataclass(frozen=True)
class Part:
    """One part of a stretch: its short name, its words, and how long it took."""

    name: str
    words: str
    seconds: float


@dataclass(frozen=True)
class Stretch:
    """One stretch without service on a host: on which way, from when until when, and its parts in seconds."""

    why: str
    start: str
    end: str
    seconds: float
    parts: tuple[Part, ...]

    @property
    def by_words(self) -> dict[str, float]:
        """The seconds of each part, by its words."""
        return {part.words: part.seconds for part in self.parts}


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

    def as_json(self) -> list[dict[str, Any]]:
        """For `--json`: one entry a stretch; one that says why where nothing was measured."""
        told: list[dict[str, Any]] = [
            {"what": one.why, "seconds": one.seconds, "why": "", "from": one.start, "until": one.end}
            | {part.name: part.seconds for part in one.parts}
            for one in self.stretches
        ]
        return told or [{"what": "not measured", "seconds": None, "why": self.note}]


def part_names(steps: OutageSteps) -> dict[str, str]:
    """Short name and words of each part, in order."""
    return {name.removesuffix("_s"): words for name, words in steps.parts.items()}


def outages(story: Story, steps: OutageSteps) -> list[Outage]:
    """One for each host on which V1 was to be stopped."""
    return [_outage(story, host, steps) for host in story.touched()]


def longest(away: list[Outage]) -> Outage | None:
    """The host where it took longest, of those that were measured."""
    return max((outage for outage in away if outage.stretches), key=lambda outage: outage.seconds, default=None)


def _outage(story: Story, host: str, steps: OutageSteps) -> Outage:
    unknown = story.where(host) in (Place.LEFT, Place.BETWEEN)
    forward = _stretch(story, host, steps.forward, steps, "from V1 to V2")
    back = _stretch(story, host, steps.back, steps, "from V2 to V1")
    whole = _stretch(story, host, steps.whole, steps, "until V1 was back")
    if forward is not None:
        return Outage(host, (forward, back) if back else (forward,), open=unknown)
    if whole is not None:  # V2 never came into service: from V1's stop to V1's start
        return Outage(host, (whole,), open=unknown)
    seen = [outcome["after"] for step in (steps.forward, steps.whole) if (outcome := story.outcomes.get((host, step)))]
    why = next((after["why"] for after in seen if after and after.get("why")), "")
    return Outage(host, (), why or "not measured: the run did not come that far", open=unknown)


def _stretch(story: Story, host: str, step: str, steps: OutageSteps, why: str) -> Stretch | None:
    outcome = story.outcomes.get((host, step))
    seen: Mapping[str, Any] = (outcome["after"] or {}) if outcome else {}
    if not isinstance(seen.get("gap_s"), int | float):
        return None
    parts = tuple(
        Part(name, words, float(seen[f"{name}_s"]))
        for name, words in part_names(steps).items()
        if isinstance(seen.get(f"{name}_s"), int | float)
    )
    return Stretch(why, seen["from"], seen["until"], float(seen["gap_s"]), parts)
