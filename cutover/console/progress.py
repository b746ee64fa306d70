"""How far a run is, by its journal: one cell for each host and phase, and the problems on the way.

Records go in one by one, live or from a file; live table, summary and report all read the same result.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover.core.errors import Problem
from cutover.core.times import between
from cutover.core.verdict import Verdict, worst
from cutover.journal.record import Record
from cutover.plan.phases import PHASES, ROLLBACK
from cutover.timeline.host_state import HostStates
from cutover.timeline.problems import Judged, problems_in
from cutover.timeline.timeline import BAKE

COLUMNS = (*(phase.name for phase in PHASES), BAKE)
TITLES = {phase.name: f"{phase.number} {phase.name}" for phase in PHASES} | {BAKE: BAKE, ROLLBACK.name: ROLLBACK.name}


@dataclass
class PhaseCell:
    """One phase on one host: when it began, how long the host itself took, how it was judged."""

    started_at: str
    seconds: float | None = None  # its own work and checks; None while it works
    verdict: Verdict | None = None
    lasts: float | None = None  # how long it is going to take, where that is known (the bake time)

    def judged(self, verdict: Verdict, at: str) -> None:
        """Close the cell."""
        self.verdict = verdict
        self.seconds = between(self.started_at, at) if self.seconds is None else self.seconds


@dataclass
class Progress:
    """The run so far."""

    run: str = ""
    service: str = ""
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
            self._take_run(record.kind, record, record.data)
            self._take_cells(record.kind, record, record.data)
            for key, verdict in self._verdicts(record.kind, record, record.data).items():
                self.cells.setdefault(key, PhaseCell(record.at)).judged(verdict, record.at)
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

    def _take_run(self, kind: str, record: Record, data: dict[str, Any]) -> None:
        match kind:
            case "run.created":
                self.run, self.environment, self.service = data["run"], data["environment"], data.get("service", "")
            case "plan.made":
                self.release, self.hosts, self.already = data["release"], [*data["hosts"]], [*data.get("already", [])]
                self.batches = [list(batch) for batch in data["batches"]]
            case "run.started":
                self.applying, self.finished = True, None
                self.hosts = self.hosts or list(data["hosts"])
            case "armed":
                self.armed_s = data["confirm_s"]
            case "prepared":
                self.prepared = True
            case "confirmed":
                self.armed_s = None
            case "rollback.started":
                self.rolling_back, self.applying, self.finished = True, True, None
                self.hosts += [host for host in data["hosts"] if host not in self.hosts]
            case "run.finished":
                self.finished, self.applying, self.armed_s = record, False, None

    def _take_cells(self, kind: str, record: Record, data: dict[str, Any]) -> None:
        """What moves the cells until they are judged."""
        if kind == "phase.started":
            self.cells |= {(host, record.phase): PhaseCell(record.at) for host in data["hosts"]}
        elif kind == "bake.started":
            self.cells |= {(host, BAKE): PhaseCell(record.at, lasts=data["seconds"]) for host in data["hosts"]}
        elif kind == "batch.done":
            if (cell := self.cell(record.host, record.phase)) and cell.verdict is None:
                cell.seconds = between(cell.started_at, record.at)
        elif kind == "checks":
            for finding in data["findings"]:
                if (checked := self.cell(finding["host"], record.phase)) and checked.seconds is not None:
                    checked.seconds += finding["seconds"]

    def _verdicts(self, kind: str, record: Record, data: dict[str, Any]) -> dict[tuple[str, str], Verdict]:
        """The cells that a record closes. What was cut off in the middle was not judged, and must not look as if it still ran."""
        running = [key for key, cell in self.cells.items() if cell.verdict is None]
        match kind:
            case "gate":
                noted = [(finding["host"], Verdict(finding["verdict"])) for finding in data["findings"]]
                own = {host: [verdict for known, verdict in noted if known == host] for host in data["hosts"]}
                return {(host, record.phase): worst([Verdict.PASS, *verdicts]) for host, verdicts in own.items()}
            case "bake.done":
                return {(host, BAKE): Verdict.PASS for host in data["hosts"]}
            case "bake.failed":
                bad = {problem["host"] for problem in data["problems"]}
                verdicts = {host: Verdict.FAIL if host in bad else Verdict.INCONCLUSIVE for host, _ in running}
                return {key: verdicts[key[0]] for key in running if key[1] == BAKE}
            case "run.finished":
                return dict.fromkeys(running, Verdict.INCONCLUSIVE)
        return {}


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
