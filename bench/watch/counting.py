"""Counts what many simulated watches said: false alarms by rule, answers of points, detections and their delays."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.watch.day import GRAVITY, SimulatedDay
from bench.watch.regressions import Expected, Regression

LOOKS_RULE = "seen"  # a look that failed did fail: no false alarm, and shown apart


@dataclass
class Alarms:
    """The A/A run: in how many watches each rule, and any rule at all, gave each answer."""

    watches: int = 0
    looks: int = 0
    inconclusive: int = 0
    by_rule: Counter[tuple[str, Expected]] = field(default_factory=Counter)
    overall: Counter[Expected] = field(default_factory=Counter)
    points: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def add(self, day: SimulatedDay) -> None:
        """One more watch."""
        self.watches += 1
        self.looks += day.looks
        self.inconclusive += day.inconclusive
        self.by_rule.update(day.first.keys())
        said = {one for rule, one in day.first if (rule, one) != (LOOKS_RULE, "warn")}
        self.overall.update(said)
        for name, answer in day.points.items():
            self.points[name, answer.decision] += 1
            self.reasons.update({(name, reason.rule, str(reason.verdict)) for reason in answer.reasons})


@dataclass(frozen=True)
class Detection:
    """One regression: in how many watches it was seen, after how long, and what else was said about it."""

    regression: Regression
    watches: int
    delays: tuple[float, ...]
    rolled_back: int
    held_at_points: int

    @classmethod
    def of(cls, regression: Regression, days: Iterable[SimulatedDay]) -> "Detection":
        """From what the watches with this regression said."""
        days = list(days)
        seen = [(day, day.seen_at(regression)) for day in days]
        delays = tuple(sorted(at - day.planted for day, at in seen if at is not None))
        rolled = sum(1 for day in days if any(one == "rollback" for _, one in day.first))
        held = sum(1 for day in days if any(answer.decision != "go_on" for answer in day.points.values()))
        return cls(regression, len(days), delays, rolled, held)

    @property
    def median(self) -> float | None:
        """The median delay of those that were seen."""
        return median(self.delays) if self.delays else None

    @property
    def p95(self) -> float | None:
        """The delay that 95 of 100 do not exceed."""
        return quantile(self.delays, 0.95) if self.delays else None

    @property
    def wrong(self) -> int:
        """Watches that rolled back what only needed a person."""
        return 0 if self.regression.expected == GRAVITY[-1] else self.rolled_back


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the ordered values that this share of them does not exceed."""
    return ordered[max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))]
