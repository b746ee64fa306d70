"""The tapes of a stress run: varied, the same for the same seed, and some that must be rejected, each by its reason."""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from kpi.columns import AMOUNTS, DATE_COLUMN
from kpi.synthetic import as_csv, draw

DONE, REJECTED, DUPLICATE = "done", "rejected", "duplicate"
# Out of a hundred; what is left of it are sound tapes of recipes A and B.
REFUSED = {"C": 3, "negative": 2, "missing-column": 2, "empty": 1, "duplicate": 2}
CODES = {"negative": "quarantined_rows", "missing-column": "missing_columns", "empty": "empty_tape"}


@dataclass(frozen=True)
class Load:
    """How hard and how long: a number of tapes or a time, rows of a tape, seed; sampling and growth limit of memory."""

    iterations: int | None = None
    seconds: float | None = None
    rows: int = 1000
    seed: int = 42
    sample_every: float = 1.0
    growth_limit_mb: float = 2.0

    @property
    def most(self) -> int | None:
        """How many tapes, where a number was asked for or nothing was."""
        return self.iterations if self.iterations or self.seconds else DEFAULT_ITERATIONS


DEFAULT_ITERATIONS = 45_000


@dataclass(frozen=True)
class PlannedTape:
    """One delivery: its name (they sort as they are delivered), bytes, where it must end, and by which reason."""

    number: int
    kind: str
    content: bytes
    ends: str
    code: str = ""

    @property
    def name(self) -> str:
        """How the tape is called."""
        return f"stress-{self.number:08d}.csv"

    @cached_property
    def key(self) -> str:
        """What the service keys it by."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def place(self) -> str:
        """Where it must come to lie, below the root."""
        if self.ends == DUPLICATE:
            return f"rejected/{self.key}__{self.name}.duplicate-1"
        return f"{self.ends}/{self.key}__{self.name}"


def deliveries(load: Load) -> Iterator[PlannedTape]:
    """One after the other, for ever."""
    dice = random.Random(load.seed)  # noqa: S311 - which tapes, not secrets
    last = b""
    number = 0
    while True:
        kind = _kind(dice)
        if kind == "duplicate" and last:
            yield PlannedTape(number, kind, last, DUPLICATE, "duplicate")
            last = b""  # a third of the same would be duplicate-2
        else:
            planned = _fresh(load, number, kind if kind != "duplicate" else "A")
            last = planned.content if planned.ends == DONE else last
            yield planned
        number += 1


def _kind(dice: random.Random) -> str:
    drawn = dice.randrange(100)
    for kind, share in REFUSED.items():
        if drawn < share:
            return kind
        drawn -= share
    return "AB"[drawn % 2]


def _fresh(load: Load, number: int, kind: str) -> PlannedTape:
    """A tape whose loans carry its number, so that no two have the same content."""
    prefix = f"S{load.seed}-{number}-"
    recipe = kind if kind in ("A", "B", "C") else "A"
    drawn = draw(recipe, load.rows, (load.seed + number) % 2**32)
    if kind == "empty":
        header = ",".join(["loan_id", DATE_COLUMN, *AMOUNTS, f"note_{prefix}"])
        return PlannedTape(number, kind, f"{header}\n".encode(), REJECTED, CODES[kind])
    if kind == "missing-column":
        del drawn["cash_available_usd"]
    if kind == "negative":
        drawn["cash_available_usd"][number % load.rows] = -1.0
    content = as_csv(drawn, prefix)
    # A small tape of recipe B may happen to collect more than was eligible: then it must be rejected.
    if kind in ("A", "B"):
        sound = float(drawn["cash_available_usd"].sum()) <= float(drawn["total_eligible_usd"].sum())
        return PlannedTape(number, kind, content, DONE if sound else REJECTED, "" if sound else "out_of_range")
    return PlannedTape(number, kind, content, REJECTED, CODES.get(kind, ""))
