"""Loans that are in a tape twice on one date, found in constant memory: keys are kept on disk once they are many.

Keys are 64-bit hashes; what they find is a suspicion, which the ids themselves confirm in a second reading of the tape.
"""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from kpi.findings import Finding
from kpi.personal import shown
from kpi.tapes.batch import Batch, day_text, sound
from kpi.tapes.loans import Keys

HELD_KEYS = 1 << 20
CONFIRMED = 1000
LISTED = 5
_PARTITIONS = 64
_TOP = np.uint64(58)  # bits below those that name one of the 64 partitions


class LoanKeys:
    """The keys of all loans of a tape; a context, because what it spills is removed at its end."""

    def __init__(self) -> None:
        self._held: list[Keys] = []
        self._count = 0
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self.loans = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._scratch:
            self._scratch.cleanup()

    def add(self, keys: Iterable[Keys]) -> None:
        """Take these keys in."""
        for some in keys:
            self._held.append(some)
            self._count += len(some)
            self.loans += len(some)
        if self._count > HELD_KEYS:
            self._spill()

    def suspects(self) -> tuple[int, Keys]:
        """How many rows repeat a key that another row has, and the first such keys, in order of key."""
        repeats, many, found = 0, 0, list[Keys]()
        for keys in self._partitions():
            keys.sort()
            again = keys[1:] == keys[:-1]
            repeats += int(np.count_nonzero(again))
            if again.any() and many < CONFIRMED:
                found.append(np.unique(keys[1:][again]))
                many += len(found[-1])
        return repeats, np.concatenate(found)[:CONFIRMED] if found else np.empty(0, dtype=np.uint64)

    def _partitions(self) -> Iterator[Keys]:
        if not self._scratch:
            if self._held:
                yield np.concatenate(self._held)
            return
        self._spill()
        for path in sorted(Path(self._scratch.name).iterdir()):
            yield np.fromfile(path, dtype=np.uint64)

    def _spill(self) -> None:
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="kpi-loans-")
        if not self._held:
            return
        keys = np.concatenate(self._held)
        self._held, self._count = [], 0
        keys.sort()
        edges = np.searchsorted(keys >> _TOP, np.arange(_PARTITIONS + 1, dtype=np.uint64))
        for number, (begin, end) in enumerate(pairwise(edges.tolist())):
            if begin < end:
                with (Path(self._scratch.name) / f"{number:02}").open("ab") as out:
                    keys[begin:end].tofile(out)


@dataclass
class Repeated:
    """One loan on one date: how many rows have it, and the first of them."""

    count: int = 0
    rows: list[int] = field(default_factory=list)

    def note(self, row: int) -> None:
        """One more row."""
        self.count += 1
        if len(self.rows) < LISTED:
            self.rows.append(row)


def confirmed(batches: Iterable[Batch], suspects: Keys) -> dict[tuple[str, str], Repeated]:
    """Loan and date -> its rows, for the suspects that really occur more than once."""
    seen: dict[tuple[str, str], Repeated] = {}
    before = 0
    for batch in batches:
        if batch.loans is not None and batch.rows:
            days = batch.day_of_each
            keys, has_id = batch.loans.keys(days)
            for at in np.flatnonzero(np.isin(keys, suspects) & has_id & sound(batch)).tolist():
                loan = (batch.loans[at], day_text(int(days[at])))
                seen.setdefault(loan, Repeated()).note(before + batch.number(at))
        before += batch.rows_read
    return {loan: repeated for loan, repeated in seen.items() if repeated.count > 1}


def finding(source: str, repeats: int, loans: dict[tuple[str, str], Repeated]) -> Finding:
    """What there is to say of loans that occur twice; `repeats` counts the rows beyond the first of each."""
    first = list(loans.items())[:LISTED]
    listed = "; ".join(f"{shown(loan)} on {day} in rows {', '.join(map(str, one.rows))}" for (loan, day), one in first)
    found = f"{repeats} rows repeat a loan of the same measurement date: {listed}"
    step = "their balances would count twice; have the sender remove one of each, then redeliver"
    return Finding("duplicated_loans", source, found, step)
