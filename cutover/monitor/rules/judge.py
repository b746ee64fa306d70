"""Judges one host of a watch, sample after sample: every rule over every sample, level by level, with hold times as Prometheus' `for:`."""

from typing import NamedTuple

from cutover.core.samples import Judgement, Level, Sample
from cutover.core.verdict import Verdict
from cutover.monitor.rules import bounds, rulebook
from cutover.monitor.rules.rulebook import STATES, Rule, RuleBook
from cutover.monitor.rules.signals import MEASURES, SeenSample, SignalValue, getter, missing, numbers, too_little

LEVEL_VERDICT = {"": Verdict.PASS, "warn": Verdict.WARN, "critical": Verdict.FAIL, "rollback": Verdict.FAIL}
VERDICT_LEVEL: dict[str, Level] = {"PASS": "", "WARN": "warn", "FAIL": "critical"}


class RuleResult(NamedTuple):
    """What a rule came to, in figures only; `judgement` puts it in words.

    `level` is the gravest exceeded; `since`, where it is pending, the moment since which it is so. `limit` is that of the level,
    or the first one where none is exceeded. `misses`: for how many samples in a row it could not be measured.
    """

    verdict: Verdict
    measured: SignalValue
    level: Level = ""
    rolls_back: bool = False
    pending: bool = False
    limit: float | None = None
    bound: float | None = None
    hold: float = 0.0
    since: float = 0.0
    misses: int = 0


class RuleState:
    """One rule on one host: since when each level has been exceeded, and how often nothing was measured."""

    def __init__(self, rule: Rule, gap: float) -> None:
        self._rule, self._limits, self._below = rule, rule.limits, rule.below
        self._gap, self._last = gap, 0.0  # when a level was last seen to be exceeded
        self._first = rule.limits[0].limit if rule.limits else None
        self._since: list[float | None] = [None] * len(rule.limits)
        self._misses = 0
        self._passed: RuleResult | None = None  # the last one within all limits: most samples see what the last one saw

    def _start_anew(self) -> None:
        """It is not so any more, or is not known to have been so all the time: hold times begin anew."""
        self._since = [None] * len(self._limits)

    def judge(self, measured: SignalValue, t: float, error: str = "") -> RuleResult:
        """The result for a measurement at this moment; `error` is why the sample failed, which a rule of its own judges."""
        if self._rule.signal.kind == "looks":
            return self._answered(error)
        if error:
            return RuleResult(Verdict.INCONCLUSIVE, missing(error), limit=self._first)
        passed = self._passed
        if passed is not None and passed.measured == measured:
            return passed
        self._passed = None
        value = measured.value
        if value is None or (measured.n is not None and measured.n < self._rule.least):
            return self._unknown(measured)
        self._misses = 0
        if not self._limits:  # it is a verdict already
            return RuleResult(Verdict(measured.why), measured, VERDICT_LEVEL.get(measured.why, ""))
        over = self._over(value, self._limits[0].limit)  # mild limits come first
        return self._exceeded(measured, value, t) if over else self._within(measured)

    def _answered(self, error: str) -> RuleResult:
        """The rule over the samples themselves: one that failed is a finding, several in a row are a failure."""
        self._misses = self._misses + 1 if error else 0
        measured = SignalValue(float(self._misses), why=error)
        if not error:
            return RuleResult(Verdict.PASS, measured)
        verdict = Verdict.FAIL if self._misses >= self._rule.fail_after else Verdict.WARN
        return RuleResult(verdict, measured, VERDICT_LEVEL[verdict], misses=self._misses)

    def _over(self, value: float, limit: float) -> bool:
        return value < limit if self._below else value > limit

    def _unknown(self, measured: SignalValue) -> RuleResult:
        self._misses = self._misses + 1 if measured.missing else 0
        if self._misses >= self._rule.fail_after:
            return RuleResult(Verdict.FAIL, measured, "critical", limit=self._first, misses=self._misses)
        return RuleResult(Verdict.INCONCLUSIVE, measured, limit=self._first, misses=self._misses)

    def _within(self, measured: SignalValue) -> RuleResult:
        """Within all limits. What can only become more has not passed before its window was seen as a whole."""
        self._start_anew()
        if not measured.full and not self._below:
            return RuleResult(Verdict.INCONCLUSIVE, measured, limit=self._first)
        bound = None
        if self._rule.bound and measured.part is not None and measured.n:
            bound = bounds.upper(measured.part, measured.n)
        self._passed = RuleResult(Verdict.PASS, measured, limit=self._first, bound=bound)
        return self._passed

    def _exceeded(self, measured: SignalValue, value: float, t: float) -> RuleResult:
        if self._below and not measured.full:  # it may still become enough
            return RuleResult(Verdict.INCONCLUSIVE, measured, limit=self._first)
        if t - self._last > self._gap:
            self._start_anew()
        self._last = t
        bound = None
        if self._rule.bound and measured.part is not None and measured.n:
            value = bound = bounds.lower(measured.part, measured.n)
        gravest = held = -1
        for index, limit in enumerate(self._limits):
            if not self._over(value, limit.limit):
                self._since[index] = None
                continue
            since = self._since[index]
            if since is None:
                self._since[index] = since = t
            gravest = index
            if t - since >= limit.hold:
                held = index
        if gravest < 0:  # over a limit, and the bound is not: too few events to be sure
            return RuleResult(Verdict.PASS, measured, limit=self._first, bound=bound)
        top, level = self._limits[gravest], self._limits[held].level if held >= 0 else ""
        return RuleResult(
            LEVEL_VERDICT[level], measured, top.level, rolls_back=level == "rollback", pending=held < gravest, limit=top.limit,
            bound=bound, hold=top.hold, since=self._since[gravest] or 0.0,
        )  # fmt: skip


