"""Judges one host of a watch, sample after sample: every rule over every look."""

from collections.abc import Callable, Mapping

from cutover.core.samples import Judgement, Sample
from cutover.core.verdict import Verdict
from cutover.monitor.rules import counters, signals
from cutover.monitor.rules.levels import Finding, Ladder, Looks
from cutover.monitor.rules.reading import Meter, Moment, Reading, getter, too_little
from cutover.monitor.rules.rulebook import Kind, RuleBook, Signal
from cutover.monitor.rules.signals import numbers
from cutover.monitor.rules.wording import judgement

# The one place where a signal gets its meter.

_METERS: Mapping[Kind, Callable[[Signal], Meter]] = {
    "value": signals.Value,
    "count": signals.Count,
    "differs": signals.Differs,
    "verdict": signals.Verdicts,
    "stuck": signals.Stuck,
    "without": signals.Without,
    "fell": signals.Fell,
    "drift": signals.Drift,
    "mean": counters.Mean,
    "share": counters.Share,
    "increase": counters.Increase,
    "busy": counters.Busy,
    "restarts": counters.Restarts,
    "growth": counters.Growth,
}


def meter(signal: Signal) -> Meter:
    """A new meter for a signal; none for `looks` and `values`, which the judge sees by itself."""
    return _METERS[signal.kind](signal)


_NO_ROW = too_little("no row was recorded yet")
_NOTHING = Finding(Verdict.INCONCLUSIVE, too_little("no look yet"))


class HostJudge:
    """The rules of a watch over one host. Feed it every sample in the order of time, from the first one.

    What was seen is kept in windows only, so a judge is as good after a restart of the controller, once it has been fed the
    samples of the journal. `look_s`: how far apart looks are on the watch's clock; more than `gap_looks` of it without one are a gap.
    """

    def __init__(self, book: RuleBook, host: str, look_s: float) -> None:
        self.book, self.host = book, host
        gap = book.gap_looks * look_s + 1e-6
        self._epoch = getter(book.epoch)
        self._meters: list[tuple[Meter, bool]] = []
        places: dict[tuple[str, float, float], int] = {}
        self._readings: list[Reading] = []
        self._ladders: list[tuple[Ladder | Looks, int, bool]] = []
        for rule in book.rules:
            if rule.signal.kind == "looks":
                self._ladders.append((Looks(rule), -1, False))
            else:
                self._ladders.append((Ladder(rule, gap), self._place(rule.signal, places), rule.signal.rows))
        self._findings: list[Finding | None] = [None] * len(book.rules)
        self._before: list[Finding] = [_NOTHING] * len(book.rules)
        self._told = [judgement(host, rule, _NOTHING, 0.0) for rule in book.rules]
        self._metrics = [
            (metric, getter(metric.signal.entry.at), -1)
            if metric.signal.kind == "values"
            else (metric, None, self._place(metric.signal, places))
            for metric in book.metrics
        ]
        self._values: dict[str, dict[str, float]] = {}

    def _place(self, signal: Signal, places: dict[tuple[str, float, float], int]) -> int:
        """Rules and metrics that ask for the same signal over the same window share one meter."""
        if signal.key not in places:
            places[signal.key] = len(self._meters)
            self._meters.append((meter(signal), signal.rows))
            self._readings.append(_NO_ROW if signal.rows else too_little("no look yet"))
        return places[signal.key]

    def take(self, sample: Sample) -> tuple[Judgement, ...]:
        """One Judgement for each rule of the book, in its order."""
        findings = self.weigh(sample)
        for index, (finding, before) in enumerate(zip(findings, self._before, strict=True)):
            if finding is not before or finding.pending:
                self._told[index] = judgement(self.host, self.book.rules[index], finding, sample.t)
        self._before = findings
        return tuple(self._told)

    def weigh(self, sample: Sample) -> list[Finding]:
        """The same in figures only, for who judges millions of samples and words none of them."""
        if not sample.error:
            self._measure(sample)
        return [self._finding(index, sample) for index in range(len(self._ladders))]

    def metrics(self) -> dict[str, float | None]:
        """The metrics that points compare, as of the last sample; a map has one for each of its values. None: unknown."""
        found: dict[str, float | None] = {}
        for metric, get, place in self._metrics:
            if get is not None:
                values = self._values.get(metric.name, {})
                found |= {f"{metric.name}.{name}": value for name, value in values.items()}
                if not values:
                    found[metric.name] = None
                continue
            reading = self._readings[place]
            enough = reading.n is None or reading.n >= metric.least
            found[metric.name] = reading.value if enough else None
        return found

    def _measure(self, sample: Sample) -> None:
        documents = sample.documents
        moment = Moment(documents, sample.t, sample.at, self._epoch(documents))
        row, readings = sample.row, self._readings
        for place, (one, rows) in enumerate(self._meters):
            if row or not rows:
                readings[place] = one.take(moment)
        for metric, get, _ in self._metrics:
            if get is not None:
                self._values[metric.name] = numbers(get(documents))

    def _finding(self, index: int, sample: Sample) -> Finding:
        ladder, place, rows = self._ladders[index]
        if isinstance(ladder, Looks):
            return ladder.judge(sample.error)
        if rows and not sample.row:  # as the last row left it
            kept = self._findings[index]
            return kept or ladder.judge(self._readings[place], sample.t)
        error = sample.error
        finding = ladder.not_looked(error) if error else ladder.judge(self._readings[place], sample.t)
        if rows:
            self._findings[index] = finding
        return finding
