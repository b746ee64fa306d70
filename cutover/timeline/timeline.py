"""What happened in a run, read from its journal and nothing else: phases, batches, bake times, outcomes, how it ended."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from cutover.core.times import between
from cutover.core.verdict import Verdict, worst
from cutover.journal.record import BrokenChain, Record, parse
from cutover.plan.phases import COMMITTING, ROLLBACK, phase_named
from cutover.timeline.host_state import HostState, HostStates

BAKE = "bake"


@dataclass(frozen=True)
class Integrity:
    """Whether the journal can be trusted: its whole records, the last hash, and what is wrong with the rest."""

    records: int
    head: str
    broken: str = ""  # where the chain breaks


@dataclass(frozen=True)
class Span:
    """A part of the run on some hosts: a phase (with its gate's answer), or a bake time. `end` is None where it has none."""

    name: str
    hosts: tuple[str, ...]
    start: str
    end: str | None = None
    verdict: Verdict | None = None
    opens: bool = False
    judged: int = 0
    bad: tuple[tuple[str, Verdict], ...] = ()  # host (empty: all of them) and verdict of each finding that was noted

    @property
    def title(self) -> str:
        """What the report calls it."""
        return {BAKE: "Bake time", ROLLBACK.name: ROLLBACK.title}.get(self.name) or phase_named(self.name).label

    def of(self, host: str) -> Verdict | None:
        """The verdict of one host: the worst that the gate noted of it, PASS where it noted nothing; None before the gate."""
        if self.verdict is None:
            return None
        return worst([Verdict.PASS, *(verdict for known, verdict in self.bad if known in (host, ""))])


@dataclass(frozen=True)
class Timeline:
    """A run by its journal."""

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
            named.update(dict.fromkeys((*record.data.get("hosts", ()), *record.data.get("already", ()))))
            named.update({record.host: None} if record.host else {})
        return tuple(named)

    def document(self, host: str, step: str) -> Any:
        """The JSON document that a step measured on a host; None where it did not."""
        outcome = self.outcomes.get((host, step))
        return (outcome["after"] or {}).get("document") if outcome else None

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
    def sessions(self) -> tuple[tuple[str, str], ...]:
        """From when until when it was at work: a rollback on another day is a session of its own."""
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
        return sum(between(start, end) for start, end in self.sessions)

    def touched(self) -> tuple[str, ...]:
        """Hosts on which phases 3-5 were begun, by the intents, or that were rolled back."""
        names = {phase.name for phase in COMMITTING}
        begun = {record.host for record in self.of("intent") if record.phase in names}
        begun.update(host for record in self.of("rollback.started") for host in record.data["hosts"])
        return tuple(host for host in self.hosts if host in begun)

    def back(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Hosts that the last rollback brought back, and those that it did not."""
        end = self.last("rollback.finished")
        return (tuple(end.data["hosts"]), tuple(end.data["failed"])) if end else ((), ())

    def rolled_back(self) -> bool:
        """Whether the last thing that the run did was a rollback."""
        rollback, confirmed = self.last("rollback.started"), self.last("confirmed")
        return rollback is not None and (confirmed is None or rollback.seq > confirmed.seq)

    def state(self, host: str) -> HostState:
        """Which release a host is on, as far as the journal knows; what was not confirmed may have reverted by itself."""
        state = self._states.of(host)
        return HostState.UNKNOWN if state is HostState.UNCONFIRMED else state

    @cached_property
    def _states(self) -> HostStates:
        return HostStates(self.records)


def read_timeline(path: Path) -> Timeline:
    """Read a journal as far as it can be trusted; a broken chain is noted, and nothing after the break is used."""
    text = path.read_text() if path.exists() else ""
    records: list[Record] = []
    broken = ""
    try:
        for record in parse(text.splitlines(keepends=True), path.name):
            records.append(record)  # noqa: PERF402 - those before a break are kept
    except BrokenChain as found:
        broken = str(found)
    return timeline_of(records, broken)


def timeline_of(records: Sequence[Record], broken: str = "") -> Timeline:
    """The timeline of records that were read already."""
    integrity = Integrity(len(records), records[-1].hash if records else "", broken)
    outcomes = {(one.host, one.data["id"]): one.data | {"seq": one.seq} for one in records if one.kind == "outcome"}
    return Timeline(tuple(records), integrity, tuple(_spans(records)), outcomes)


def _spans(records: Iterable[Record]) -> list[Span]:
    """Phases from their start to their gate, bake times from start to end; what has no end stays open."""
    spans: list[Span] = []
    for record in records:
        data = record.data
        if record.kind in ("phase.started", "bake.started"):
            spans.append(Span(record.phase or BAKE, tuple(data["hosts"]), record.at))
        elif record.kind == "gate":
            bad = tuple((finding["host"], Verdict(finding["verdict"])) for finding in data["findings"])
            _close(spans, record, verdict=Verdict(data["verdict"]), opens=data["opens"], judged=data["judged"], bad=bad)
        elif record.kind in ("bake.done", "bake.failed"):
            verdict = Verdict.PASS if record.kind == "bake.done" else Verdict.FAIL
            bad = tuple((problem["host"], Verdict.FAIL) for problem in data.get("problems", ()))
            _close(spans, record, verdict=verdict, opens=not bad, judged=data.get("looks", 0), bad=bad)
    return spans


def _close(spans: list[Span], record: Record, **answer: Any) -> None:
    """Close the newest open span that the record ends."""
    for index in reversed(range(len(spans))):
        if spans[index].name == (record.phase or BAKE) and spans[index].end is None:
            spans[index] = replace(spans[index], end=record.at, **answer)
            return