_NO_ROW, _NO_SAMPLE = too_little("no row was recorded yet"), too_little("no sample yet")
_NOTHING = RuleResult(Verdict.INCONCLUSIVE, _NO_SAMPLE)


class HostJudge:
    """The rules of a watch over one host. Feed it every sample in the order of time, from the first one.

    What was seen is kept in windows only, so a judge is as good after a restart of the controller, once it has been fed the
    samples of the journal. `look_s`: how far apart samples are on the watch's clock; more than `gap_looks` of it without one
    are a gap.
    """

    def __init__(self, book: RuleBook, host: str, look_s: float) -> None:
        self.book, self.host = book, host
        self._epoch = getter(book.epoch)
        self._states = [RuleState(rule, book.gap_looks * look_s + 1e-6) for rule in book.rules]
        # Rules and metrics that ask for the same signal over the same window share one measure.
        signals = {one.key: one for one in [rule.signal for rule in book.rules] + [one.signal for one in book.metrics]}
        self._measures = [
            (key, MEASURES[one.kind](one), one.entry.at_rows) for key, one in signals.items() if one.kind in MEASURES
        ]
        self._latest = {key: _NO_ROW if one.entry.at_rows else _NO_SAMPLE for key, one in signals.items()}
        self._maps = {one.name: getter(one.signal.entry.at) for one in book.metrics if one.signal.kind == "values"}
        self._values: dict[str, dict[str, float]] = {name: {} for name in self._maps}
        self._keys = [rule.signal.key for rule in book.rules]
        self._at_rows = [rule.signal.entry.at_rows for rule in book.rules]
        self._before: list[RuleResult] = [_NOTHING] * len(book.rules)
        self._judgements = [judgement(host, rule, _NOTHING, 0.0) for rule in book.rules]

    def take(self, sample: Sample) -> tuple[Judgement, ...]:
        """One Judgement for each rule of the book, in its order."""
        before = self._before
        for index, (result, was) in enumerate(zip(self.weigh(sample), before, strict=True)):
            if result is not was or result.pending:
                self._judgements[index] = judgement(self.host, self.book.rules[index], result, sample.t)
        return tuple(self._judgements)

    def weigh(self, sample: Sample) -> list[RuleResult]:
        """The same in figures only, for who judges millions of samples and words none of them."""
        if not sample.error:
            self._measure(sample)
        self._before = [self._result(index, sample) for index in range(len(self._states))]
        return self._before

    def _result(self, index: int, sample: Sample) -> RuleResult:
        latest = self._latest[self._keys[index]]
        if sample.row or not self._at_rows[index]:
            return self._states[index].judge(latest, sample.t, sample.error)
        before = self._before[index]  # as the last row left it
        return self._states[index].judge(latest, sample.t) if before is _NOTHING else before

    def metrics(self) -> dict[str, float | None]:
        """The metrics that points compare, as of the last sample; a map has one for each of its values. None: unknown."""
        found: dict[str, float | None] = {}
        for metric in self.book.metrics:
            if metric.name in self._maps:
                known: dict[str, float | None] = {
                    f"{metric.name}.{name}": one for name, one in self._values[metric.name].items()
                }
                found |= known or {metric.name: None}
            else:
                measured = self._latest[metric.signal.key]
                found[metric.name] = measured.value if measured.n is None or measured.n >= metric.least else None
        return found

    def _measure(self, sample: Sample) -> None:
        documents = sample.documents
        seen = SeenSample(documents, sample.t, sample.at, self._epoch(documents))
        for key, measure, at_rows in self._measures:
            if sample.row or not at_rows:
                self._latest[key] = measure(seen)
        for name, get in self._maps.items():
            self._values[name] = numbers(get(documents))


