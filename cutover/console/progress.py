"""How far a run is, as far as the journal says: one cell for each host and phase, and the problems on the way.

Records go in one by one, live or from a file; live table, summary and report all read the same result.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover.console.text import count, one_line
from cutover.core.errors import Problem
from cutover.core.times import between
from cutover.core.verdict import Verdict, worst
from cutover.journal.record import Record
from cutover.plan.phases import PHASES, ROLLBACK
from cutover.timeline.host_state import HostState, HostStates
from cutover.timeline.problems import Judged, problems_in
from cutover.timeline.timeline import BAKE

COLUMNS = (*(phase.name for phase in PHASES), BAKE)
TITLES = {phase.name: f"{phase.number} {phase.name}" for phase in PHASES} | {BAKE: BAKE, ROLLBACK.name: ROLLBACK.name}


@dataclass
class PhaseCell:
    """One phase on one host: when it began, how long the host itself took, what it does, how it was judged."""

    started_at: str
    seconds: float | None = None  # its own work and checks; None while it works
    doing: str = "preparing"
    verdict: Verdict | None = None
    lasts: float | None = None  # how long it is going to take, where that is known (the bake time)

    def judged(self, verdict: Verdict, at: str) -> None:
        """Close the cell."""
        self.verdict, self.doing = verdict, ""
        self.seconds = between(self.started_at, at) if self.seconds is None else self.seconds


@dataclass
class Progress:
    """The run so far."""

    run: str = ""
    environment: str = ""
    release: str = ""
    hosts: list[str] = field(default_factory=list)
    already: list[str] = field(default_factory=list)
    batches: list[list[str]] = field(default_factory=list)
    cells: dict[tuple[str, str], PhaseCell] = field(default_factory=dict)
    problems: list[Judged] = field(default_factory=list)
    states: HostStates = field(default_factory=HostStates)
    armed_s: float | None = None
    applying: bool = False  # from the approved plan to the end
    rolling_back: bool = False  # a rollback was begun
    prepared: bool = False
    finished: Record | None = None

    def take(self, record: Record) -> None:
        """Take one more record in. Kinds that do not move the run are left to the log.

        A record that is not as expected is noted and skipped: a display must never end a run.
        """
        try:
            self.states.take(record)
            if record.kind != "run.finished":  # its problems are those that the gates named, as the summary shows them
                self.problems += [one for one in problems_in(record) if one not in self.problems]
            if move := _MOVES.get(record.kind):
                move(self, record, record.data)
        except (KeyError, TypeError, ValueError) as odd:
            found = f"this record cannot be shown ({odd!r})"
            self.problems.append((Verdict.ERROR, Problem(found, "see it in the journal", record.host, record.kind)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The phases to show; the rollback where there was one."""
        return (*COLUMNS, ROLLBACK.name) if self.rolling_back else COLUMNS

    def cell(self, host: str, phase: str) -> PhaseCell | None:
        """How a phase goes on a host; None where it was not begun."""
        return self.cells.get((host, phase))

    def doing(self, host: str) -> str:
        """What a host does in the phase that it is in."""
        cells = (cell for (name, _), cell in self.cells.items() if name == host and cell.verdict is None)
        return next((cell.doing for cell in cells), "")

    def in_state(self, wanted: Callable[[HostState], bool]) -> list[str]:
        """The hosts in some state, as far as the journal knows."""
        return [host for host in self.hosts if wanted(self.states.of(host))]


def progress_of(records: Iterable[Record]) -> Progress:
    """How far a run is by its whole journal."""
    progress = Progress()
    for record in records:
        progress.take(record)
    return progress


def alike(hosts: Sequence[str], key: Callable[[str], object]) -> list[list[str]]:
    """Hosts that look the same, together, in their order."""
    groups: dict[object, list[str]] = {}
    for host in hosts:
        groups.setdefault(key(host), []).append(host)
    return list(groups.values())


def _created(p: Progress, _record: Record, data: dict[str, Any]) -> None:
    p.run, p.environment = data["run"], data["environment"]


def _planned(p: Progress, _record: Record, data: dict[str, Any]) -> None:
    p.release, p.hosts, p.already = data["release"], list(data["hosts"]), list(data.get("already", []))
    p.batches = [list(batch) for batch in data["batches"]]


