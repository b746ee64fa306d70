"""A watch as its journal has it, record by record: live, as the journal is written, or from the file afterwards."""

import math
from array import array
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from cutover.agent.compare import dig
from cutover.core.numbers import is_number
from cutover.core.samples import Judgement, Sample
from cutover.core.times import moment, written
from cutover.core.verdict import Verdict, worst
from cutover.journal.record import BrokenChain, Record, parse
from cutover.monitor.rules.rulebook import Cadence
from cutover.monitor.rules.signals import ResettingCounter, getter, summed
from cutover.monitor.state import Hold, WatchState, When
from cutover.monitor.views.text import called
from cutover.timeline.presented import Raw, ShownSignal, WatchDisplay
from cutover.timeline.timeline import Integrity

Data = dict[str, Any]


class Series:
    """A figure over the watch's clock. What was not measured is NaN, so that a line breaks there."""

    def __init__(self) -> None:
        self.times = array("d")
        self.values = array("d")

    def add(self, t: float, value: float | None) -> None:
        """One more moment."""
        self.times.append(t)
        self.values.append(math.nan if value is None else value)

    def __iter__(self) -> Iterator[tuple[float, float]]:
        return iter(zip(self.times, self.values, strict=True))

    @property
    def latest(self) -> float | None:
        """The newest value; None where the newest sample did not measure it."""
        return self.values[-1] if self.values and not math.isnan(self.values[-1]) else None


class Gauge:
    """Turns samples into one figure, as its description says. Counters that begin anew (a restart) go on from where they were."""

    def __init__(self, raw: Raw) -> None:
        self._raw, self._at, self._of = raw, summed(raw.at), summed(raw.of)
        self._first, self._second = ResettingCounter(), ResettingCounter()
        self._known: deque[tuple[float, float, float]] = deque()  # (t, at, of), the oldest before the window first
        self._value: Any = None
        self._changes = -1

    def take(self, documents: Mapping[str, Any], at: float, t: float) -> float | None:
        """The figure at this sample; None where it cannot be measured."""
        if self._raw.how == "changes":
            found = getter(self._raw.at[0])(documents)
            if found in (None, ""):
                return None
            self._changes += found != self._value
            self._value = found
            return float(self._changes)
        value, whole = self._at(documents), self._of(documents)
        if value is None or whole is None:
            return None
        if self._raw.how == "value":
            return self._raw.times * value
        place = at if self._raw.how == "busy" else self._second.take(whole, None)
        self._known.append((t, self._first.take(value, None), place))
        while len(self._known) > 2 and self._known[1][0] <= t - self._raw.window_s:
            self._known.popleft()
        _, first, begin = self._known[0]
        return self._raw.times * (self._first.total - first) / (place - begin) if place > begin else None


class JudgedValue(NamedTuple):
    """A judged value: when, how much in the signal's own unit, the verdict, whether in a recorded row."""

    t: float
    value: float
    verdict: Verdict
    row: bool


@dataclass
class VerdictSpan:
    """From when until when a verdict stood; None is a stretch without samples."""

    start: float
    end: float
    verdict: Verdict | None


@dataclass(frozen=True)
class Gap:
    """A stretch of the watch without samples."""

    start: float
    end: float
    from_at: str
    to_at: str
    why: str


@dataclass(frozen=True)
class Decision:
    """A decision point that was reached, or a hold: what it came to, what was decided, why."""

    when: When
    name: str
    verdict: Verdict
    answer: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class NoticeEntry:
    """A notice, over which channels it went out, and why not over others."""

    when: When
    event: str
    severity: str
    roles: tuple[str, ...]
    sent: tuple[str, ...]
    unsent: tuple[tuple[str, str], ...]
    subject: str
    why: str  # why nobody was notified at all; empty where somebody was

    @classmethod
    def of(cls, when: When, data: Data) -> "NoticeEntry":
        """As a journal keeps it."""
        return cls(
            when, called(str(data["event"])), str(data.get("severity", "")), tuple(data.get("roles", ())),
            tuple(data.get("sent", ())), tuple(data.get("failed", {}).items()), str(data.get("subject", "")), str(data.get("why", "")),
        )  # fmt: skip


@dataclass(frozen=True)
class Trigger:
    """A rule that rolled the fleet back."""

    when: When
    host: str
    rule: str
    words: str


