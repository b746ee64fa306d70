"""A watch as its journal has it, record by record: live, as the journal is written, or from the file afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cutover.agent.compare import dig
from cutover.console.text import names, span
from cutover.core.samples import Judgement, Sample
from cutover.core.times import moment
from cutover.core.verdict import Verdict, worst
from cutover.journal.record import BrokenChain, Record, parse
from cutover.monitor.rules.rulebook import Cadence
from cutover.monitor.state import Hold, WatchState, When
from cutover.monitor.views.text import called, hour
from cutover.timeline.presentation import ShownSignal, WatchDisplay
from cutover.timeline.timeline import Integrity

Data = dict[str, Any]


@dataclass(frozen=True)
class Gap:
    """A stretch of the watch without samples."""

    start: float
    end: float
    why: str


@dataclass(frozen=True)
class Event:
    """Something that happened, as live view, table and report say it; `what` is one word, or a verdict."""

    when: When
    what: str
    words: str
    host: str = ""


@dataclass(frozen=True)
class Decision:
    """A decision point that was reached: what it came to, and what was decided."""

    when: When
    name: str
    verdict: Verdict
    answer: str


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

    @property
    def words(self) -> str:
        """Where and what it is now."""
        return f"{self.host}: {self.rule}: {self.latest.words}"


@dataclass(frozen=True)
class HostRow:
    """What was recorded of one host: the verdict, and every judgement; `notes` are for people."""

    host: str
    when: When
    verdict: Verdict
    judgements: tuple[Judgement, ...] = ()
    notes: tuple[str, ...] = ()

    def figure(self, signal: ShownSignal) -> tuple[float | None, int | None]:
        """A figure in the unit in which it is shown, and on how many events it rests where that is counted."""
        judged = next((one for one in self.judgements if one.rule == signal.rule and one.value is not None), None)
        if judged is None or judged.value is None:
            return None, None
        return judged.value * signal.times, judged.n if signal.counted else None


@dataclass
class FleetRow:
    """One recorded row of the fleet: the hosts that were sampled together."""

    when: When
    rows: dict[str, HostRow] = field(default_factory=dict)


@dataclass
class HostWatch:
    """One host of a watch: its figures, its verdict, what was found."""

    name: str
    shown: WatchDisplay
    samples: int = 0
    missed: int = 0
    error: str = ""  # why the newest sample failed; empty where it did not
    verdict: Verdict = Verdict.INCONCLUSIVE  # the newest
    judged_at: When | None = None
    # By rule, each sample's (t, figure in the unit in which it is shown); None where it was not measured, so that a line breaks there.
    series: dict[str, list[tuple[float, float | None]]] = field(default_factory=dict)
    open: dict[str, RuleFinding] = field(default_factory=dict)  # by rule
    newest: Mapping[str, Any] | None = (
        None  # the documents of the newest sample that had the service's own named values
    )

    def sample(self, sample: Sample) -> None:
        """Take a sample in."""
        self.samples += 1
        self.missed += bool(sample.error)
        self.error = sample.error
        if self.shown.values and dig(sample.documents, self.shown.values):
            self.newest = sample.documents

    def judge(
        self, when: When, verdict: Verdict, judgements: Sequence[Judgement], figures: Mapping[str, float]
    ) -> list[RuleFinding]:
        """Take what the rules said; gives the findings that are new. What is not named in a sample is PASS."""
        before, self.judged_at, self.verdict = self.judged_at, when, verdict
        for signal in self.shown.signals:
            figure = figures.get(signal.rule)
            self.series.setdefault(signal.rule, []).append((when.t, None if figure is None else figure * signal.times))
        bad = {one.rule: one for one in judgements if one.verdict is not Verdict.PASS}
        for rule in self.open.keys() - bad.keys():
            self.open.pop(rule).over = when
        fresh = [
            RuleFinding(self.name, rule, when, when, one, one, before)
            for rule, one in bad.items()
            if rule not in self.open
        ]
        for rule, known in self.open.items():
            known.last, known.latest, known.looks = when, bad[rule], known.looks + 1
            known.worst = max(known.worst, bad[rule], key=lambda one: one.verdict.severity)
        self.open |= {one.rule: one for one in fresh}
        return fresh

    def figure(self, signal: ShownSignal) -> float | None:
        """The newest value of a signal."""
        return self.series[signal.rule][-1][1] if signal.rule in self.series else None


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
    live_s: float = 0.0  # how long it lasts
    once: bool = False  # whether it goes on by single samples
    # Of each rule and level: limit, for_s.
    limits: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    now: When = field(default_factory=lambda: When("", 0.0))  # the newest record
    groups: list[FleetRow] = field(default_factory=list)
    findings: list[RuleFinding] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    decided: list[Decision] = field(default_factory=list)
    notices: list[Data] = field(default_factory=list)  # with when (`at`)
    triggers: list[RuleFinding] = field(default_factory=list)  # what rolled the fleet back
    rollback: When | None = None
    reasons: tuple[str, ...] = ()  # why it rolled the fleet back
    back: When | None = None  # the rollback has ended
    back_code: int | None = None
    finished: When | None = None
    final: Verdict = Verdict.INCONCLUSIVE  # of its last samples, once it has ended
    end_word: str = ""  # why it ended
    exit_code: int | None = None

    def __call__(self, record: Record) -> None:
        """Take in one record."""
        self.now = self.when(record)
        super().__call__(record)

    @property
    def waiting(self) -> Hold | None:
        """The hold that a person is waited for in."""
        return self.hold if self.rollback is None and self.finished is None else None

    @property
    def fleet(self) -> Verdict:
        """The worst of the newest verdicts."""
        return worst(host.verdict for host in self.hosts.values())

    def next_point(self, t: float) -> tuple[str, float] | None:
        """The decision point that comes next after a moment, and when, moved by what the watch was extended."""
        times = [(name, self.moved.get(name, at)) for name, at in self.due if not self.settled(name)]
        return min((one for one in times if one[1] > t), key=lambda one: one[1], default=None)

    def clock(self, now: datetime) -> float:
        """The watch's clock at a real moment, from the newest record on."""
        if self.finished is not None or not self.now.at:
            return self.now.t
        return self.now.t + max(0.0, (now - moment(self.now.at)).total_seconds()) * self.scale

    def real_s(self, seconds: float) -> float:
        """Seconds of the watch's clock as seconds of real time."""
        return seconds / self.scale

    def when(self, record: Record) -> When:
        """Both times of a record. One without a time of the watch has that which the clock showed then."""
        t = record.data.get("t")
        return When(record.at, self.clock(moment(record.at)) if t is None else float(t))

    def _tell(self, when: When, what: str, words: str, host: str = "") -> None:
        self.events.append(Event(when, what, words, host))

    def _watch_started(self, when: When, data: Data) -> None:
        super()._watch_started(when, data)
        self.run, self.environment = data["run"], data["environment"]
        self.hosts = {name: HostWatch(name, self.shown) for name in data["hosts"]}
        self.cadence = Cadence(tuple((until, every) for until, every in data["cadence"]))
        self.due = tuple((one["name"], one["at"]) for one in data["points"])
        self.limits, self.look_s, self.live_s = data["rules"]["rules"], data["look_s"], data["live_s"]
        self.once = bool(data.get("once"))
        ends = f"to {hour(self.due[-1][1])}" if self.due else "without a decision point"
        faster = "" if self.scale == 1 else f", its clock {self.scale:g} times as fast"
        self._tell(when, "watch", f"of {names(self.hosts)} begins, a sample every {span(self.look_s)}, {ends}{faster}")

    def _watch_resumed(self, when: When, data: Data) -> None:
        self.finished, self.exit_code, self.end_word, self.once = None, None, "", bool(data.get("once"))
        self._tell(when, "resumed", "the watch goes on in the same window")

    def _watch_gap(self, when: When, data: Data) -> None:
        super()._watch_gap(when, data)
        gap = Gap(data["from_t"], data["to_t"], data["why"])
        self.gaps.append(gap)
        for series in (series for host in self.hosts.values() for series in host.series.values()):
            series.append((gap.start, None))  # no line is drawn across
        self._tell(when, "gap", f"no samples for {span(gap.end - gap.start)}: {gap.why}")

    def _watch_left(self, when: When, data: Data) -> None:
        self._tell(when, "left", f"nobody watches the triggers now: {data['why']}")

    def _watch_extended(self, when: When, data: Data) -> None:
        super()._watch_extended(when, data)
        self._tell(when, "extended", f"the watch goes on to {hour(data['until_t'])}")

    def _sample(self, _when: When, data: Data) -> None:
        sample = Sample.from_json(data)
        self.hosts[sample.host].sample(sample)

    def _judged(self, when: When, data: Data) -> None:
        super()._judged(when, data)
        host, verdict = self.hosts[data["host"]], Verdict(data["verdict"])
        judgements = tuple(Judgement.from_json(one) for one in data["judgements"])
        self.findings += host.judge(when, verdict, judgements, data["figures"])
        if data["row"]:
            if not self.groups or when.t != self.groups[-1].when.t:
                self.groups.append(FleetRow(when))
            self.groups[-1].rows[host.name] = HostRow(host.name, when, verdict, judgements)

    def _point(self, when: When, data: Data) -> None:
        super()._point(when, data)
        point = Decision(when, called(data["name"]), Verdict(data["verdict"]), called(data["answer"]))
        self.decided.append(point)
        why = "; ".join(f"{one['host']}: {one['words']}" for one in data["reasons"])
        self._tell(when, point.verdict, f"decision point {point.name}: {point.answer}{why and f': {why}'}")

    def _hold_opened(self, when: When, data: Data) -> None:
        super()._hold_opened(when, data)
        hold = self.holds[-1]
        left, default = span(self.real_s(hold.deadline_t - when.t)), called(hold.default)
        why = "; ".join(hold.reasons)
        self._tell(when, "HOLD", f"{hold.where}: {why}; a person decides within {left}, else: {default}")

    def _hold_closed(self, when: When, data: Data) -> None:
        hold = self.hold
        super()._hold_closed(when, data)
        if hold is not None:
            self._tell(when, "decided", hold.answer)

    def _notice(self, when: When, data: Data) -> None:
        self.notices.append({"at": when.at, **data})
        if "why" in data:  # there was nobody to notify, which was said once
            return
        event, failed = called(data["event"]), bool(data["failed"])
        self._tell(
            when, Verdict.WARN if failed else "notice", f"{event}{': not sent to everybody' if failed else ' sent'}"
        )

    def _trigger(self, when: When, data: Data) -> None:
        self.triggers.append(self.hosts[data["host"]].open[data["rule"]])
        self._tell(when, "TRIGGER", f"{data['rule']}: {data['words']}: rolling back", data["host"])

    def _rollback_started(self, when: When, data: Data) -> None:
        self.rollback, self.reasons = when, tuple(data.get("reasons", ()))
        self._tell(when, "rollback", "the fleet is rolled back")

    def _rollback_finished(self, when: When, data: Data) -> None:
        self.back, self.back_code = when, data["exit_code"]
        self._tell(when, "rollback", f"ended with exit code {self.back_code}")

    def _watch_finished(self, when: When, data: Data) -> None:
        self.finished, self.final, self.exit_code = when, Verdict(data["verdict"]), data["exit_code"]
        self.end_word = str(data.get("end", ""))
        self._tell(when, self.final, f"the watch ends after {span(when.t)}, exit code {self.exit_code}")


def read_watch(path: Path, shown: WatchDisplay) -> tuple[WatchStory, Integrity] | None:
    """The watch of a run and whether its journal can be trusted; None where there was no watch."""
    if not path.exists():
        return None
    story, number, head, broken = WatchStory(shown=shown), 0, "", ""
    with path.open(newline="\n") as file:
        try:
            for record in parse(file, path.name):
                story(record)
                number, head = record.seq, record.hash
        except BrokenChain as found:
            broken = str(found)
    return story, Integrity(number, head, broken)
