"""A watch as its journal tells it, record by record: live, as the journal is written, or from the file afterwards."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cutover.core.samples import Judgement, Sample
from cutover.core.times import moment, written
from cutover.core.verdict import Verdict, worst
from cutover.journal.record import Record
from cutover.monitor.rules.rulebook import Cadence
from cutover.monitor.views.clock import called, points
from cutover.monitor.views.events import Decided, Finding, Gap, Hold, Notice, Row, RowGroup, Trigger, When
from cutover.monitor.views.host import HostWatch
from cutover.timeline.presented import Watched

Data = Mapping[str, Any]


@dataclass
class WatchStory:
    """Give it each record. It keeps figures, not samples: a day of ten hosts fits."""

    shown: Watched
    run: str = ""
    environment: str = ""
    hosts: dict[str, HostWatch] = field(default_factory=dict)
    cadence: Cadence | None = None
    due: tuple[tuple[str, float], ...] = ()  # the decision points that were declared
    look_s: float = 0.0
    scale: float = 1.0
    limits: Mapping[str, Mapping[str, Mapping[str, float]]] = field(
        default_factory=dict
    )  # rule -> level -> limit, for_s
    began: When | None = None
    now: When | None = None  # the newest record
    groups: list[RowGroup] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    decided: list[Decided] = field(default_factory=list)
    extended: list[tuple[When, float]] = field(default_factory=list)  # when, and until which hour it goes on
    holds: list[Hold] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    resumed: list[tuple[When, Data]] = field(default_factory=list)
    rollback: When | None = None
    back: When | None = None  # the rollback has ended
    back_code: int | None = None
    finished: When | None = None
    verdict: Verdict | None = None  # of its last look, once it has ended
    end_word: str = ""  # why it ended
    reasons: tuple[str, ...] = ()  # why it took the fleet back
    exit_code: int | None = None
    odd: list[str] = field(default_factory=list)  # records that could not be read

    def take(self, record: Record) -> list[Finding]:
        """Take one more record in; gives the findings that it began. One that is not as expected is noted, and ends nothing."""
        known = len(self.findings)
        try:
            when = self._when(record)
            self.now = when
            if move := _MOVES.get(record.kind):
                move(self, when, record.data)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as odd:
            self.odd.append(f"record {record.seq} ({record.kind}) cannot be shown: {odd!r}")
        return self.findings[known:]

    @property
    def hold(self) -> Hold | None:
        """The hold that is open now."""
        waiting = next((hold for hold in reversed(self.holds) if hold.closed is None), None)
        return waiting if self.rollback is None and self.end_word in ("", "held") else None

    @property
    def fleet(self) -> Verdict:
        """The worst of the newest verdicts; a host that could not be looked at is INCONCLUSIVE."""
        return worst(
            Verdict.INCONCLUSIVE if host.error or host.verdict is None else host.verdict for host in self.hosts.values()
        )

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

    def _when(self, record: Record) -> When:
        """Both times of a record. One that tells no time of the watch has that which the clock showed then."""
        told = record.data.get("t", record.data.get("look_t"))
        if isinstance(told, int | float):
            return When(record.at, float(told))
        return When(record.at, self.clock(moment(record.at)))


def _started(story: WatchStory, when: When, data: Data) -> None:
    story.began = story.began or When(when.at, 0.0)
    story.run, story.environment = str(data["run"]), str(data["environment"])
    for name in data["hosts"]:
        story.host(name)
    story.cadence = Cadence(tuple((float(until), float(every)) for until, every in data["cadence"]))
    story.due, story.limits = points(data["points"]), data["rules"]["rules"]
    story.look_s, story.scale = float(data["look_s"]), float(data["scale"])


def _resumed(story: WatchStory, when: When, data: Data) -> None:
    story.resumed.append((when, data))
    story.finished, story.verdict, story.exit_code, story.end_word = None, None, None, ""


def _gap(story: WatchStory, _when: When, data: Data) -> None:
    ends = (float(data["from_t"]), float(data["to_t"]))
    story.gaps.append(Gap(*ends, _iso(data["from_at"]), _iso(data["to_at"]), str(data["why"])))
    for host in story.hosts.values():
        host.blind(*ends)


def _sample(story: WatchStory, _when: When, data: Data) -> None:
    sample = Sample.from_json(data)
    story.host(sample.host).look(sample)


def _judged(story: WatchStory, when: When, data: Data) -> None:
    host = story.host(data["host"])
    judgements = [Judgement.from_json(one) for one in data["judgements"]]
    verdict = Verdict(data["verdict"])
    story.findings += host.judge(when, verdict, judgements, row=bool(data["row"]))
    if data["row"]:
        _recorded(story, when, float(data.get("look_t", when.t)), host, judgements)


def _recorded(story: WatchStory, when: When, look_t: float, host: HostWatch, judgements: Sequence[Judgement]) -> None:
    """A row for the table; hosts that are recorded at one moment share it."""
    found = {signal.name: host.figure(signal) for signal in story.shown.signals}
    row = Row(
        host.name,
        when,
        host.verdict or Verdict.INCONCLUSIVE,
        {name: value for name, (value, _) in found.items()},
        {name: n for name, (_, n) in found.items()},
        tuple(judgements),
        host.error,
    )
    if not story.groups or host.name in story.groups[-1].rows or look_t != story.groups[-1].look_t:
        story.groups.append(RowGroup(when, look_t))
    story.groups[-1].rows[host.name] = row


def _point(story: WatchStory, when: When, data: Data) -> None:
    reasons = tuple(f"{one['host']}: {one['words']}" if isinstance(one, dict) else str(one) for one in data["reasons"])
    story.decided.append(Decided(when, called(data["name"]), Verdict(data["verdict"]), called(data["answer"]), reasons))


def _extended(story: WatchStory, when: When, data: Data) -> None:
    story.extended.append((when, float(data["until_t"])))


def _hold_opened(story: WatchStory, when: When, data: Data) -> None:
    reasons = tuple(str(reason) for reason in data["reasons"])
    story.holds.append(Hold(when, called(data["point"]), reasons, float(data["deadline_t"]), called(data["default"])))


def _hold_closed(story: WatchStory, when: When, data: Data) -> None:
    hold = next(hold for hold in reversed(story.holds) if hold.closed is None)
    hold.closed, hold.by, hold.decision, hold.note = (
        when,
        str(data["by"]),
        called(data["decision"]),
        str(data.get("note", "")),
    )


def _notice(story: WatchStory, when: When, data: Data) -> None:
    story.notices.append(Notice.of(when, dict(data)))


def _trigger(story: WatchStory, when: When, data: Data) -> None:
    judged = data["judgement"] if isinstance(data.get("judgement"), dict) else data
    story.triggers.append(Trigger(when, str(data["host"]), str(judged["rule"]), str(judged["words"])))


def _rollback(story: WatchStory, when: When, data: Data) -> None:
    story.rollback, story.reasons = when, tuple(str(reason) for reason in data.get("reasons", ()))


def _rolled_back(story: WatchStory, when: When, data: Data) -> None:
    story.back, story.back_code = when, int(data["exit_code"])


def _finished(story: WatchStory, when: When, data: Data) -> None:
    story.finished, story.verdict, story.exit_code = when, Verdict(data["verdict"]), int(data["exit_code"])
    story.end_word = str(data.get("end", ""))


def _iso(at: object) -> str:
    """A time as ISO 8601, also where it was kept as Unix seconds."""
    if isinstance(at, int | float):
        return written(datetime.fromtimestamp(at, UTC))
    return str(at)


_MOVES: dict[str, Callable[[WatchStory, When, Data], None]] = {
    "watch.started": _started, "watch.resumed": _resumed, "watch.gap": _gap, "sample": _sample, "judged": _judged, "point": _point,
    "watch.extended": _extended,
    "hold.opened": _hold_opened, "hold.closed": _hold_closed, "notice": _notice, "trigger": _trigger, "rollback.started": _rollback,
    "rollback.finished": _rolled_back, "watch.finished": _finished,
}  # fmt: skip
