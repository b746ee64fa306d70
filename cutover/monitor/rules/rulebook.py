"""The rules of a watch as values: durations, cadence, signals, rules with their limits, metrics, decision points."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field

from cutover.core.samples import Level
from cutover.inventory.schema import Refusals, Schema, Text, misfit, words


def shown(value: float, unit: str) -> str:
    """A figure with its unit; a share as per cent."""
    if unit == "share":
        return f"{value * 100:.4g} %"
    if unit == "share/h":
        return f"{value * 100:.4g} % an hour"
    return f"{value:.6g} {unit}".rstrip()


_ALMOST = 1e-6  # seconds: moments that are reached by adding up are not missed by a rounding


@dataclass(frozen=True)
class Cadence:
    """When rows are recorded: stretches of a watch, each (until, every) in seconds of its clock."""

    stretches: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, written: Mapping[float, float]) -> "Cadence":
        """From until when: how often; ValueError where a stretch has no row."""
        if not written:
            raise misfit("it is empty", "write {24h: 30m}")
        stretches = sorted(written.items())  # a map has no order that could be relied on
        for (start, _), (until, every) in pairwise([(0.0, 0.0), *stretches]):
            if every <= 0 or every > until - start + _ALMOST:
                found = f"from {words(start)} until {words(until)} every {words(every)} has no row in it"
                raise misfit(found, "let each stretch last for a row at least")
        return cls(tuple(stretches))

    def between(self, after: float, until: float) -> tuple[float, ...]:
        """The moments of recorded rows in (after, until]. The baseline at 0 belongs to no stretch: take it first."""
        return tuple(moment for moment in self._moments() if after + _ALMOST < moment <= until + _ALMOST)

    def every_at(self, t: float) -> float:
        """How far apart rows are at a moment; after the end as in the last stretch."""
        return next((every for until, every in self.stretches if t < until), self.stretches[-1][1])

    def _moments(self) -> Iterator[float]:
        start = 0.0
        for until, every in self.stretches:
            for step in range(1, int((until - start + _ALMOST) // every) + 1):
                yield start + step * every
            start = until


Kind = Literal[
    "value", "values", "count", "differs", "verdict", "mean", "share", "increase", "busy", "restarts", "growth", "drift",
    "stuck", "without", "fell", "looks",
]  # fmt: skip
WINDOWED: frozenset[Kind] = frozenset(
    {"mean", "share", "increase", "busy", "restarts", "growth"}
)  # look back over time
COUNTED: frozenset[Kind] = frozenset({"mean", "share", "growth"})  # those whose n may be too small
UNLIMITED: frozenset[Kind] = frozenset({"verdict", "looks"})  # they are verdicts themselves
STATES: frozenset[Kind] = frozenset({"differs"})  # yes or no: the rule itself says of which level a yes is
NEEDS: Mapping[Kind, tuple[str, ...]] = {  # the keys of a signal of this kind, beside unit, scale, rows and words
    "value": ("at",), "values": ("at",), "count": ("of",), "differs": ("at", "from"), "verdict": ("at",), "mean": ("of", "per"),
    "share": ("of", "per"), "increase": ("of",), "busy": ("at",), "restarts": ("at",), "growth": ("at",), "drift": ("at", "against"),
    "stuck": ("at", "per"), "without": ("of", "per"), "fell": ("at",), "looks": (),
}  # fmt: skip


def belongs(kind: Kind, given: Mapping[str, object], needed: set[str], allowed: set[str]) -> Refusals:
    """The keys of an entry that its kind of signal lacks, and those that have no meaning for it."""
    for word, value in given.items():
        if word in needed and not value:
            yield (word,), f"`{word}` is missing", f"the kind {kind} needs it"
        elif value and word not in needed | allowed:
            yield (word,), f"`{word}` does not belong to the kind {kind}", "remove it"


class SignalEntry(Schema):
    """One entry of `signals`: how a figure is measured from the samples."""

    kind: Kind
    unit: str = ""
    at: str = ""
    of: list[str] = Field(default_factory=list)
    per: list[str] = Field(default_factory=list)
    from_: list[str | int] = Field(default_factory=list, alias="from")
    against: Literal["previous", "first", ""] = ""
    scale: float = 1.0
    rows: bool = False
    words: Text

    def refusals(self) -> Refusals:
        """Keys that its kind needs, and those that have no meaning for it."""
        given = {"at": self.at, "of": self.of, "per": self.per, "from": self.from_, "against": self.against}
        yield from belongs(self.kind, given, set(NEEDS[self.kind]), set())

    @property
    def at_rows(self) -> bool:
        """Whether only recorded rows have it."""
        return self.rows or self.kind == "drift"


@dataclass(frozen=True)
class Signal:
    """How a figure is measured from the samples, over which window of the watch's clock (0.0: as it is now).

    `slack`: by how much less than its window counts as all of it, since samples do not fall on a window's edges. `share`: of
    what a count within a window comes to, where `paced` made the window longer than the rule has it; limits are for the rule's.
    """

    name: str
    entry: SignalEntry
    window: float = 0.0
    floor: float = 0.0
    slack: float = 0.0
    share: float = 1.0

    @property
    def kind(self) -> Kind:
        """Which of the engine's ways of measuring it is."""
        return self.entry.kind

    @property
    def key(self) -> tuple[str, float, float]:
        """What two uses of a signal have in common that can share one measurement."""
        return self.name, self.window, self.floor