@dataclass
class RuleFinding:
    """A rule that was not PASS on a host, sample after sample: from its first to its last, and the worst of it."""

    host: str
    rule: str
    first: When
    last: When
    worst: Judgement
    latest: Judgement
    before: When | None = None  # the last sample at which the host was judged and this was well
    looks: int = 1
    over: When | None = None  # the first sample at which it was well again

    @property
    def verdict(self) -> Verdict:
        """The worst that it was."""
        return self.worst.verdict


@dataclass(frozen=True)
class HostRow:
    """What was recorded of one host: verdict, the figures by the signal's name, every judgement."""

    host: str
    when: When
    verdict: Verdict
    figures: dict[str, float | None]
    ns: dict[str, int | None]
    judgements: tuple[Judgement, ...] = ()
    error: str = ""

    @property
    def status(self) -> Verdict:
        """The verdict; INCONCLUSIVE for a host that did not answer."""
        return Verdict.INCONCLUSIVE if self.error else self.verdict


@dataclass
class FleetRow:
    """One recorded row of the fleet: the hosts that were sampled together (`look_t` says when)."""

    when: When
    look_t: float
    rows: dict[str, HostRow] = field(default_factory=dict)


@dataclass
class HostWatch:
    """One host of a watch: its figures, its verdicts over time, what was found."""

    name: str
    shown: WatchDisplay
    samples: int = 0
    missed: int = 0
    error: str = ""  # why the newest sample failed; empty where it did not
    verdict: Verdict | None = None
    series: dict[str, Series] = field(default_factory=dict)
    values: dict[str, float | None] = field(default_factory=dict)  # the newest of the service's own named values
    points: dict[str, list[JudgedValue]] = field(default_factory=dict)  # by the name of the signal
    stretches: list[VerdictSpan] = field(default_factory=list)
    judged: dict[str, tuple[float, Judgement]] = field(default_factory=dict)  # the newest of each rule, and when
    judged_at: When | None = None
    open: dict[str, RuleFinding] = field(default_factory=dict)  # by rule
    first: Mapping[str, Any] | None = (
        None  # the documents of the first sample, and of the newest, that had named values
    )
    last: Mapping[str, Any] | None = None
    gauges: dict[str, Gauge] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for signal in self.shown.signals:
            self.series[signal.name], self.points[signal.name] = Series(), []
            if signal.raw is not None:
                self.gauges[signal.name] = Gauge(signal.raw)

    @property
    def status(self) -> Verdict:
        """The newest verdict; INCONCLUSIVE for a host that did not answer."""
        return Verdict.INCONCLUSIVE if self.error or self.verdict is None else self.verdict

    def sample(self, sample: Sample) -> None:
        """Take a sample in. One that failed measured nothing, and says so in every series."""
        self.samples += 1
        self.missed += bool(sample.error)
        self.error = sample.error
        for name, gauge in self.gauges.items():
            self.series[name].add(sample.t, None if sample.error else gauge.take(sample.documents, sample.at, sample.t))
        named = dig(sample.documents, self.shown.values) if self.shown.values else None
        known = {name: value for name, value in named.items() if is_number(value)} if isinstance(named, dict) else {}
        self.values = {**dict.fromkeys(self.values), **known}
        if known:
            self.first, self.last = self.first or sample.documents, sample.documents

    def judge(self, when: When, verdict: Verdict, judgements: Sequence[Judgement], *, row: bool) -> list[RuleFinding]:
        """Take what the rules said; gives the findings that are new. What is not named in a sample is PASS."""
        before, self.judged_at, self.verdict = self.judged_at, when, verdict
        self._stretch(when.t, verdict)
        named = {one.rule: one for one in judgements}
        self.judged |= {rule: (when.t, one) for rule, one in named.items()}
        for signal in self.shown.signals:
            judged = named.get(signal.rule)
            if judged is not None and judged.value is not None:
                self.points[signal.name].append(JudgedValue(when.t, _in_unit(signal, judged), judged.verdict, row))
        fresh = [self._found(when, one, before) for one in judgements if one.verdict is not Verdict.PASS]
        for rule in [rule for rule in self.open if rule not in named or named[rule].verdict is Verdict.PASS]:
            self.open.pop(rule).over = when
        return [finding for finding in fresh if finding is not None]

    def gap(self, start: float, end: float) -> None:
        """No samples in between: no line is drawn across, and no verdict stands there."""
        for series in self.series.values():
            series.add(max(start, series.times[-1] if series.times else start), None)
        if self.samples:
            self._stretch(start, None)
            self._stretch(end, None)

    def figure(self, signal: ShownSignal) -> tuple[float | None, int | None]:
        """The newest value of a signal and on how much it rests: as it was judged just now, else as measured, else as judged before."""
        t, judged = self.judged.get(signal.rule, (0.0, None))
        value = None if judged is None or judged.value is None else _in_unit(signal, judged)
        if judged is not None and value is not None and self.judged_at is not None and t == self.judged_at.t:
            return value, judged.n if signal.counted else None
        return (self.series[signal.name].latest if signal.raw is not None else value), None

    def _found(self, when: When, judged: Judgement, before: When | None) -> RuleFinding | None:
        known = self.open.get(judged.rule)
        if known is None:
            self.open[judged.rule] = RuleFinding(self.name, judged.rule, when, when, judged, judged, before)
            return self.open[judged.rule]
        known.last, known.latest, known.looks = when, judged, known.looks + 1
        if judged.verdict.severity > known.worst.verdict.severity:
            known.worst = judged
        return None

    def _stretch(self, t: float, verdict: Verdict | None) -> None:
        if self.stretches:
            self.stretches[-1].end = max(t, self.stretches[-1].end)
        if not self.stretches or self.stretches[-1].verdict is not verdict:
            self.stretches.append(VerdictSpan(t, t, verdict))


