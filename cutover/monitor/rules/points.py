"""Decision points: whether a watch goes on, holds for a person, or is extended - with every reason.

One History a host is fed with every sample's judgements and marked at each point. A rollback trigger is never a matter of a
point: `Judgement.rolls_back` acts at the sample that sees it, also during a hold.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cutover.core.samples import Judgement
from cutover.core.verdict import Verdict, worst
from cutover.monitor.rules.judge import shown
from cutover.monitor.rules.rulebook import DecisionPoint, Rule, RuleBook
from cutover.monitor.rules.signals import change

Decision = Literal["go_on", "hold", "extend"]
Metrics = Mapping[str, float | None]


@dataclass(frozen=True)
class PointState:
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
class PointAnswer:
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
    """What a point has to know of the samples before it: what failed since the last decision, and metrics at earlier points."""

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

    def state(self, judgements: Iterable[Judgement], metrics: Metrics) -> PointState:
        """What the host brings to a point now."""
        return PointState(tuple(judgements), tuple(self._failed.values()), dict(metrics), dict(self._marks))


def judge_point(point: DecisionPoint, hosts: Mapping[str, PointState], book: RuleBook) -> PointAnswer:
    """Whether the watch goes on at this point: only if nothing failed since the last decision and nothing is unknown.

    hour 1 and day 28: just that. hour 8: and every metric is as at hour 1. hour 24: just that, else the watch is extended.
    day 7: and the error rate of all the time is low enough. A rule with `at_points: hold` holds by its warning. No host: unknown.
    """
    rules = {rule.name: rule for rule in book.rules}
    reasons = [reason for host, state in sorted(hosts.items()) for reason in _reasons(point, host, state, rules, book)]
    if not hosts:
        reasons = [Reason("", point.name, Verdict.INCONCLUSIVE, "no host was sampled", "check that the watch runs")]
    if not reasons:
        seen = worst(judgement.verdict for state in hosts.values() for judgement in state.judgements)
        return PointAnswer("go_on", seen)
    return PointAnswer(point.otherwise, worst(reason.verdict for reason in reasons), tuple(reasons), point.by)


def _reasons(
    point: DecisionPoint, host: str, state: PointState, rules: Mapping[str, Rule], book: RuleBook
) -> Iterator[Reason]:
    if not state.judgements:
        yield Reason(
            host, point.name, Verdict.INCONCLUSIVE, "there is no row of this host", "check the host, then decide"
        )
    now = {one.rule for one in state.judgements if one.verdict is Verdict.FAIL}
    for one in state.judgements:
        warns = one.verdict is Verdict.WARN and one.rule in rules and rules[one.rule].holds_points
        if warns or not one.verdict.lets_pass:
            yield Reason(host, one.rule, one.verdict, one.words, one.next)
    for one in state.failed:
        if one.rule not in now:
            yield Reason(host, one.rule, Verdict.FAIL, f"failed since the last decision: {one.words}", one.next)
    if point.steady_since:
        yield from _unsteady(point, host, state, book)
    yield from _too_high(point, host, state, book)


def _unsteady(point: DecisionPoint, host: str, state: PointState, book: RuleBook) -> Iterator[Reason]:
    """Metrics that are not what they were at the earlier point, or are not known at one of the two."""
    then_all = state.marks.get(point.steady_since, {})
    units = {metric.name: metric.signal.entry.unit for metric in book.metrics}
    for metric in book.metrics:
        if metric.floor is None:
            continue
        own = {name for name in (*then_all, *state.metrics) if name.split(".")[0] == metric.name} or {metric.name}
        for name in sorted(own):
            then, now = then_all.get(name), state.metrics.get(name)
            if then is None or now is None:
                when = point.steady_since if then is None else point.name
                words = f"{name} is not known at {when}, so nothing can be compared"
                yield Reason(host, name, Verdict.INCONCLUSIVE, words, "read watch.md, then decide")
            elif change(then, now, metric.floor) > point.steady:
                unit = units[metric.name]
                words = (
                    f"{name} was {shown(then, unit)} at {point.steady_since} and is {shown(now, unit)}: "
                    f"more than {point.steady * 100:g} % apart, and more than {shown(metric.floor, unit)}"
                )
                yield Reason(host, name, Verdict.FAIL, words, "compare the load at both times, then decide")


def _too_high(point: DecisionPoint, host: str, state: PointState, book: RuleBook) -> Iterator[Reason]:
    units = {metric.name: metric.signal.entry.unit for metric in book.metrics}
    for name, limit in point.below:
        value = state.metrics.get(name)
        if value is None:
            yield Reason(host, name, Verdict.INCONCLUSIVE, f"{name} is not known", "read watch.md, then decide")
        elif value >= limit:
            words = f"{name} is {shown(value, units[name])}; it has to be below {shown(limit, units[name])}"
            yield Reason(host, name, Verdict.FAIL, words, "read the errors of the log review, then decide")
