"""One host of a watch: its figures, its verdicts over time, what was found of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cutover.console.values import follow
from cutover.core.numbers import is_number
from cutover.core.samples import Judgement, Sample
from cutover.core.verdict import Verdict
from cutover.monitor.views.events import Finding, When
from cutover.monitor.views.figures import Gauge, Series
from cutover.timeline.presented import Signal, Watched


class Point(NamedTuple):
    """A judged value: when, how much in the signal's own unit, what was said of it, whether in a recorded row."""

    t: float
    value: float
    verdict: Verdict
    row: bool
    words: str


@dataclass
class Stretch:
    """From when until when a verdict stood; None is a stretch in which the host could not be looked at."""

    start: float
    end: float
    verdict: Verdict | None


@dataclass
class HostWatch:
    """Everything that a watch knows of a host."""

    name: str
    shown: Watched
    samples: int = 0
    missed: int = 0
    error: str = ""  # why the newest look failed; empty where it did not
    verdict: Verdict | None = None
    series: dict[str, Series] = field(default_factory=dict)
    values: dict[str, Series] = field(default_factory=dict)  # the service's own named values
    points: dict[str, list[Point]] = field(default_factory=dict)  # by the name of the signal
    stretches: list[Stretch] = field(default_factory=list)
    judged: dict[str, tuple[float, Judgement]] = field(default_factory=dict)  # the newest of each rule, and when
    judged_at: float = 0.0
    open: dict[str, Finding] = field(default_factory=dict)  # by rule
    first: Mapping[str, Any] | None = None  # the documents of the first look, and of the newest, that had named values
    last: Mapping[str, Any] | None = None
    gauges: dict[str, Gauge] = field(default_factory=dict)
    _judged: When | None = None

    def __post_init__(self) -> None:
        for signal in self.shown.signals:
            self.series[signal.name] = Series()
            self.points[signal.name] = []
            if signal.raw is not None:
                self.gauges[signal.name] = Gauge(signal.raw)

    def look(self, sample: Sample) -> None:
        """Take a sample in. A look that failed measured nothing, and says so in every series."""
        self.samples += 1
        self.missed += bool(sample.error)
        self.error = sample.error
        for name, gauge in self.gauges.items():
            seen = None if sample.error else gauge.take(sample.documents, sample.at, sample.t)
            self.series[name].add(sample.t, seen)
        named = follow(sample.documents, self.shown.values.split(".")) if self.shown.values else None
        known = {name: value for name, value in named.items() if is_number(value)} if isinstance(named, dict) else {}
        for name in {**self.values, **known}:
            self.values.setdefault(name, Series()).add(sample.t, known.get(name))
        if known:
            self.first, self.last = self.first or sample.documents, sample.documents

    def judge(self, when: When, verdict: Verdict, judgements: Sequence[Judgement], *, row: bool) -> list[Finding]:
        """Take what the rules said; gives the findings that are new. What is not named in a look is PASS."""
        before, self._judged = self._judged, when
        self.verdict, self.judged_at = verdict, when.t
        self._stretch(when.t, verdict)
        named = {one.rule: one for one in judgements}
        self.judged |= {rule: (when.t, one) for rule, one in named.items()}
        for signal in self.shown.signals:
            judged = named.get(signal.rule)
            if judged is not None and judged.value is not None:
                value = in_unit(signal, judged, judged.value)
                self.points[signal.name].append(Point(when.t, value, judged.verdict, row, judged.words))
        fresh = [self._found(when, one, before) for one in judgements if one.verdict is not Verdict.PASS]
        for rule in [rule for rule in self.open if rule not in named or named[rule].verdict is Verdict.PASS]:
            self.open.pop(rule).over = when
        return [finding for finding in fresh if finding is not None]

    def blind(self, start: float, end: float) -> None:
        """Nobody looked in between: no line is drawn across, and no verdict stands there."""
        for series in (*self.series.values(), *self.values.values()):
            series.add(max(start, series.times[-1] if series.times else start), None)
        if self.samples:
            self._stretch(start, None)
            self._stretch(end, None)

    def figure(self, signal: Signal) -> tuple[float | None, int | None]:
        """The newest value of a signal and on how much it rests: as it was judged just now, else as measured, else as judged before."""
        when, judged = self.judged.get(signal.rule, (0.0, None))
        value = None if judged is None or judged.value is None else in_unit(signal, judged, judged.value)
        if judged is not None and value is not None and when == self.judged_at:
            return value, judged.n if signal.counted else None
        if signal.raw is not None:
            return self.series[signal.name].latest, None
        return value, None

    def _found(self, when: When, judged: Judgement, before: When | None) -> Finding | None:
        known = self.open.get(judged.rule)
        if known is None:
            self.open[judged.rule] = Finding(self.name, judged.rule, when, when, judged, judged, before)
            return self.open[judged.rule]
        known.last, known.latest, known.looks = when, judged, known.looks + 1
        if judged.verdict.severity > known.worst.verdict.severity:
            known.worst = judged
        return None

    def _stretch(self, t: float, verdict: Verdict | None) -> None:
        if self.stretches:
            self.stretches[-1].end = max(t, self.stretches[-1].end)
        if not self.stretches or self.stretches[-1].verdict is not verdict:
            self.stretches.append(Stretch(t, t, verdict))


def in_unit(signal: Signal, judged: Judgement, value: float) -> float:
    """A judgement's value in the unit of the signal."""
    return value * signal.units.get(judged.unit, 1.0)
