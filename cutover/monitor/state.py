"""Where a watch is, by its own journal: since when, how far it has come, what it decided, and whether it waits for somebody."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cutover.core.errors import UsageError
from cutover.core.times import written
from cutover.core.verdict import Verdict, worst
from cutover.journal.journal import read
from cutover.journal.record import Record
from cutover.journal.rundir import RunDir, RunDirs

GO_ON, ROLL_BACK = "go_on", "rollback"
HOUR = 3600.0


@dataclass(frozen=True)
class WatchClock:
    """Seconds on the watch's clock since the watch began (Unix time `began`), `scale` of them in a real one.

    It follows the wall clock, so that it goes on while the controller is switched off: the time without samples is a gap.
    """

    began: float
    scale: float = 1.0
    now: Callable[[], float] = time.time

    @property
    def t(self) -> float:
        """Now, on the watch's clock."""
        return self.at_watch(self.now())

    def at_watch(self, at: float) -> float:
        """A moment of real time (Unix seconds) on the watch's clock."""
        return (at - self.began) * self.scale

    def real_seconds_until(self, t: float) -> float:
        """How long to wait for a moment of the watch; 0 where it has come."""
        return max(0.0, (t - self.t) / self.scale)


@dataclass(frozen=True)
class Signoff:
    """One person's decision: in which role, about which point of the watch (empty: about what it waits for), and when."""

    role: str
    name: str
    decision: str
    point: str
    note: str = ""
    at: str = ""  # ISO 8601 UTC

    def as_json(self) -> dict[str, str]:
        """As the journal of the run keeps it; when is the record's own."""
        return {name: value for name, value in vars(self).items() if name != "at"}

    @classmethod
    def of(cls, record: Record) -> "Signoff":
        """From the journal of the run."""
        return cls(**{name: record.data[name] for name in ("role", "name", "decision", "point", "note")}, at=record.at)


@dataclass(frozen=True)
class Responses:
    """What people and other commands did about a run since a moment (ISO 8601 UTC), from the run's own journal."""

    signoffs: tuple[Signoff, ...]
    went_back: bool  # somebody rolled the run back

    @classmethod
    def since(cls, run: RunDir, at: str) -> "Responses":
        """Read them; the run's journal is written by other commands while the watch goes on."""
        records = [record for record in read(run.journal_file) if record.at >= at] if run.journal_file.exists() else []
        signoffs = tuple(Signoff.of(record) for record in records if record.kind == "signoff")
        return cls(signoffs, any(record.kind == "rollback.started" for record in records))

    def to(self, hold: "Hold") -> Signoff | None:
        """The newest decision about a hold since it was opened; a no outweighs any yes."""
        given = [one for one in self.signoffs if one.at >= hold.when.at and one.point in ("", hold.point)]
        return next((one for one in given if one.decision == ROLL_BACK), given[-1] if given else None)


def newest_watched(runs: RunDirs, environment: str, service: str) -> RunDir | None:
    """The newest run with a watch; one in which hosts have been changed since is what they are on instead."""
    for path in sorted(runs.root.glob("*/"), reverse=True):
        run = RunDir(path)
        try:
            records = read(run.journal_file) if run.journal_file.exists() else []
        except UsageError:  # altered: what it says is not believed any more, and its watch stands for itself
            records = []
        created = next((record.data for record in records if record.kind == "run.created"), None)
        if created is not None and (created["environment"], created["service"]) != (environment, service):
            continue
        if run.watch_file.exists():
            return run
        if any(record.kind in ("batch.started", "rollback.started") for record in records):
            return None
    return None


@dataclass(frozen=True)
class When:
    """Real time (ISO 8601 UTC) and seconds on the watch's clock."""

    at: str
    t: float


