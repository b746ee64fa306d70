"""Judges one host of a watch, sample after sample: every rule over every sample, level by level, with hold times as Prometheus' `for:`."""

from cutover.agent.compare import dig
from cutover.core.samples import Judgement, Level, Sample
from cutover.core.verdict import Verdict
from cutover.inventory.schema import words
from cutover.monitor.rules import bounds
from cutover.monitor.rules.points import History
from cutover.monitor.rules.rulebook import STATES, Rule, RuleBook, shown
from cutover.monitor.rules.signals import MEASURES, SeenSample, SignalValue, missing, numbers, too_little

LEVEL_VERDICT = {"": Verdict.PASS, "warn": Verdict.WARN, "critical": Verdict.FAIL, "rollback": Verdict.FAIL}
VERDICT_LEVEL: dict[str, Level] = {"PASS": "", "WARN": "warn", "FAIL": "critical"}


class RuleState:
    """One rule on one host: since when each level has been exceeded, and how often nothing was measured."""

    def __init__(self, host: str, rule: Rule, gap: float) -> None:
        self.key, self.at_rows = rule.signal.key, rule.signal.entry.at_rows
        self._host, self._rule, self._limits, self._below = host, rule, rule.limits, rule.below
        self._gap, self._last = gap, 0.0  # when a level was last seen to be exceeded
        self._since: list[float | None] = [None] * len(rule.limits)
        self._misses = 0
        # The last value within all limits and what was said of it: most samples see what the last one saw.
        self._passed: tuple[SignalValue, Judgement] | None = None

    def judge(self, measured: SignalValue, t: float, error: str = "") -> Judgement:
        """The judgement of a measurement at this moment; `error` is why the sample failed, which a rule of its own judges."""
        if self._rule.signal.kind == "looks":
            return self._answered(error)
        if error:
            return self._say(Verdict.INCONCLUSIVE, missing(error))
        if self._passed is not None and self._passed[0] == measured:
            return self._passed[1]
        self._passed = None
        value = measured.value
        if value is None or (measured.n is not None and measured.n < self._rule.least):
            return self._unknown(measured)
        self._misses = 0
        if not self._limits:  # it is a verdict already
            return self._say(Verdict(measured.why), measured, VERDICT_LEVEL.get(measured.why, ""))
        over = self._over(value, self._limits[0].limit)  # mild limits come first
        return self._exceeded(measured, value, t) if over else self._within(measured)

    def _answered(self, error: str) -> Judgement:
        """The rule over the samples themselves: one that failed is a finding, several in a row are a failure."""
        self._misses = self._misses + 1 if error else 0
        measured = SignalValue(float(self._misses), why=error)
        verdict = Verdict.PASS
        if error:
            verdict = Verdict.FAIL if self._misses >= self._rule.fail_after else Verdict.WARN
        return self._say(verdict, measured, VERDICT_LEVEL[verdict])

    def _over(self, value: float, limit: float) -> bool:
        return value < limit if self._below else value > limit

    def _unknown(self, measured: SignalValue) -> Judgement:
        self._misses = self._misses + 1 if measured.missing else 0
        if measured.missing:
            why = f"{measured.why} ({self._misses} in a row; {self._rule.fail_after} are a failure)"
            measured = measured._replace(why=why)
        if self._misses >= self._rule.fail_after:
            return self._say(Verdict.FAIL, measured, "critical")
        return self._say(Verdict.INCONCLUSIVE, measured)

    def _within(self, measured: SignalValue) -> Judgement:
        """Within all limits, so hold times begin anew. What can only become more has not passed before its window was seen as a whole."""
        self._since = [None] * len(self._limits)
        if not measured.full and not self._below:
            return self._say(Verdict.INCONCLUSIVE, measured)
        bound = None
        if self._rule.bound and measured.part is not None and measured.n:
            bound = bounds.upper(measured.part, measured.n)
        passed = self._say(Verdict.PASS, measured, bound=bound)
        self._passed = measured, passed
        return passed

    def _exceeded(self, measured: SignalValue, value: float, t: float) -> Judgement:
        if self._below and not measured.full:  # it may still become enough
            return self._say(Verdict.INCONCLUSIVE, measured)
        if t - self._last > self._gap:  # it is not known to have been so all the time
            self._since = [None] * len(self._limits)
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
            return self._say(Verdict.PASS, measured, bound=bound)
        top, level = self._limits[gravest], self._limits[held].level if held >= 0 else ""
        pending = ""
        if held < gravest:
            pending = f"{words(t - (self._since[gravest] or 0.0))} of {words(top.hold)}"
        return self._say(
            LEVEL_VERDICT[level], measured, top.level, limit=top.limit, bound=bound, pending=pending, rolls_back=level == "rollback"
        )  # fmt: skip

    def _say(
        self, verdict: Verdict, measured: SignalValue, level: Level = "", *, limit: float | None = None, bound: float | None = None,
        pending: str = "", rolls_back: bool = False,
    ) -> Judgement:  # fmt: skip
        """The judgement, with what a person does next. `limit` is that of the level, or the first one where none is exceeded.

        `pending`: for how long it has been so, of how long.
        """
        rule, fine = self._rule, verdict is Verdict.PASS and not pending
        if limit is None and self._limits:
            limit = self._limits[0].limit
        if rule.signal.kind == "looks":
            misses = "1 sample" if measured.value == 1 else f"{measured.value:g} samples"
            found = f"{misses} in a row failed: {measured.why}" if measured.value else "the host answered"
        elif measured.missing:
            found = f"{rule.signal.entry.words} could not be measured: {measured.why}"
        else:
            found = self._found(verdict, measured, level, limit, bound, pending)
        return Judgement(
            host=self._host, rule=rule.name, verdict=verdict, words=found if fine else f"{found}. {rule.words}",
            next="" if fine else rule.next, level=level, rolls_back=rolls_back, pending=bool(pending),
            value=measured.value if self._limits else None, unit=rule.signal.entry.unit, limit=limit, n=measured.n, bound=bound,
            window=rule.signal.window,
        )  # fmt: skip

    def _found(
        self, verdict: Verdict, measured: SignalValue, level: Level, limit: float | None, bound: float | None, pending: str
    ) -> str:  # fmt: skip
        """What was measured, on what it rests, and what it is held against."""
        rule, value, n = self._rule, measured.value, measured.n
        parts = [f"n {n}"] if n is not None else []
        parts += [f"window {words(rule.signal.window)}"] if rule.signal.window else []
        what, basis, unit = rule.signal.entry.words, f" ({', '.join(parts)})" if parts else "", rule.signal.entry.unit
        if limit is None or rule.signal.kind in STATES:
            return f"{what}: {measured.why or 'not known yet'}{basis}"
        if value is None:
            return f"{what} is not known yet: {measured.why}{basis}"
        side = "below" if self._below else "above"
        text = f"{what} is {shown(value, unit)}{basis}; {level or self._limits[0].level} {side} {shown(limit, unit)}"
        if bound is not None:
            text += f", with 95 % confidence {'at least' if bound <= value else 'at most'} {shown(bound, unit)}"
        if verdict is Verdict.INCONCLUSIVE:
            few = f"at least {rule.least} are needed to judge"
            text += f"; {few if n is not None and n < rule.least else 'the window has not been seen as a whole yet'}"
        if pending:
            text += f"; so for {pending} now"
        return text + (f" ({measured.why})" if measured.why else "")


