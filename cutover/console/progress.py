"""Where a run is, as far as the journal says: one cell for each host and phase, and what was noticed on the way.

Records go in one by one, live or from a file; console, summary and status all look at the same result.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover.console.text import count, one_line, without_host
from cutover.core.times import between
from cutover.core.verdict import Verdict, worst
from cutover.journal.record import Record
from cutover.plan.phases import PHASES, ROLLBACK
from cutover.timeline.host_state import Whereabouts

BAKE = "bake"
COLUMNS = (*(phase.name for phase in PHASES), BAKE)


@dataclass
class Cell:
    """One phase on one host: when it began, how long the host itself took, what it does, how it was judged."""

    started_at: str
    seconds: float | None = None  # its own work and checks; None while it works
    doing: str = "preparing"
    verdict: Verdict | None = None
    lasts: float | None = None  # how long it is going to take, where that is known (the bake time)


@dataclass
class Note:
    """Something that is not PASS, or that a person should know; told once for all its hosts."""

    verdict: Verdict
    name: str
    found: str
    alike: str  # what was found, without the name of its host
    next: str = ""
    hosts: list[str] = field(default_factory=list)


@dataclass
class Progress:
    """The run so far."""

    run: str = ""
    environment: str = ""
    release: str = ""
    fingerprint: str = ""
    hosts: list[str] = field(default_factory=list)
    already: list[str] = field(default_factory=list)
    batches: list[list[str]] = field(default_factory=list)
    batch: int = 0
    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    whereabouts: Whereabouts = field(default_factory=Whereabouts)
    armed_s: float | None = None
    applying: bool = False  # from the approved plan to the end
    rolling_back: bool = False  # a rollback was begun
    cause: str = ""
    prepared: bool = False
    finished: Record | None = None

    def take(self, record: Record) -> None:
        """Take one more record in. Kinds that do not move the run are left to the log.

        A record that is not as expected is told and left out: a display must never end a run.
        """
        try:
            self.whereabouts.take(record)
            if move := _MOVES.get(record.kind):
                move(self, record, record.data)
        except (KeyError, TypeError, ValueError) as odd:
            found = f"this record cannot be shown ({odd!r})"
            self.note(Verdict.ERROR, record.host, record.kind, found, "see it in the journal")

    @property
    def columns(self) -> tuple[str, ...]:
        """The phases to show; the rollback where there was one."""
        return (*COLUMNS, ROLLBACK.name) if self.rolling_back else COLUMNS

    def cell(self, host: str, phase: str) -> Cell | None:
        """How a phase goes on a host; None where it was not begun."""
        return self.cells.get((host, phase))

    def running(self, host: str) -> tuple[str, Cell] | None:
        """The phase that a host is in."""
        return next(
            ((phase, cell) for (name, phase), cell in self.cells.items() if name == host and cell.verdict is None), None
        )

    def on(self, version: str) -> list[str]:
        """The hosts on which a version is in service, as far as the journal knows."""
        return [host for host in self.hosts if self.version(host) == version]

    def version(self, host: str) -> str:
        """The version in service on a host, as far as the journal knows."""
        return self.whereabouts.place(host).version

    def note(self, verdict: Verdict, host: str, name: str, found: str, advice: str = "") -> None:
        """Remember something, once for all hosts that show the same."""
        alone = without_host(found, host)
        same = next((n for n in self.notes if (n.verdict, n.name, n.alike) == (verdict, name, alone)), None)
        if same is None:
            self.notes.append(same := Note(verdict, name, found, alone, advice))
        if host and host not in same.hosts:
            same.hosts.append(host)
            same.found = same.alike if len(same.hosts) > 1 else found


def progress_of(records: Iterable[Record]) -> Progress:
    """Where a whole journal leads to."""
    progress = Progress()
    for record in records:
        progress.take(record)
    return progress


Move = Callable[[Progress, Record, dict[str, Any]], None]


def _created(p: Progress, _record: Record, data: dict[str, Any]) -> None:
    p.run, p.environment = data["run"], data["environment"]


def _planned(p: Progress, _record: Record, data: dict[str, Any]) -> None:
    p.release, p.fingerprint = data["release"], data["fingerprint"]
    p.hosts, p.already = list(data["hosts"]), list(data.get("already", []))
    p.batches = [list(batch) for batch in data["batches"]]


def _started(p: Progress, _record: Record, data: dict[str, Any]) -> None:
    p.applying, p.finished = True, None
    p.hosts = p.hosts or list(data["hosts"])


def _phase(p: Progress, record: Record, data: dict[str, Any]) -> None:
    for host in data["hosts"]:
        p.cells[host, record.phase] = Cell(record.at)


def _intent(p: Progress, record: Record, data: dict[str, Any]) -> None:
    _doing(p, record.host, record.phase, f"at work on {count(len(data['steps']), 'step')}")


def _batch_done(p: Progress, record: Record, _data: dict[str, Any]) -> None:
    cell = p.cell(record.host, record.phase)
    if cell is not None:
        cell.seconds = between(cell.started_at, record.at)
        cell.doing = "done, waits for the others"
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
    for finding in data["findings"]:
        p.note(Verdict(finding["verdict"]), finding["host"], finding["name"], finding["message"], finding["next"])
    for host in data["hosts"]:
        own = [Verdict(finding["verdict"]) for finding in data["findings"] if finding["host"] == host]
        _judged(p, record, host, record.phase, worst(own) if own else Verdict.PASS)


def _judged(p: Progress, record: Record, host: str, phase: str, verdict: Verdict) -> None:
    cell = p.cells.setdefault((host, phase), Cell(record.at))
    cell.verdict, cell.doing = verdict, ""
    if cell.seconds is None:
        cell.seconds = between(cell.started_at, record.at)


def _doing(p: Progress, host: str, phase: str, doing: str) -> None:
    cell = p.cell(host, phase)
    if cell is not None and cell.verdict is None:
        cell.doing = doing


def _failed(p: Progress, record: Record, data: dict[str, Any]) -> None:
    _doing(p, record.host, record.phase, one_line(data["found"]))


def _lost(p: Progress, record: Record, data: dict[str, Any]) -> None:
    what = record.kind.replace(".", " ").replace("_", " ")
    p.note(Verdict.WARN, record.host, record.kind, f"{what}: {data['found']}")
    if record.kind == "connection.lost":
        _doing(p, record.host, record.phase, f"{what}, being asked again")


def _batch(p: Progress, _record: Record, data: dict[str, Any]) -> None:
    p.batch = data["number"]


def _armed(p: Progress, _record: Record, data: dict[str, Any]) -> None:
    p.armed_s = data["confirm_s"]


def _bake(p: Progress, record: Record, data: dict[str, Any]) -> None:
    for host in data["hosts"]:
        p.cells[host, BAKE] = Cell(record.at, doing="watched before its batch counts as good", lasts=data["seconds"])


def _baked(p: Progress, record: Record, data: dict[str, Any]) -> None:
    for host in data["hosts"]:
        _judged(p, record, host, BAKE, Verdict.PASS)


def _unstable(p: Progress, record: Record, data: dict[str, Any]) -> None:
    bad = {problem["host"] for problem in data["problems"]}
    for problem in data["problems"]:
        p.note(Verdict.FAIL, problem["host"], problem["path"], problem["found"], problem["next"])
    for (host, phase), cell in list(p.cells.items()):
        if phase == BAKE and cell.verdict is None:
            _judged(p, record, host, BAKE, Verdict.FAIL if host in bad else Verdict.INCONCLUSIVE)


def _back(p: Progress, _record: Record, data: dict[str, Any]) -> None:
    p.rolling_back, p.applying, p.finished, p.cause = True, True, None, data["cause"]
    p.hosts += [host for host in data["hosts"] if host not in p.hosts]


def _prepared(p: Progress, _record: Record, _data: dict[str, Any]) -> None:
    p.prepared = True


def _confirmed(p: Progress, _record: Record, _data: dict[str, Any]) -> None:
    p.armed_s = None


def _released(p: Progress, _record: Record, data: dict[str, Any]) -> None:
    for host, found in data.get("failed", {}).items():
        p.note(Verdict.WARN, host, "lease", f"the lease could not be given back: {found}", "it ends by itself")


def _finished(p: Progress, record: Record, _data: dict[str, Any]) -> None:
    p.finished, p.applying, p.armed_s = record, False, None
    for cell in p.cells.values():  # what was cut off in the middle was not judged, and must not look as if it still ran
        if cell.verdict is None:
            cell.verdict, cell.doing = Verdict.INCONCLUSIVE, ""
            cell.seconds = cell.seconds or between(cell.started_at, record.at)


_MOVES: dict[str, Move] = {
    "run.created": _created, "plan.made": _planned, "run.started": _started, "run.finished": _finished, "phase.started": _phase,
    "intent": _intent, "batch.done": _batch_done, "checks": _checks, "gate": _gate, "failed": _failed, "connection.lost": _lost,
    "lease.lost": _lost, "lease.not_renewed": _lost, "lease.released": _released, "batch.started": _batch, "armed": _armed,
    "bake.started": _bake, "bake.done": _baked, "bake.failed": _unstable, "rollback.started": _back,
    "prepared": _prepared, "confirmed": _confirmed,
}  # fmt: skip


def alike(hosts: Sequence[str], key: Callable[[str], object]) -> list[list[str]]:
    """Hosts that look the same, together, in their order."""
    groups: dict[object, list[str]] = {}
    for host in hosts:
        groups.setdefault(key(host), []).append(host)
    return list(groups.values())
