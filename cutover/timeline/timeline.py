"""What happened in a run, read from its journal and nothing else: phases, batches, bake times, outcomes, how it ended."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cutover.core.times import between
from cutover.core.verdict import Verdict, worst
from cutover.journal.record import BrokenChain, Record, parse
from cutover.plan.phases import COMMITTING
from cutover.timeline.host_state import Place, Whereabouts


@dataclass(frozen=True)
class Integrity:
    """Whether the journal can be believed: its whole records, the last hash, and what is wrong with the rest."""

    records: int
    head: str
    broken: str = ""  # where the chain breaks
    torn: bool = False  # the last line was cut off in mid-write


@dataclass(frozen=True)
class Span:
    """A stretch of the run on some hosts: a phase (with its gate's answer), or a bake time. `end` is None where none is told."""

    name: str
    hosts: tuple[str, ...]
    start: str
    end: str | None = None
    verdict: Verdict | None = None
    opens: bool = False
    judged: int = 0
    findings: tuple[dict[str, Any], ...] = ()

    def of(self, host: str) -> Verdict | None:
        """The verdict of one host: the worst that the gate noted of it, PASS where it noted nothing; None before the gate."""
        if self.verdict is None:
            return None
        noted = [Verdict(finding["verdict"]) for finding in self.findings if finding["host"] in (host, "")]
        return worst([Verdict.PASS, *noted])


@dataclass(frozen=True)
class Story:
    """A run as its journal tells it."""

    records: tuple[Record, ...]
    integrity: Integrity
    spans: tuple[Span, ...]
    outcomes: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)  # (host, step) -> its last outcome

    def of(self, *kinds: str) -> list[Record]:
        """All records of some kinds."""
        return [record for record in self.records if record.kind in kinds]

    def last(self, *kinds: str) -> Record | None:
        """The newest record of some kinds."""
        return next((record for record in reversed(self.records) if record.kind in kinds), None)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host that the journal names, in the order of the plan."""
        named: dict[str, None] = {}
        for record in self.records:
            named.update(dict.fromkeys(record.data.get("hosts", ())))
            named.update(dict.fromkeys(record.data.get("already", ())))
            named.update({record.host: None} if record.host else {})
        return tuple(named)

    @property
    def finish(self) -> Record | None:
        """The record that ends the run; None where the run is unfinished (or went on after an earlier end)."""
        end, begin = self.last("run.finished"), self.last("run.started")
        return end if end and (begin is None or end.seq > begin.seq) else None

    @property
    def exit_code(self) -> int | None:
        """How the run ended; None where it did not."""
        return int(self.finish.data["exit_code"]) if self.finish else None

    @property
    def only_planned(self) -> bool:
        """Whether this run is a plan and nothing more."""
        return self.last("plan.made") is not None and self.last("run.started", "run.finished") is None

    @property
    def legs(self) -> tuple[tuple[str, str], ...]:
        """From when until when it was at work: a rollback on another day is a leg of its own."""
        ends: list[tuple[str, str]] = []
        fresh = True
        for record in self.records:
            if record.kind == "notice":  # what came of one may be known only after the end
                continue
            first = record.at if fresh else ends[-1][0]
            ends[len(ends) if fresh else -1 :] = [(first, record.at)]
            fresh = record.kind == "run.finished"
        return tuple(ends)

    @property
    def seconds(self) -> float:
        """How long it was at work."""
        return sum(between(start, end) for start, end in self.legs)

    def touched(self) -> tuple[str, ...]:
        """Hosts on which phases 3-5 were begun, by the intents, or that were taken back."""
        names = {phase.name for phase in COMMITTING}
        begun = {record.host for record in self.of("intent") if record.phase in names}
        begun.update(host for record in self.of("rollback.started") for host in record.data["hosts"])
        return tuple(host for host in self.hosts if host in begun)

    def back(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Hosts that the last rollback brought back, and those that it did not."""
        end = self.last("rollback.finished")
        return (tuple(end.data["hosts"]), tuple(end.data["failed"])) if end else ((), ())

    def rolled_back(self) -> bool:
        """Whether the newest turn of the run was the way back."""
        way_back, confirmed = self.last("rollback.started"), self.last("confirmed")
        return way_back is not None and (confirmed is None or way_back.seq > confirmed.seq)

    def where(self, host: str) -> Place:
        """Where a host is, as far as the journal knows; what was not confirmed may have gone back by itself."""
        place = self._whereabouts.place(host)
        return Place.BETWEEN if place is Place.SERVING else place

    @cached_property
    def _whereabouts(self) -> Whereabouts:
        return Whereabouts.of(self.records)


def read_story(path: Path) -> Story:
    """Read a journal as far as it can be believed; a broken chain is told, and nothing after the break is used."""
    text = path.read_text() if path.exists() else ""
    lines = text.splitlines(keepends=True)
    records: list[Record] = []
    broken = ""
    try:
        records.extend(parse(lines, path.name))
    except BrokenChain as found:
        records = _before_break(lines, path.name)
        broken = str(found)
    return story_of(records, broken, torn=bool(text) and not text.endswith("\n"))


def story_of(records: Sequence[Record], broken: str = "", *, torn: bool = False) -> Story:
    """The story of records that were read already."""
    integrity = Integrity(len(records), records[-1].hash if records else "", broken, torn)
    outcomes = {
        (record.host, record.data["id"]): record.data | {"seq": record.seq}
        for record in records
        if record.kind == "outcome"
    }
    return Story(tuple(records), integrity, tuple(_spans(records)), outcomes)


def _before_break(lines: list[str], source: str) -> list[Record]:
    """The records before the one that breaks the chain."""
    records: list[Record] = []
    stream = parse(lines, source)
    while True:
        try:
            record = next(stream, None)
        except BrokenChain:
            return records
        if record is None:
            return records
        records.append(record)


def _spans(records: Iterable[Record]) -> list[Span]:
    """Phases from their start to their gate, bake times from start to end; what has no end stays open."""
    spans: list[Span] = []
    for record in records:
        if record.kind == "phase.started":
            spans.append(Span(record.phase, tuple(record.data["hosts"]), record.at))
        elif record.kind == "bake.started":
            spans.append(Span("bake", tuple(record.data["hosts"]), record.at))
        elif record.kind == "gate":
            _close(spans, record.phase, record)
        elif record.kind in ("bake.done", "bake.failed"):
            _close(spans, "bake", record)
    return spans


def _close(spans: list[Span], name: str, record: Record) -> None:
    for index in reversed(range(len(spans))):
        span = spans[index]
        if span.name == name and span.end is None:
            spans[index] = _closed(span, record)
            return


def _closed(span: Span, record: Record) -> Span:
    data = record.data
    if record.kind == "gate":
        return Span(
            span.name,
            span.hosts,
            span.start,
            record.at,
            Verdict(data["verdict"]),
            data["opens"],
            data["judged"],
            tuple(data["findings"]),
        )
    findings = tuple(
        {
            "host": problem["host"],
            "name": problem["path"],
            "verdict": "FAIL",
            "message": problem["found"],
            "next": problem["next"],
        }
        for problem in data.get("problems", ())
    )
    good = record.kind == "bake.done"
    return Span(
        span.name,
        span.hosts,
        span.start,
        record.at,
        Verdict.PASS if good else Verdict.FAIL,
        good,
        data.get("looks", 0),
        findings,
    )
