"""The events that people are told about, and what is known of one when it is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "announcement": "a cutover is going to take place",
        "in_progress": "a cutover is under way, at the start of each of its phases",
        "success": "the new version is in service",
        "stopped": "a cutover ended before the old version was touched",
        "hold": "the watch waits for a person's decision",
        "rollback": "hosts are taken back, or have been taken back, to the old version",
        "hourly": "how the watch stands",
        "extended": "the watch goes on for longer than was planned",
        "signoff_wanted": "a role is asked to sign off",
        "incident": "a person must look after hosts now",
    }
)


@dataclass(frozen=True)
class Eta:
    """How long the rest takes, by the median of `runs` earlier ones."""

    seconds: float
    runs: int


@dataclass(frozen=True)
class Facts:
    """What a notice can say; what is empty is not spoken of. Times are ISO 8601 in UTC.

    `at` is when it happened, or for an announcement when it will begin. `phase` counts from 0, of `phases`.
    `eta` None: there is no earlier run to measure by. `reasons` are findings in words, each with its host.
    `point` is a decision point of the watch, `until` the deadline of a decision, `default` what is done when nobody decides
    by then. `figures` are names and values to show. `finished` tells a rollback that is over from one that begins.
    """

    environment: str
    at: str
    run: str = ""
    release: str = ""
    hosts: tuple[str, ...] = ()
    phase: int | None = None
    phases: int = 0
    title: str = ""
    eta: Eta | None = None
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    point: str = ""
    until: str = ""
    default: str = ""
    role: str = ""
    figures: tuple[tuple[str, str], ...] = ()
    finished: bool = False
    message: str = ""
    next: tuple[str, ...] = ()


@dataclass(frozen=True)
class Text:
    """A notice as people read it."""

    subject: str
    body: str
