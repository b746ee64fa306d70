"""What a monitor measures and judges: samples of hosts, judgements by rules.

Besides real time a watch has a clock of its own, which a scale factor may speed up.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from cutover.core.step import State
from cutover.core.verdict import Verdict

Level = Literal["", "warn", "critical", "rollback"]  # of a row of the table of thresholds; empty: none was passed
LEVELS: tuple[Level, ...] = ("warn", "critical", "rollback")


@dataclass(frozen=True)
class Sample:
    """What was measured on a host at one time. A failed measurement is a sample too: no documents, and `error` has the reason.

    `at` is real time (Unix seconds, UTC), `t` the seconds on the watch's clock since it began. `documents` holds what
    each step measured, by the step's name without its role (`unit`, `figures`). A `row` is recorded in the table of the
    watch, and has more documents than the samples in between.
    """

    host: str
    at: float
    t: float
    documents: Mapping[str, State] = field(default_factory=dict)
    row: bool = False
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """As the journal keeps it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Sample":
        """Back from the journal."""
        return cls(**kept)


@dataclass(frozen=True)
class Judgement:
    """The verdict of one rule about one host at one time, and everything that it is based on.

    `value` and `limit` are in `unit`; `n` is the number of events or samples behind it, `bound` the one-sided 95 % bound
    that was held against the limit, `window` how far back it looked, in seconds of the watch's clock. `level` is the
    gravest level passed, also while it has not been so for long enough (`pending`). Only `rolls_back` pulls the trigger.
    """

    host: str
    rule: str
    verdict: Verdict
    words: str
    next: str = ""
    level: Level = ""
    rolls_back: bool = False
    pending: bool = False
    value: float | None = None
    unit: str = ""
    limit: float | None = None
    n: int | None = None
    bound: float | None = None
    window: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """As the journal keeps it."""
        return {**asdict(self), "verdict": str(self.verdict)}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Judgement":
        """Back from the journal."""
        return cls(**{**kept, "verdict": Verdict(kept["verdict"])})
