"""What a watch is judged by, checked and ready: signals, rules with their limits, metrics and decision points."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cutover.words.watching import Level

Kind = Literal[
    "value", "values", "count", "differs", "verdict", "mean", "share", "increase", "busy", "restarts", "growth", "drift",
    "stuck", "without", "fell", "looks",
]  # fmt: skip
Over = Literal["above", "below"]

# What a signal of each kind needs besides, and whether it looks back over a window.
NEEDS: Mapping[Kind, tuple[str, ...]] = {
    "value": ("at",),
    "values": ("at",),
    "count": ("of",),
    "differs": ("at", "from_"),
    "verdict": ("at",),
    "mean": ("of", "per"),
    "share": ("of", "per"),
    "increase": ("of",),
    "busy": ("at",),
    "restarts": ("at",),
    "growth": ("at",),
    "drift": ("at", "against"),
    "stuck": ("at", "per"),
    "without": ("of", "per"),
    "fell": ("at",),
    "looks": (),
}
WINDOWED: frozenset[Kind] = frozenset({"mean", "share", "increase", "busy", "restarts", "growth"})
COUNTED: frozenset[Kind] = frozenset({"mean", "share", "growth"})  # those whose n may be too small
UNLIMITED: frozenset[Kind] = frozenset({"verdict", "looks"})  # they are verdicts themselves
STATES: frozenset[Kind] = frozenset({"differs"})  # yes or no: the rule itself says of which level a yes is


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SignalEntry(_Strict):
    """One entry of `signals`: how a figure is had from the samples."""

    kind: Kind
    unit: str = ""
    at: str = ""
    of: list[str] = Field(default_factory=list)
    per: list[str] = Field(default_factory=list)
    from_: list[str | int] = Field(default_factory=list, alias="from")
    against: Literal["previous", "first", ""] = ""
    scale: float = 1.0
    rows: bool = False
    words: str = Field(min_length=1)


class RuleEntry(_Strict):
    """One entry of `rules`; durations are still as they are written."""

    signal: str
    row: str = ""
    over: Over = "above"
    window: str | int | float | None = None
    least: int = Field(default=0, ge=0)
    bound: Literal["lower", ""] = ""
    floor: str = ""
    for_: dict[str, str | int | float] = Field(default_factory=dict, alias="for")
    levels: list[str] = Field(default_factory=list)
    fail_after: int = Field(ge=1)
    at_points: Literal["hold", ""] = ""
    words: str = Field(min_length=1)
    next: str = Field(min_length=1)


class MetricEntry(_Strict):
    """One entry of `metrics`: what points look at; with a `floor` it must be steady between two of them."""

    signal: str
    window: str | int | float | None = None
    least: int = Field(default=0, ge=0)
    floor: float | None = Field(default=None, ge=0)


class PointEntry(_Strict):
    """One entry of `points`."""

    at: str | int | float
    steady_since: str = ""
    steady: str = ""
    below: dict[str, str] = Field(default_factory=dict)
    otherwise: Literal["hold", "extend"] = "hold"
    by: str | int | float | None = None
    words: str = Field(min_length=1)


@dataclass(frozen=True)
class Signal:
    """How a figure is had from the samples, over which window of the watch's clock (0.0: as it is now).

    `slack`: by how much less than its window counts as all of it, since looks do not fall on a window's edges. `share`: of
    what a count within a window comes to, where that was made longer than the rule has it (pace.py); limits are for the rule's.
    """

    name: str
    entry: SignalEntry
    window: float
    floor: float = 0.0
    slack: float = 0.0
    share: float = 1.0

    @property
    def kind(self) -> Kind:
        """Which of the engine's ways of measuring it is."""
        return self.entry.kind

    @property
    def key(self) -> tuple[str, float, float]:
        """What two uses of a signal have in common that can share one meter."""
        return self.name, self.window, self.floor

    @property
    def rows(self) -> bool:
        """Whether only recorded rows have it."""
        return self.entry.rows or self.entry.kind == "drift"


@dataclass(frozen=True)
class Limit:
    """One level of a rule: passed by what is over the limit, and held once it has been so for `hold` seconds."""

    level: Level
    limit: float
    hold: float


@dataclass(frozen=True)
class Rule:
    """One rule with its limits, from the mildest level to the gravest."""

    name: str
    signal: Signal
    row: str
    below: bool
    limits: tuple[Limit, ...]
    least: int
    bound: bool
    fail_after: int
    holds_points: bool
    words: str
    next: str


@dataclass(frozen=True)
class Metric:
    """A figure that points look at. With a `floor`, the least difference that counts, in its unit, it must be steady between two."""

    name: str
    signal: Signal
    least: int
    floor: float | None


@dataclass(frozen=True)
class Point:
    """A moment of the watch at which it is decided whether it goes on.

    Always: no FAIL since the last decision, nothing unknown. Besides: metrics within `steady` (a share) of what they were at
    the point `steady_since`; metrics of `below` below their limits. `otherwise`: hold, or extend the watch `by` seconds.
    """

    name: str
    at: float
    words: str
    steady_since: str = ""
    steady: float = 0.0
    below: tuple[tuple[str, float], ...] = ()
    otherwise: Literal["hold", "extend"] = "hold"
    by: float = 0.0


@dataclass(frozen=True)
class RuleBook:
    """All that a watch is judged by; `epoch` is where a sample says in which of its lives the service is."""

    source: str
    epoch: str
    gap_looks: int
    rules: tuple[Rule, ...]
    metrics: tuple[Metric, ...]
    points: tuple[Point, ...]
    digest: str

    def as_json(self) -> dict[str, Any]:
        """What the journal of a watch keeps of it: which rules, with which limits."""
        return {
            "source": self.source,
            "digest": self.digest,
            "rules": {
                rule.name: {one.level: {"limit": one.limit, "for_s": one.hold} for one in rule.limits}
                for rule in self.rules
            },
        }