_NO_ROW, _NO_SAMPLE = too_little("no row was recorded yet"), too_little("no sample yet")


class HostJudge:
    """The rules of a watch over one host. Feed it every sample in the order of time, from the first one.

    What was seen is kept in windows only, so a judge is as good after a restart of the controller, once it has been fed the
    samples of the journal. `look_s`: how far apart samples are on the watch's clock; more than `gap_looks` of it without one
    are a gap.
    """

    def __init__(self, book: RuleBook, host: str, look_s: float) -> None:
        self.book = book
        self._states = [RuleState(host, rule, book.gap_looks * look_s + 1e-6) for rule in book.rules]
        # Rules and metrics that ask for the same signal over the same window share one measure.
        signals = {one.key: one for one in [rule.signal for rule in book.rules] + [one.signal for one in book.metrics]}
        self._measures = [
            (key, MEASURES[one.kind](one), one.entry.at_rows) for key, one in signals.items() if one.kind in MEASURES
        ]
        self._latest = {key: _NO_ROW if one.entry.at_rows else _NO_SAMPLE for key, one in signals.items()}
        self._maps = {one.name: one.signal.entry.at for one in book.metrics if one.signal.kind == "values"}
        self._values: dict[str, dict[str, float]] = {name: {} for name in self._maps}
        self._before: tuple[Judgement | None, ...] = (None,) * len(book.rules)
        self._history = History()

    def take(self, sample: Sample) -> tuple[Judgement, ...]:
        """One Judgement for each rule of the book, in its order."""
        if not sample.error:
            self._measure(sample)
        judged = tuple(self._judge(*one, sample) for one in zip(self._states, self._before, strict=True))
        self._before = judged
        self._history.take(judged)
        if sample.row:
            self._history.row = judged
        return judged

    @property
    def history(self) -> History:
        """What this host brings to a decision point now."""
        self._history.metrics = self.metrics()
        return self._history

    def _judge(self, state: RuleState, before: Judgement | None, sample: Sample) -> Judgement:
        """By one rule. Between rows, what only rows have is as the last row left it."""
        latest = self._latest[state.key]
        if sample.row or not state.at_rows:
            return state.judge(latest, sample.t, sample.error)
        return before or state.judge(latest, sample.t)

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
        seen = SeenSample(documents, sample.t, sample.at, dig(documents, self.book.epoch))
        for key, measure, at_rows in self._measures:
            if sample.row or not at_rows:
                self._latest[key] = measure(seen)
        for name, at in self._maps.items():
            self._values[name] = numbers(dig(documents, at))
