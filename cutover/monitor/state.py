"""Where a watch is, by its own journal: since when, how far it has come, what it has told, and whether it waits for somebody."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cutover.core.verdict import Verdict, worst
from cutover.journal.journal import read
from cutover.journal.record import Record
from cutover.journal.rundir import RunDir

# What people and other commands have said about a run meanwhile, from the run's own journal: sign-offs, and ways back.

GO_ON, ROLL_BACK = "go_on", "rollback"


@dataclass(frozen=True)
class Signoff:
    """One person's decision: in which role, about which point of the watch (empty: about what it waits for), and when."""

    role: str
    name: str
    decision: str
    point: str
    at: str
    note: str = ""

    @classmethod
    def of(cls, record: Record) -> "Signoff":
        """From the journal."""
        data = record.data
        return cls(data["role"], data["name"], data["decision"], data["point"], record.at, data.get("note", ""))


@dataclass(frozen=True)
class Answers:
    """Everything said since a moment (ISO 8601 UTC)."""

    signoffs: tuple[Signoff, ...]
    went_back: bool  # somebody took the run back to V1

    @classmethod
    def since(cls, run: RunDir, at: str) -> "Answers":
        """Read them; the run's journal is written by other commands while the watch goes on."""
        records = [record for record in read(run.journal_file) if record.at >= at] if run.journal_file.exists() else []
        signoffs = tuple(Signoff.of(record) for record in records if record.kind == "signoff")
        return cls(signoffs, any(record.kind == "rollback.started" for record in records))

    def decision_since(self, at: str, point: str) -> Signoff | None:
        """The newest decision since a moment (ISO 8601 UTC) about what the watch waits for; a no outweighs any yes."""
        said = [one for one in self.signoffs if one.at >= at and one.point in ("", point)]
        return next((one for one in said if one.decision == ROLL_BACK), said[-1] if said else None)


# The two clocks of a watch: real time, and the watch's own, which a scale factor hurries. A test brings clocks of its own.


@dataclass(frozen=True)
class WatchClock:
    """Seconds on the watch's clock since the watch began (Unix time `began`), `scale` of them in a real one.

    It follows the wall clock, so that it goes on while the controller is switched off: what was not looked at is a gap.
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

    def at_real(self, t: float) -> float:
        """A moment of the watch in real time (Unix seconds)."""
        return self.began + t / self.scale

    def real_seconds_until(self, t: float) -> float:
        """How long to wait for a moment of the watch; 0 where it has come."""
        return max(0.0, self.at_real(t) - self.now())


@dataclass(frozen=True)
class Hold:
    """The watch waits for a person: since when and why, until when, and what happens then. Times are on the watch's clock."""

    opened_at: str  # ISO 8601 UTC
    t: float
    reasons: tuple[str, ...]
    about: tuple[tuple[str, str], ...]  # host and rule of what is not as it should be
    point: str
    deadline_t: float
    default: str


@dataclass
class Watched:
    """What the journal of a watch says so far; it follows each record as it is written."""

    started_at: str = ""  # ISO 8601 UTC
    began: float = 0.0  # Unix time
    scale: float = 1.0
    look_t: float = 0.0  # when the last look was
    looks: int = 0
    unbroken_t: float = 0.0  # since when there was no gap
    row_t: float | None = None  # when the last recorded row was
    verdict: Verdict = Verdict.INCONCLUSIVE  # of the last look
    points: dict[str, str] = field(default_factory=dict)  # by name, its last answer
    asked: dict[str, int] = field(default_factory=dict)  # points that were put off, and how often
    moved: dict[str, float] = field(default_factory=dict)  # points that are asked again, and when
    hold: Hold | None = None
    accepted: set[tuple[str, str]] = field(default_factory=set)  # what a person decided to live with: host and rule

    @classmethod
    def of(cls, records: Iterable[Record]) -> "Watched":
        """Everything that was written so far."""
        watched = cls()
        for record in records:
            watched(record)
        return watched

    def __call__(self, record: Record) -> None:
        """Take in one record."""
        if hear := getattr(self, f"_{record.kind.replace('.', '_')}", None):
            hear(record)

    def _watch_started(self, record: Record) -> None:
        self.started_at, self.began, self.scale = record.at, record.data["began"], record.data["scale"]

    def _judged(self, record: Record) -> None:
        verdict = Verdict(record.data["verdict"])
        if record.data["t"] != self.look_t or not self.looks:
            self.looks += 1
            self.verdict = verdict
        self.verdict = worst([self.verdict, verdict])
        self.look_t = record.data["t"]
        if record.data["row"]:
            self.row_t = self.look_t

    def _point(self, record: Record) -> None:
        name, answer = record.data["name"], record.data["answer"]
        self.points[name] = answer
        self.moved.pop(name, None)
        self.asked.pop(name, None)
        self.accepted.clear()  # what somebody could live with until here is asked again here

    def _watch_gap(self, record: Record) -> None:
        self.unbroken_t = record.data["to_t"]

    def _point_postponed(self, record: Record) -> None:
        name = record.data["name"]
        self.moved[name] = record.data["until_t"]
        self.asked[name] = self.asked.get(name, 0) + 1

    def _watch_extended(self, record: Record) -> None:
        self.moved[record.data["point"]] = record.data["until_t"]

    def _hold_opened(self, record: Record) -> None:
        data = record.data
        about = tuple((host, rule) for host, rule in data["about"])
        self.hold = Hold(
            record.at, data["t"], tuple(data["reasons"]), about, data["point"], data["deadline_t"], data["default"]
        )

    def _hold_closed(self, record: Record) -> None:
        if self.hold and record.data["decision"] == "go_on":
            self.accepted |= set(self.hold.about)
        self.hold = None