def _in_unit(signal: ShownSignal, judged: Judgement) -> float:
    """A judgement's value in the unit of the signal."""
    return (judged.value or 0.0) * signal.units.get(judged.unit, 1.0)


@dataclass
class WatchStory(WatchState):
    """Give it each record. It keeps figures, not samples: a day of ten hosts fits."""

    shown: WatchDisplay = field(default_factory=WatchDisplay)
    run: str = ""
    environment: str = ""
    hosts: dict[str, HostWatch] = field(default_factory=dict)
    cadence: Cadence | None = None
    due: tuple[tuple[str, float], ...] = ()  # the decision points that were declared
    look_s: float = 0.0
    limits: Mapping[str, Mapping[str, Mapping[str, float]]] = field(
        default_factory=dict
    )  # rule -> level -> limit, for_s
    now: When | None = None  # the newest record
    groups: list[FleetRow] = field(default_factory=list)
    findings: list[RuleFinding] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    decided: list[Decision] = field(default_factory=list)
    notices: list[NoticeEntry] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    rollback: When | None = None
    reasons: tuple[str, ...] = ()  # why it rolled the fleet back
    back: When | None = None  # the rollback has ended
    back_code: int | None = None
    finished: When | None = None
    final: Verdict | None = None  # of its last samples, once it has ended
    end_word: str = ""  # why it ended
    exit_code: int | None = None
    odd: list[str] = field(default_factory=list)  # records that could not be read

    def take(self, record: Record) -> list[RuleFinding]:
        """Take one more record in; gives the findings that it began. One that is not as expected is noted, and ends nothing."""
        known = len(self.findings)
        try:
            self.now = self.when(record)
            self(record)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as odd:
            self.odd.append(f"record {record.seq} ({record.kind}) cannot be shown: {odd!r}")
        return self.findings[known:]

    @property
    def waiting(self) -> Hold | None:
        """The hold that a person is waited for in."""
        return self.hold if self.rollback is None and self.end_word in ("", "held") else None

    @property
    def fleet(self) -> Verdict:
        """The worst of the newest verdicts."""
        return worst(host.status for host in self.hosts.values())

    @property
    def end(self) -> float:
        """How far it has come, on its own clock."""
        return self.now.t if self.now else 0.0

    def clock(self, now: datetime) -> float:
        """The watch's clock at a real moment, from the newest record on."""
        if self.now is None:
            return 0.0
        if self.finished is not None:
            return self.finished.t
        return self.now.t + max(0.0, (now - moment(self.now.at)).total_seconds()) * self.scale

    def real_s(self, seconds: float) -> float:
        """Seconds of the watch's clock as seconds of real time."""
        return seconds / (self.scale or 1.0)

    def host(self, name: str) -> HostWatch:
        """A host by name; one that the start did not name is added."""
        return self.hosts.setdefault(name, HostWatch(name, self.shown))

    def when(self, record: Record) -> When:
        """Both times of a record. One without a time of the watch has that which the clock showed then."""
        t = record.data.get("t", record.data.get("look_t"))
        return When(record.at, float(t) if isinstance(t, int | float) else self.clock(moment(record.at)))

    def _watch_started(self, when: When, data: Data) -> None:
        super()._watch_started(when, data)
        self.run, self.environment = str(data["run"]), str(data["environment"])
        for name in data["hosts"]:
            self.host(name)
        self.cadence = Cadence(tuple((float(until), float(every)) for until, every in data["cadence"]))
        self.due = tuple((called(one["name"]), float(one["at"])) for one in data["points"])
        self.limits, self.look_s = data["rules"]["rules"], float(data["look_s"])

    def _watch_resumed(self, _when: When, _data: Data) -> None:
        self.finished, self.final, self.exit_code, self.end_word = None, None, None, ""

    def _watch_gap(self, when: When, data: Data) -> None:
        super()._watch_gap(when, data)
        ends = (float(data["from_t"]), float(data["to_t"]))
        self.gaps.append(Gap(*ends, _iso(data["from_at"]), _iso(data["to_at"]), str(data["why"])))
        for host in self.hosts.values():
            host.gap(*ends)

    def _sample(self, _when: When, data: Data) -> None:
        sample = Sample.from_json(data)
        self.host(sample.host).sample(sample)

    def _judged(self, when: When, data: Data) -> None:
        super()._judged(when, data)
        host = self.host(data["host"])
        judgements = tuple(Judgement.from_json(one) for one in data["judgements"])
        self.findings += host.judge(when, Verdict(data["verdict"]), judgements, row=bool(data["row"]))
        if not data["row"]:
            return
        found = {signal.name: host.figure(signal) for signal in self.shown.signals}
        figures, ns = {name: value for name, (value, _) in found.items()}, {name: n for name, (_, n) in found.items()}
        row = HostRow(host.name, when, Verdict(data["verdict"]), figures, ns, judgements, host.error)
        look_t = float(data.get("look_t", when.t))
        if not self.groups or host.name in self.groups[-1].rows or look_t != self.groups[-1].look_t:
            self.groups.append(FleetRow(when, look_t))
        self.groups[-1].rows[host.name] = row

    def _point(self, when: When, data: Data) -> None:
        super()._point(when, data)
        reasons = tuple(
            f"{one['host']}: {one['words']}" if isinstance(one, dict) else str(one) for one in data["reasons"]
        )
        decision = Decision(when, called(data["name"]), Verdict(data["verdict"]), called(data["answer"]), reasons)
        self.decided.append(decision)

    def _notice(self, when: When, data: Data) -> None:
        self.notices.append(NoticeEntry.of(when, data))

    def _trigger(self, when: When, data: Data) -> None:
        self.triggers.append(Trigger(when, str(data["host"]), str(data["rule"]), str(data["words"])))

    def _rollback_started(self, when: When, data: Data) -> None:
        self.rollback, self.reasons = when, tuple(str(reason) for reason in data.get("reasons", ()))

    def _rollback_finished(self, when: When, data: Data) -> None:
        self.back, self.back_code = when, int(data["exit_code"])

    def _watch_finished(self, when: When, data: Data) -> None:
        self.finished, self.final, self.exit_code = when, Verdict(data["verdict"]), int(data["exit_code"])
        self.end_word = str(data.get("end", ""))


def _iso(at: object) -> str:
    """A time as ISO 8601, also where it was kept as Unix seconds."""
    return written(datetime.fromtimestamp(at, UTC)) if isinstance(at, int | float) else str(at)


def read_watch(path: Path, shown: WatchDisplay) -> tuple[WatchStory, Integrity] | None:
    """The watch of a run and whether its journal can be trusted; None where there was no watch."""
    if not path.exists():
        return None
    story, count, head, broken = WatchStory(shown=shown), 0, "", ""
    with path.open(newline="\n") as file:
        try:
            for record in parse(file, path.name):
                story.take(record)
                count, head = record.seq, record.hash
        except BrokenChain as found:
            broken = str(found)
    return story, Integrity(count, head, broken, _torn(path))


def _torn(path: Path) -> bool:
    """Whether the last line was cut off while it was written."""
    with path.open("rb") as file:
        if not file.seek(0, 2):
            return False
        file.seek(-1, 2)
        return file.read(1) != b"\n"