def judgement(host: str, rule: Rule, result: RuleResult, t: float) -> Judgement:
    """The result of a rule as the journal, the console and people get it: in words, with what a person does next."""
    measured, fine = result.measured, result.verdict is Verdict.PASS and not result.pending
    return Judgement(
        host=host,
        rule=rule.name,
        verdict=result.verdict,
        words=_sentence(rule, result, t) + ("" if fine else f". {rule.words}"),
        next="" if fine else rule.next,
        level=result.level,
        rolls_back=result.rolls_back,
        pending=result.pending,
        value=measured.value if rule.limits else None,
        unit=rule.signal.entry.unit,
        limit=result.limit,
        n=measured.n,
        bound=result.bound,
        window=rule.signal.window,
    )


def _sentence(rule: Rule, result: RuleResult, t: float) -> str:
    measured, what = result.measured, rule.signal.entry.words
    if rule.signal.kind == "looks":
        samples = f"{result.misses} sample{'s' if result.misses > 1 else ''} in a row failed: {measured.why}"
        return samples if result.misses else "the host answered"
    if measured.missing:
        many = f" ({result.misses} in a row; {rule.fail_after} are a failure)" if result.misses else ""
        return f"{what} could not be measured{many}: {measured.why}"
    if not rule.limits or rule.signal.kind in STATES:
        return f"{what}: {measured.why or 'not known yet'}{_basis(rule, measured.n)}"
    if measured.value is None:
        return f"{what} is not known yet: {measured.why}{_basis(rule, measured.n)}"
    text = f"{what} is {shown(measured.value, rule.signal.entry.unit)}{_basis(rule, measured.n)}{_limit(rule, result)}"
    if result.verdict is Verdict.INCONCLUSIVE:
        few = measured.n is not None and measured.n < rule.least
        text += (
            f"; at least {rule.least} are needed to judge" if few else "; the window has not been seen as a whole yet"
        )
    if result.pending:
        text += f"; so for {rulebook.words(t - result.since)} of {rulebook.words(result.hold)} now"
    return text + (f" ({measured.why})" if measured.why else "")


def _basis(rule: Rule, n: int | None) -> str:
    parts = [f"n {n}"] if n is not None else []
    parts += [f"window {rulebook.words(rule.signal.window)}"] if rule.signal.window else []
    return f" ({', '.join(parts)})" if parts else ""


def _limit(rule: Rule, result: RuleResult) -> str:
    if result.limit is None:
        return ""
    unit, over = rule.signal.entry.unit, "below" if rule.below else "above"
    text = f"; {result.level or rule.limits[0].level} {over} {shown(result.limit, unit)}"
    if result.bound is not None:
        side = "at least" if result.measured.value is not None and result.bound <= result.measured.value else "at most"
        text += f", with 95 % confidence {side} {shown(result.bound, unit)}"
    return text


def shown(value: float, unit: str) -> str:
    """A figure with its unit; a share as per cent."""
    if unit == "share":
        return f"{value * 100:.4g} %"
    if unit == "share/h":
        return f"{value * 100:.4g} % an hour"
    return f"{value:.6g} {unit}".rstrip()