@dataclass
class Hold:
    """The watch waits for a person: since when and why, until when, what happens then; and how it was closed."""

    when: When
    point: str
    reasons: tuple[str, ...]
    about: tuple[tuple[str, str], ...]  # host and rule of what failed
    deadline_t: float
    default: str
    closed: When | None = None
    by: str = ""
    decision: str = ""
    note: str = ""

    @property
    def where(self) -> str:
        """At which point it was opened; between points a rule opens it."""
        return f"at {self.point.replace('_', ' ')}" if self.point else "between decision points"

    @property
    def answer(self) -> str:
        """What was decided, by whom and why."""
        return f"{self.decision.replace('_', ' ')}, by {self.by}{f': {self.note}' if self.note else ''}"


@dataclass
class WatchState:
    """What the journal of a watch says so far; it follows each record as it is written."""

    started_at: str = ""  # ISO 8601 UTC
    began: float = 0.0  # Unix time
    scale: float = 1.0
    look_t: float = 0.0  # when the last sample was
    looks: int = 0
    unbroken_t: float = 0.0  # since when there was no gap
    row_t: float | None = None  # when the last recorded row was
    verdict: Verdict = Verdict.INCONCLUSIVE  # of the last samples
    points: dict[str, str] = field(default_factory=dict)  # by name, its last answer
    moved: dict[str, float] = field(default_factory=dict)  # points that are asked again, and when
    holds: list[Hold] = field(default_factory=list)
    accepted: set[tuple[str, str]] = field(default_factory=set)  # what a person decided to live with: host and rule

    @classmethod
    def of(cls, records: Iterable[Record]) -> "WatchState":
        """Everything that was written so far."""
        state = cls()
        for record in records:
            state(record)
        return state

    def __call__(self, record: Record) -> None:
        """Take in one record."""
        if take := getattr(self, f"_{record.kind.replace('.', '_')}", None):
            take(self.when(record), record.data)

    @property
    def hold(self) -> Hold | None:
        """The hold that is open."""
        return next((hold for hold in reversed(self.holds) if hold.closed is None), None)

    def at(self, t: float) -> str:
        """A moment of the watch in real time (ISO 8601 UTC)."""
        return written(datetime.fromtimestamp(self.began + t / self.scale, UTC))

    def settled(self, point: str) -> bool:
        """Whether a point has an answer that is not asked again."""
        return self.points.get(point) in ("go_on", "hold")

    def when(self, record: Record) -> When:
        """Both times of a record."""
        return When(record.at, float(record.data.get("t", self.look_t)))

    def _watch_started(self, when: When, data: dict[str, Any]) -> None:
        self.started_at, self.began, self.scale = when.at, data["began"], data["scale"]

    def _judged(self, _when: When, data: dict[str, Any]) -> None:
        verdict = Verdict(data["verdict"])
        if data["t"] != self.look_t or not self.looks:
            self.looks += 1
            self.verdict = verdict
        self.verdict = worst([self.verdict, verdict])
        self.look_t = data["t"]
        if data["row"]:
            self.row_t = self.look_t

    def _point(self, _when: When, data: dict[str, Any]) -> None:
        name = data["name"]
        self.points[name] = data["answer"]
        self.moved.pop(name, None)
        self.accepted.clear()  # what somebody could live with until here is asked again here

    def _watch_gap(self, _when: When, data: dict[str, Any]) -> None:
        self.unbroken_t = data["to_t"]

    def _watch_extended(self, _when: When, data: dict[str, Any]) -> None:
        self.moved[data["point"]] = data["until_t"]

    def _hold_opened(self, when: When, data: dict[str, Any]) -> None:
        about, reasons = tuple((host, rule) for host, rule in data["about"]), tuple(map(str, data["reasons"]))
        self.holds.append(Hold(when, data["point"], reasons, about, float(data["deadline_t"]), data["default"]))

    def _hold_closed(self, when: When, data: dict[str, Any]) -> None:
        hold = self.hold
        if hold is None:
            return
        hold.closed, hold.by, hold.decision = when, str(data["by"]), str(data["decision"])
        hold.note = str(data.get("note", ""))
        if hold.decision == GO_ON:
            self.accepted |= set(hold.about)