@dataclass(frozen=True)
class Threshold:
    """One level of a rule: exceeded by what is over the limit, and effective once it has been so for `hold` seconds."""

    level: Level
    limit: float
    hold: float


@dataclass(frozen=True)
class Rule:
    """One rule with its limits, from the mildest level to the gravest."""

    name: str
    signal: Signal
    below: bool
    limits: tuple[Threshold, ...]
    least: int
    bound: bool
    fail_after: int
    holds_points: bool
    words: str
    next: str


@dataclass(frozen=True)
class Metric:
    """A figure that points compare. With a `floor`, the least difference that counts, in its unit, it must be steady between two."""

    name: str
    signal: Signal
    least: int
    floor: float | None


@dataclass(frozen=True)
class DecisionPoint:
    """A moment of the watch at which it is decided whether it goes on.

    Always: no FAIL since the last decision, nothing unknown. Besides: metrics within `steady` (a share) of what they were at
    the point `steady_since`; metrics of `below` below their limits. `otherwise`: hold, or extend the watch `by` seconds.
    """

    name: str
    at: float
    steady_since: str = ""
    steady: float = 0.0
    below: tuple[tuple[str, float], ...] = ()
    otherwise: Literal["hold", "extend"] = "hold"
    by: float = 0.0


@dataclass(frozen=True)
class RuleBook:
    """Everything that a watch is judged by; `epoch` is where a sample says in which of its lives the service is."""

    source: str
    epoch: str
    gap_looks: int
    rules: tuple[Rule, ...]
    metrics: tuple[Metric, ...]
    points: tuple[DecisionPoint, ...]
    digest: str

    def as_json(self) -> dict[str, Any]:
        """What the journal of a watch keeps of it: which rules, with which limits."""
        limits = {
            rule.name: {one.level: {"limit": one.limit, "for_s": one.hold} for one in rule.limits}
            for rule in self.rules
        }
        return {"source": self.source, "digest": self.digest, "rules": limits}


SAMPLES = 6  # that a window holds at least: a growth needs five of them, and Prometheus' documentation advises four for a rate
HOLD_SAMPLES = 2.0  # that a hold time of a watch with a fast clock lasts at least
SLACK = 1.1  # of the interval: a sample may fall just outside the window, and none is quite punctual


def paced(book: RuleBook, look_s: float, *, hurried: bool = False) -> RuleBook:
    """The same rules for samples so far apart (seconds on the watch's clock): a window with too few samples could judge nothing.

    A hold time bridges what really takes a moment, such as that between a piece of work and its record; in a hurried watch it
    would be over before that moment is, so there it lasts for some samples at least.
    """

    def wide(signal: Signal) -> Signal:
        if not signal.window:
            return signal
        window = max(signal.window, SAMPLES * look_s)
        return replace(signal, window=window, slack=SLACK * look_s, share=signal.window / window)

    def long(limit: Threshold) -> Threshold:
        return replace(limit, hold=max(limit.hold, HOLD_SAMPLES * look_s)) if hurried and limit.hold else limit

    rules = [replace(rule, signal=wide(rule.signal), limits=tuple(map(long, rule.limits))) for rule in book.rules]
    metrics = [replace(metric, signal=wide(metric.signal)) for metric in book.metrics]
    return replace(book, rules=tuple(rules), metrics=tuple(metrics))
