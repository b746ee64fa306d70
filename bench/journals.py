"""What a run's own journal says about its times: phases, what they consist of, bake time, and the outage of each host."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cutover.journal.journal import read
from cutover.journal.record import Record
from cutover.timeline.presentation import OutageSteps


@dataclass(frozen=True)
class Spent:
    """Seconds of one phase over all its batches: remote work (until the last host is done), checks, and the rest."""

    phase: str
    whole: float
    work: float
    checks: float


@dataclass(frozen=True)
class Away:
    """Seconds without service on one host, and what they consist of, by the host's own journal."""

    host: str
    seconds: float
    parts: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Story:
    """The records of one run, or of the part that one command added to it."""

    records: tuple[Record, ...]

    @classmethod
    def of(cls, path: Path, *, after: int = 0) -> "Story":
        """Read a journal, its chain checked, from a record on."""
        return cls(tuple(record for record in read(path) if record.seq > after))

    @property
    def bake(self) -> float:
        """Seconds of the watches before batches count as good."""
        return sum(_between(start, end) for start, end in self._pairs("bake.started", "bake.done"))

    def around(self, began: datetime, seconds: float) -> tuple[float, float]:
        """Of a command that began then and took so long: seconds before the run was under way, and after it had ended."""
        under_way = next(record for record in self.records if record.kind == "run.started")
        return _seconds(began, _at(under_way)), seconds - _seconds(began, _at(self.records[-1]))

    def phases(self) -> list[Spent]:
        """Each phase that ran, in order."""
        spent: dict[str, Spent] = {}
        for start, gate in self._pairs("phase.started", "gate"):
            phase = start.phase
            inside = [record for record in self.records if start.seq < record.seq <= gate.seq]
            done = [record for record in inside if record.kind == "batch.done"][-1:] or [start]
            checked = [record for record in inside if record.kind == "checks"][-1:] or done
            before = spent.get(phase, Spent(phase, 0, 0, 0))
            work, checks = _between(start, done[0]), _between(done[0], checked[0])
            spent[phase] = Spent(
                phase, before.whole + _between(start, gate), before.work + work, before.checks + checks
            )
        return list(spent.values())

    def away(self, step: str, steps: OutageSteps) -> list[Away]:
        """How long the service was away on each host, as this step measured it."""
        seen = {
            record.host: record.data["after"]
            for record in self.records
            if record.kind == "outcome" and record.data["id"] == step
        }
        return [
            Away(host, float(after["gap_s"]), tuple((words, float(after[part])) for part, words in steps.parts.items()))
            for host, after in seen.items()
        ]

    def _pairs(self, start: str, end: str) -> Sequence[tuple[Record, Record]]:
        pairs, opened = [], None
        for record in self.records:
            if record.kind == start:
                opened = record
            elif record.kind == end and opened is not None:
                pairs.append((opened, record))
                opened = None
        return pairs


def _between(first: Record, second: Record) -> float:
    return _seconds(_at(first), _at(second))


def _at(record: Record) -> datetime:
    return datetime.fromisoformat(record.at)


def _seconds(first: datetime, second: datetime) -> float:
    return (second - first).total_seconds()
