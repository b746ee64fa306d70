"""Decision points: whether a watch goes on, holds for a person, or is extended - with every reason.

One History a host is fed with every sample's judgements. A rollback trigger is never a matter of a
point: `Judgement.rolls_back` acts at the sample that sees it, also during a hold.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from cutover.core.samples import Judgement
from cutover.core.verdict import Verdict, worst
from cutover.monitor.rules.rulebook import DecisionPoint, Metric, RuleBook, shown
from cutover.monitor.rules.signals import change

Decision = Literal["go_on", "hold", "extend"]
Metrics = Mapping[str, float | None]


@dataclass(frozen=True)
class PointAnswer:
    """What a point came to: `decision` go_on, hold or extend (`by` seconds), the verdict, and each reason not to go on.

    A reason that is about a metric, and not about a rule, has its name where a rule's would be.
    """

    decision: Decision
    verdict: Verdict
    reasons: tuple[Judgement, ...] = ()
    by: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """As the journal keeps it."""
        reasons = [reason.as_json() for reason in self.reasons]
        return {"answer": self.decision, "verdict": str(self.verdict), "by": self.by, "reasons": reasons}


@dataclass
class History:
    """What a host brings to a point: its newest row, what failed since the last decision, its metrics now and at earlier points."""

    row: Sequence[Judgement] = ()
    metrics: Metrics = field(default_factory=dict)
    failed: dict[str, Judgement] = field(default_factory=dict)  # by rule
    marks: dict[str, Metrics] = field(default_factory=dict)  # by point
    _settled: dict[str, Judgement] = field(default_factory=dict)

    def take(self, judgements: Iterable[Judgement]) -> None:
        """Keep the latest failure of each rule; one that was decided on is asked again only after it was gone, or is another."""
        for judgement in judgements:
            if judgement.verdict is not Verdict.FAIL:
                self._settled.pop(judgement.rule, None)
            elif self._settled.get(judgement.rule) != judgement:
                self.failed[judgement.rule] = judgement

    def decided(self) -> None:
        """What failed so far has been decided on; it is not asked again."""
        self._settled, self.failed = {**self._settled, **self.failed}, {}


def judge_point(point: DecisionPoint, hosts: Mapping[str, History], book: RuleBook) -> PointAnswer:
    """Whether the watch goes on at this point. A rule with `at_points: hold` holds by its warning. No host: unknown."""
    reasons = [reason for host, one in sorted(hosts.items()) for reason in _reasons(point, host, one, book)]
    if not hosts:
        reasons = [Judgement("", point.name, Verdict.INCONCLUSIVE, "no host was sampled", "check that the watch runs")]
    if not reasons:
        seen = worst(judgement.verdict for history in hosts.values() for judgement in history.row)
        return PointAnswer("go_on", seen)
    return PointAnswer(point.otherwise, worst(reason.verdict for reason in reasons), tuple(reasons), point.by)


def _reasons(point: DecisionPoint, host: str, history: History, book: RuleBook) -> Iterator[Judgement]:
    if not history.row:
        found = "there is no row of this host"
        yield Judgement(host, point.name, Verdict.INCONCLUSIVE, found, "check the host, then decide")
    holding = {rule.name for rule in book.rules if rule.holds_points}
    for one in history.row:
        if not one.verdict.lets_pass or (one.verdict is Verdict.WARN and one.rule in holding):
            yield one
    now = {one.rule for one in history.row if one.verdict is Verdict.FAIL}
    for one in history.failed.values():
        if one.rule not in now:
            yield replace(one, words=f"failed since the last decision: {one.words}")
    for metric in book.metrics if point.steady_since else ():
        if metric.floor is not None:
            yield from _unsteady(point, host, history, metric, metric.floor)
    yield from _too_high(point, host, history, book)


def _too_high(point: DecisionPoint, host: str, history: History, book: RuleBook) -> Iterator[Judgement]:
    for name, limit in point.below:
        value = history.metrics.get(name)
        unit = next(metric.signal.entry.unit for metric in book.metrics if metric.name == name)
        if value is None:
            yield Judgement(host, name, Verdict.INCONCLUSIVE, f"{name} is not known", "read watch.md, then decide")
        elif value >= limit:
            words = f"{name} is {shown(value, unit)}; it has to be below {shown(limit, unit)}"
            yield Judgement(host, name, Verdict.FAIL, words, "read the errors of the log review, then decide")


def _unsteady(point: DecisionPoint, host: str, history: History, metric: Metric, floor: float) -> Iterator[Judgement]:
    """Each value of a metric that is not what it was at the earlier point, or is not known at one of the two."""
    then_all, unit = history.marks.get(point.steady_since, {}), metric.signal.entry.unit
    values = {name for name in (*then_all, *history.metrics) if name.split(".")[0] == metric.name}
    for name in sorted(values or {metric.name}):
        then, now = then_all.get(name), history.metrics.get(name)
        if then is None or now is None:
            when = point.steady_since if then is None else point.name
            words = f"{name} is not known at {when}, so nothing can be compared"
            yield Judgement(host, name, Verdict.INCONCLUSIVE, words, "read watch.md, then decide")
        elif change(then, now, floor) > point.steady:
            words = (
                f"{name} was {shown(then, unit)} at {point.steady_since} and is {shown(now, unit)}: "
                f"more than {point.steady * 100:g} % apart, and more than {shown(floor, unit)}"
            )
            yield Judgement(host, name, Verdict.FAIL, words, "compare the load at both times, then decide")
