"""What can happen in a watch besides being looked at: gaps, decision points, holds, notices, triggers; each with both times."""

from dataclasses import dataclass, field
from typing import Any

from cutover.core.samples import Judgement
from cutover.core.verdict import Verdict


@dataclass(frozen=True)
class When:
    """Real time (ISO 8601 UTC) and seconds on the watch's clock."""

    at: str
    t: float


@dataclass(frozen=True)
class Gap:
    """Nobody looked from then until then."""

    start: float
    end: float
    from_at: str
    to_at: str
    why: str


@dataclass(frozen=True)
class Decided:
    """A decision point was reached: what it came to, what was answered, why."""

    when: When
    name: str
    verdict: Verdict
    answer: str
    reasons: tuple[str, ...]


@dataclass
class Hold:
    """A person is waited for, until the deadline; `default` is what is done then."""

    when: When
    point: str
    reasons: tuple[str, ...]
    deadline_t: float
    default: str
    closed: When | None = None
    by: str = ""
    decision: str = ""
    note: str = ""

    @property
    def where(self) -> str:
        """At which point it was opened; between points a rule opens it."""
        return f"at {self.point}" if self.point else "between decision points"


@dataclass(frozen=True)
class Notice:
    """Somebody was told something, or was to be: over which channels it went out, and why not over others."""

    when: When
    event: str
    severity: str
    roles: tuple[str, ...]
    sent: tuple[str, ...]
    unsent: tuple[tuple[str, str], ...]
    subject: str
    why: str  # why nobody was told at all; empty where somebody was

    @classmethod
    def of(cls, when: When, data: dict[str, Any]) -> "Notice":
        """As a journal keeps it."""
        return cls(
            when, str(data["event"]).replace("_", " "), str(data.get("severity", "")), tuple(data.get("roles", ())),
            tuple(data.get("sent", ())), tuple(data.get("failed", {}).items()), str(data.get("subject", "")), str(data.get("why", "")),
        )  # fmt: skip

    @property
    def failed(self) -> bool:
        """Whether it did not go out to everybody."""
        return bool(self.unsent)


@dataclass(frozen=True)
class Trigger:
    """A rule took the fleet back."""

    when: When
    host: str
    rule: str
    words: str


@dataclass
class Finding:
    """A rule that was not PASS on a host, look after look: from its first to its last, and the worst of it."""

    host: str
    rule: str
    first: When
    last: When
    worst: Judgement
    latest: Judgement
    before: When | None = None  # the last look at which the host was judged and this was well
    looks: int = 1
    over: When | None = None  # the first look at which it was well again

    @property
    def verdict(self) -> Verdict:
        """The worst that it was."""
        return self.worst.verdict


@dataclass(frozen=True)
class Row:
    """What was recorded of one host: verdict, the figures by the signal's name, every judgement."""

    host: str
    when: When
    verdict: Verdict
    figures: dict[str, float | None]
    ns: dict[str, int | None]
    judgements: tuple[Judgement, ...]
    error: str = ""


@dataclass
class RowGroup:
    """One recorded row of the fleet: the hosts of one look (`look_t` says which)."""

    when: When
    look_t: float
    rows: dict[str, Row] = field(default_factory=dict)
