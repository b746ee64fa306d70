"""Decision points: whether a watch goes on, holds for a person, or is extended - with every reason.

The watch (not this room) does the following at a point, for each host and before it asks:

    history = History()                           one a host, fed with every look:  history.take(judgements)
    standing = history.standing(judgements of the row at the point, judge.metrics())
    answer = judge_point(point, {host: standing for each host of the watch})
    history.mark(point.name, judge.metrics())     so that a later point can compare with this one
    history.decided()                             once the answer is go_on or extend, or a person has closed the hold

A rollback trigger is never a matter of a point: `Judgement.rolls_back` acts at the look that sees it, also during a hold.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cutover.core.samples import Judgement
from cutover.core.verdict import Verdict, worst
from cutover.monitor.rules.rulebook import Point, Rule, RuleBook
from cutover.monitor.rules.signals import share
from cutover.monitor.rules.wording import shown

Decision = Literal["go_on", "hold", "extend"]
Metrics = Mapping[str, float | None]


@dataclass(frozen=True)
class Standing:
    """What a host brings to a point: the judgements of its row there, what failed since the last decision, its metrics."""

    judgements: tuple[Judgement, ...] = ()
    failed: tuple[Judgement, ...] = ()
    metrics: Metrics = field(default_factory=dict)
    marks: Mapping[str, Metrics] = field(default_factory=dict)


@dataclass(frozen=True)
class Reason:
    """One reason not to go on: which host, by which rule or metric, in words, and what a person does."""

    host: str
    rule: str
    verdict: Verdict
    words: str
    next: str


@dataclass(frozen=True)
class Answer:
    """What a point came to: `decision` go_on, hold or extend (`by` seconds), the verdict, and the reasons."""

    decision: Decision
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    by: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """As the journal keeps it."""
        reasons = [{**vars(reason), "verdict": str(reason.verdict)} for reason in self.reasons]
        return {"answer": self.decision, "verdict": str(self.verdict), "by": self.by, "reasons": reasons}


class History:
    """What a point has to know of the looks before it: what failed since the last decision, and metrics at earlier points."""

    def __init__(self) -> None:
        self._failed: dict[str, Judgement] = {}
        self._settled: dict[str, Judgement] = {}
        self._marks: dict[str, Metrics] = {}

    def take(self, judgements: Iterable[Judgement]) -> None:
        """Keep the latest failure of each rule; one that was decided on is asked again only after it was gone, or is another."""
        for judgement in judgements:
            if judgement.verdict is not Verdict.FAIL:
                self._settled.pop(judgement.rule, None)
            elif self._settled.get(judgement.rule) != judgement:
                self._failed[judgement.rule] = judgement

    def mark(self, point: str, metrics: Metrics) -> None:
        """Keep the metrics at a point."""
        self._marks[point] = dict(metrics)

    def decided(self) -> None:
        """What failed so far has been decided on; it is not asked again."""
        self._settled, self._failed = {**self._settled, **self._failed}, {}

    def standing(self, judgements: Iterable[Judgement], metrics: Metrics) -> Standing:
        """What the host brings to a point now."""
        return Standing(tuple(judgements), tuple(self._failed.values()), dict(metrics), dict(self._marks))


def points_between(points: Iterable[Point], after: float, until: float) -> tuple[Point, ...]:
    """The points in (after, until], in the order of time."""
    return tuple(sorted((point for point in points if after < point.at <= until), key=lambda point: point.at))


def judge_point(point: Point, hosts: Mapping[str, Standing], book: RuleBook) -> Answer:
    """Whether the watch goes on at this point: only if nothing failed since the last decision and nothing is unknown.

    hour 1 and day 28: just that. hour 8: and every metric is as at hour 1. hour 24: just that, else the watch is extended.
    day 7: and the error rate of all the time is low enough. A rule with `at_points: hold` holds by its warning. No host: unknown.
    """
    rules = {rule.name: rule for rule in book.rules}
    reasons = [
        reason for host, standing in sorted(hosts.items()) for reason in _reasons(point, host, standing, rules, book)
    ]
    if not hosts:
        reasons = [Reason("", point.name, Verdict.INCONCLUSIVE, "no host was seen", "see that the watch runs")]
    if not reasons:
        seen = worst(judgement.verdict for standing in hosts.values() for judgement in standing.judgements)
        return Answer("go_on", seen)
    return Answer(point.otherwise, worst(reason.verdict for reason in reasons), tuple(reasons), point.by)


def _reasons(
    point: Point, host: str, standing: Standing, rules: Mapping[str, Rule], book: RuleBook
) -> Iterator[Reason]:
    if not standing.judgements:
        yield Reason(
            host, point.name, Verdict.INCONCLUSIVE, "there is no row of this host", "look at the host, then decide"
        )
    now = {one.rule for one in standing.judgements if one.verdict is Verdict.FAIL}
    for one in standing.judgements:
        warns = one.verdict is Verdict.WARN and one.rule in rules and rules[one.rule].holds_points
        if warns or not one.verdict.lets_pass:
            yield Reason(host, one.rule, one.verdict, one.words, one.next)
    for one in standing.failed:
        if one.rule not in now:
            yield Reason(host, one.rule, Verdict.FAIL, f"failed since the last decision: {one.words}", one.next)
    if point.steady_since:
        yield from _unsteady(point, host, standing, book)
    yield from _too_high(point, host, standing, book)


def _unsteady(point: Point, host: str, standing: Standing, book: RuleBook) -> Iterator[Reason]:
    """Metrics that are not what they were at the earlier point, or are not known at one of the two."""
    then_all = standing.marks.get(point.steady_since, {})
    units = {metric.name: metric.signal.entry.unit for metric in book.metrics}
    for metric in book.metrics:
        if metric.floor is None:
            continue
        own = {name for name in (*then_all, *standing.metrics) if name.split(".")[0] == metric.name} or {metric.name}
        for name in sorted(own):
            then, now = then_all.get(name), standing.metrics.get(name)
            if then is None or now is None:
                when = point.steady_since if then is None else point.name
                words = f"{name} is not known at {when}, so nothing can be compared"
                yield Reason(host, name, Verdict.INCONCLUSIVE, words, "look at the table of the watch, then decide")
            elif share(then, now, metric.floor) > point.steady:
                unit = units[metric.name]
                words = (
                    f"{name} was {shown(then, unit)} at {point.steady_since} and is {shown(now, unit)}: "
                    f"more than {point.steady * 100:g} % apart, and more than {shown(metric.floor, unit)}"
                )
                yield Reason(host, name, Verdict.FAIL, words, "compare the load at both times, then decide")


def _too_high(point: Point, host: str, standing: Standing, book: RuleBook) -> Iterator[Reason]:
    units = {metric.name: metric.signal.entry.unit for metric in book.metrics}
    for name, limit in point.below:
        value = standing.metrics.get(name)
        if value is None:
            yield Reason(host, name, Verdict.INCONCLUSIVE, f"{name} is not known", "look at the watch, then decide")
        elif value >= limit:
            words = f"{name} is {shown(value, units[name])}; it has to be below {shown(limit, units[name])}"
            yield Reason(host, name, Verdict.FAIL, words, "read the errors of the log review, then decide")
