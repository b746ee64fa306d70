"""Deliver tape after tape, a few ahead of the service, and check what became of each: in its place, once, by its reason."""

import json
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from kpi import clock
from kpi.outputs import output_paths
from kpi.stress.load import DONE, Load, PlannedTape, deliveries
from kpi.stress.memory import MemorySample
from kpi.stress.subject import Subject

AHEAD = 8  # tapes in the inbox: the service never waits, and its inbox stays small
STANDSTILL_SECONDS = 60.0
WAIT_SECONDS = 0.001
TOLD_EVERY_SECONDS = 10.0
ERRORS_KEPT = 50


@dataclass
class StreamTotals:
    """What came of the stream so far."""

    delivered: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    errors: int = 0
    error_words: list[str] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)  # of each content that was delivered: its first name
    samples: list[MemorySample] = field(default_factory=list)
    seconds: float = 0.0

    def blame(self, words: str) -> None:
        """Count an error."""
        self.errors += 1
        if len(self.error_words) < ERRORS_KEPT:
            self.error_words.append(words)

    @property
    def tapes(self) -> int:
        """How many have ended."""
        return self.ended.total()


class LoadStream:
    """The deliverer and the observer; one thread, which never does the service's work."""

    def __init__(self, subject: Subject, load: Load, out: TextIO = sys.stderr) -> None:
        self._subject, self._load, self._out = subject, load, out
        self._root = subject.config.root
        self._under_way: deque[PlannedTape] = deque()
        self.seen = StreamTotals()
        self._begun = time.monotonic()
        self._next_sample = self._next_word = 0.0
        self._progress = self._begun

    def run(self) -> StreamTotals:
        """Until so many tapes or so much time, and until the last of them has ended."""
        coming = self._coming()
        exhausted = False
        while not exhausted or self._under_way:
            self._look()
            if not exhausted and len(self._under_way) < AHEAD:
                planned = next(coming, None)
                exhausted = planned is None
                if planned is not None:
                    self._deliver(planned)
            elif not self._end_some():
                if self._stands_still():
                    break
                time.sleep(WAIT_SECONDS)
        self.seen.seconds = time.monotonic() - self._begun
        return self.seen

    def _coming(self) -> Iterator[PlannedTape]:
        until = self._begun + self._load.seconds if self._load.seconds else None
        for planned in deliveries(self._load):
            over = planned.number >= self._load.most if self._load.most is not None else False
            if over or (until is not None and time.monotonic() >= until):
                return
            yield planned

    def _deliver(self, planned: PlannedTape) -> None:
        """As the protocol says: aside, on disk, in the ledger, then renamed."""
        inbox = self._subject.config.paths["inbox"]
        part = inbox / f".{planned.name}.part"
        _write(part, planned.content, "wb")
        entry = {"name": planned.name, "sha256": planned.key, "at": clock.stamp()}
        _write(self._subject.config.arrivals, (json.dumps(entry) + "\n").encode(), "ab")
        part.rename(inbox / planned.name)
        self._under_way.append(planned)
        self.seen.delivered += 1
        self.seen.kinds[planned.kind] += 1
        self.seen.keys.setdefault(planned.key, planned.name)

    def _end_some(self) -> bool:
        """Look at the oldest under way; when a later one has ended and it is nowhere, it is lost."""
        head = self._under_way[0]
        if (self._root / head.place).exists():
            self._end(self._under_way.popleft())
            return True
        if (elsewhere := self._elsewhere(head)) and not (self._root / head.place).exists():
            self._under_way.popleft()
            self.seen.ended[elsewhere.parent.name] += 1
            codes = _codes(elsewhere)
            self.seen.blame(f"{head.name} ({head.kind}) ended in {elsewhere.parent.name}/ {' '.join(codes)}".rstrip())
            self._free(head, elsewhere)
            return True
        later = any((self._root / planned.place).exists() for planned in list(self._under_way)[1:])
        if later and not self._is_waiting(head) and not (self._root / head.place).exists():
            self._under_way.popleft()  # the report finds that it is nowhere
            return True
        return False

    def _end(self, planned: PlannedTape) -> None:
        self._progress = time.monotonic()
        self.seen.ended[planned.ends] += 1
        place = self._root / planned.place
        if planned.ends == DONE:
            outputs = output_paths(self._subject.config.paths["metrics"], planned.key, self._subject.config.outputs)
            if missing := [path.name for path in outputs.values() if not path.is_file()]:
                self.seen.blame(f"{planned.name}: done without its outputs {', '.join(missing)}")
        elif planned.code not in (codes := _codes(place)) and (planned.code or not codes):
            self.seen.blame(
                f"{planned.name} ({planned.kind}): rejected by {codes}, not by {planned.code or 'a reason'}"
            )
        self._free(planned, place)

    def _free(self, planned: PlannedTape, place: Path) -> None:
        """Give the disk back: the name stays, which is what the service goes by."""
        os.truncate(place, 0)
        metrics = self._subject.config.paths["metrics"]
        for path in output_paths(metrics, planned.key, self._subject.config.outputs).values():
            path.unlink(missing_ok=True)

    def _elsewhere(self, planned: PlannedTape) -> Path | None:
        places = (self._root / room / f"{planned.key}__{planned.name}" for room in ("done", "rejected"))
        return next((place for place in places if place.exists()), None)

    def _is_waiting(self, planned: PlannedTape) -> bool:
        paths = self._subject.config.paths
        claimed = paths["processing"] / f"{planned.key}__{planned.name}"
        return (paths["inbox"] / planned.name).exists() or claimed.exists()

    def _stands_still(self) -> bool:
        if not self._subject.alive:
            self.seen.blame(f"the service ended by itself: {self._subject.last_words()}")
            return True
        if time.monotonic() - self._progress > STANDSTILL_SECONDS:
            self.seen.blame(f"nothing moved for {STANDSTILL_SECONDS:g} s: {self._subject.last_words()}")
            return True
        return False

    def _look(self) -> None:
        seconds = time.monotonic() - self._begun
        if seconds >= self._next_sample and self._subject.alive:
            self.seen.samples.append(MemorySample(seconds, self.seen.tapes, *self._subject.memory_mb()))
            self._next_sample = seconds + self._load.sample_every
        if seconds >= self._next_word + TOLD_EVERY_SECONDS:
            self._next_word = seconds
            held = self.seen.samples[-1].now_mb
            self._out.write(f"{self.seen.tapes} tapes, {self.seen.tapes / seconds:.0f} a second, {held:.1f} MB\n")
            self._out.flush()


def _write(path: Path, content: bytes, mode: str) -> None:
    with path.open(mode) as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def _codes(place: Path) -> list[str]:
    reason = place.with_name(f"{place.name}.reason.json")
    return list(json.loads(reason.read_bytes())["codes"]) if reason.exists() else []