def _started(p: Progress, _record: Record, data: dict[str, Any]) -> None:
    p.applying, p.finished = True, None
    p.hosts = p.hosts or list(data["hosts"])


def _phase(p: Progress, record: Record, data: dict[str, Any]) -> None:
    p.cells |= {(host, record.phase): PhaseCell(record.at) for host in data["hosts"]}


def _intent(p: Progress, record: Record, data: dict[str, Any]) -> None:
    _doing(p, record, f"at work on {count(len(data['steps']), 'step')}")


def _doing(p: Progress, record: Record, doing: str) -> None:
    cell = p.cell(record.host, record.phase)
    if cell is not None and cell.verdict is None:
        cell.doing = doing


def _batch_done(p: Progress, record: Record, _data: dict[str, Any]) -> None:
    if (cell := p.cell(record.host, record.phase)) is not None:
        cell.seconds, cell.doing = between(cell.started_at, record.at), "done, waits for the others"
    together = [cell for (_, phase), cell in p.cells.items() if phase == record.phase and cell.verdict is None]
    if all(cell.seconds is not None for cell in together):
        for cell in together:
            cell.doing = "being checked"


def _checks(p: Progress, record: Record, data: dict[str, Any]) -> None:
    for finding in data["findings"]:
        cell = p.cell(finding["host"], record.phase)
        if cell is not None and cell.seconds is not None:
            cell.seconds += finding["seconds"]


def _gate(p: Progress, record: Record, data: dict[str, Any]) -> None:
    for host in data["hosts"]:
        own = [Verdict(finding["verdict"]) for finding in data["findings"] if finding["host"] == host]
        p.cells.setdefault((host, record.phase), PhaseCell(record.at)).judged(worst([Verdict.PASS, *own]), record.at)


def _failed(p: Progress, record: Record, data: dict[str, Any]) -> None:
    _doing(p, record, one_line(data["found"]))


def _lost(p: Progress, record: Record, _data: dict[str, Any]) -> None:
    _doing(p, record, "connection lost, being asked again")


def _armed(p: Progress, _record: Record, data: dict[str, Any]) -> None:
    p.armed_s = data["confirm_s"]


def _bake(p: Progress, record: Record, data: dict[str, Any]) -> None:
    doing, lasts = "watched before its batch counts as good", data["seconds"]
    p.cells |= {(host, BAKE): PhaseCell(record.at, doing=doing, lasts=lasts) for host in data["hosts"]}


def _baked(p: Progress, record: Record, data: dict[str, Any]) -> None:
    for host in data["hosts"]:
        p.cells.setdefault((host, BAKE), PhaseCell(record.at)).judged(Verdict.PASS, record.at)


def _unstable(p: Progress, record: Record, data: dict[str, Any]) -> None:
    bad = {problem["host"] for problem in data["problems"]}
    for (host, phase), cell in p.cells.items():
        if phase == BAKE and cell.verdict is None:
            cell.judged(Verdict.FAIL if host in bad else Verdict.INCONCLUSIVE, record.at)


def _back(p: Progress, _record: Record, data: dict[str, Any]) -> None:
    p.rolling_back, p.applying, p.finished = True, True, None
    p.hosts += [host for host in data["hosts"] if host not in p.hosts]


def _prepared(p: Progress, _record: Record, _data: dict[str, Any]) -> None:
    p.prepared = True


def _confirmed(p: Progress, _record: Record, _data: dict[str, Any]) -> None:
    p.armed_s = None


def _finished(p: Progress, record: Record, _data: dict[str, Any]) -> None:
    p.finished, p.applying, p.armed_s = record, False, None
    for cell in p.cells.values():  # what was cut off in the middle was not judged, and must not look as if it still ran
        if cell.verdict is None:
            cell.judged(Verdict.INCONCLUSIVE, record.at)


_MOVES: dict[str, Callable[[Progress, Record, dict[str, Any]], None]] = {
    "run.created": _created, "plan.made": _planned, "run.started": _started, "run.finished": _finished, "phase.started": _phase,
    "intent": _intent, "batch.done": _batch_done, "checks": _checks, "gate": _gate, "failed": _failed, "connection.lost": _lost,
    "armed": _armed, "bake.started": _bake, "bake.done": _baked, "bake.failed": _unstable, "rollback.started": _back,
    "prepared": _prepared, "confirmed": _confirmed,
}  # fmt: skip
