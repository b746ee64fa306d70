"""Small journals and a plan made by hand, in the shape of real ones, for the tests of what people see."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cutover.core.step import Step
from cutover.core.times import written
from cutover.journal.record import Record
from cutover.journal.rundir import RunDir
from cutover.plan.phases import COMMITTING, PHASES, PREPARING, ROLLBACK, Phase, phase_named
from cutover.plan.plan import Change, FileDiff, HostPlan, Plan, ReleasePlan, ServicePlan
from cutover.plan.steps import command, probe, restore, snapshot
from cutover.timeline.presentation import presentation
from cutover.timeline.timeline import timeline_of
from cutover.timeline.view import RunView
from tests.checkout import ROOT
from tests.toy import TOY

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUN = "20260102T030405Z-abc123"
RELEASE = "2.0.0-cafe"
CLOCK = "the clock is kept: found false, expected true"
NOT_READY = "ready: found false, expected true"


def at(seconds: float) -> datetime:
    """A time of the run."""
    return START + timedelta(seconds=seconds)


class Tape:
    """Records one after the other, each `tick` seconds after the one before."""

    def __init__(self, tick: float = 0.0, environment: str = "stage") -> None:
        self.records: list[Record] = []
        self.seconds = 0.0
        self.hosts: list[str] = []
        self._tick, self._environment = tick, environment

    def wait(self, seconds: float) -> "Tape":
        """Let time pass."""
        self.seconds += seconds
        return self

    def write(self, kind: str, **data: Any) -> "Tape":
        """One more record, now."""
        before = self.records[-1] if self.records else None
        self.records.append(Record.following(before, written(at(self.seconds)), kind, data))
        return self.wait(self._tick)

    def begin(self, *batches: list[str]) -> "Tape":
        """A run that was planned and approved."""
        self.hosts = hosts = [host for batch in batches for host in batch]
        self.write("run.created", service="abaco", run=RUN, environment=self._environment, pattern="web*")
        self.write("plan.made", fingerprint="f" * 64, release=RELEASE, hosts=hosts, batches=list(batches), already=[])
        self.write("approved", by="somebody", fingerprint="f" * 64)
        return self.write("run.started", fingerprint="f" * 64, hosts=hosts)

    def phase(
        self,
        phase: Phase | str,
        hosts: Sequence[str] = (),
        *findings: dict[str, Any],
        outcomes: tuple[dict[str, Any], ...] = (),
    ) -> "Tape":
        """A phase from start to gate: half a second of work, half a second of checks."""
        phase = phase_named(phase) if isinstance(phase, str) else phase
        name, hosts = phase.name, list(hosts or self.hosts)
        self.write("phase.started", phase=name, title=phase.title, hosts=hosts)
        for host in hosts:
            self.write("intent", host=host, phase=name, batch=f"{name}-1", steps=[f"{name}.step"])
        self.wait(0.5)
        for host in hosts:
            for one in outcomes or ({"id": f"{name}.step"},):
                self.write("outcome", **outcome(host, phase, **one))
            self.write("batch.done", host=host, phase=name, batch=f"{name}-1", seconds=0.5)
        checked = [finding(host, f"{name}.check", "PASS", "it is so") for host in hosts]
        self.wait(0.5).write("checks", phase=name, findings=checked)
        bad = [found for found in findings if found["verdict"] not in ("PASS", "WARN")]
        verdict = bad[0]["verdict"] if bad else "WARN" if findings else "PASS"
        answer = {"verdict": verdict, "opens": not bad, "judged": 2 * len(hosts), "findings": list(findings)}
        return self.write("gate", phase=name, hosts=hosts, **answer)

    def outcome(self, host: str, step: str, after: dict[str, Any], **more: Any) -> "Tape":
        """What was seen of one step."""
        return self.write("outcome", **outcome(host, phase_named(step.partition(".")[0]), id=step, after=after, **more))

    def bake(self, hosts: list[str]) -> "Tape":
        """Three stable seconds."""
        self.write("bake.started", hosts=hosts, seconds=3.0).wait(3)
        return self.write("bake.done", hosts=hosts, seconds=3.0, looks=4)

    def finish(self, code: int, status: str, *problems: dict[str, str]) -> "Tape":
        """The end of the run."""
        more = {"problems": list(problems)} if problems else {}
        return self.write("run.finished", exit_code=code, status=status, **more)

    def run(self, folder: Path, *, planned: bool = True, cut: int = 0) -> RunDir:
        """The run's directory; `cut` takes characters off the end of the journal."""
        run = RunDir(folder / RUN)
        run.evidence.mkdir(parents=True, exist_ok=True)
        text = "".join(record.line() for record in self.records)
        run.journal_file.write_text(text[: len(text) - cut])
        if planned and not run.plan_file.exists():
            planned_for = plan(*([host] for host in self.hosts or ["h1"]))
            planned_for.model_copy(update={"environment": self._environment}).save(run.plan_file)
        return run

    def view(self) -> RunView:
        """What reports see of it, without any file."""
        made = plan(*([host] for host in self.hosts or ["h1"]))
        return RunView(RunDir(Path(RUN)), ROOT, timeline_of(self.records), made, presentation(ROOT, "abaco"))


def outcome(host: str, phase: Phase, **said: Any) -> dict[str, Any]:
    """What a host answers for a step."""
    state = {"before": {}, "after": {}, "changed": True, "ok": True, "differences": [], "error": None}
    return {"host": host, "phase": phase.name, "words": "do it", "seconds": 0.25, **state, **said}


def finding(host: str, name: str, verdict: str, message: str, advice: str = "") -> dict[str, Any]:
    """A finding as a gate keeps it."""
    next_ = advice or f"look after {name}"
    return {"host": host, "name": name, "verdict": verdict, "message": message, "next": next_, "seconds": 0.1}


def problem(host: str, path: str, found: str) -> dict[str, str]:
    """A problem as the end of a run keeps it."""
    return {"host": host, "path": path, "found": found, "next": f"look after {path}"}


def gap(step: str, stop: float, between: float, start: float) -> dict[str, Any]:
    """The outcome of a step that measured the outage."""
    total = round(stop + between + start, 3)
    when = {"from": at(0).isoformat(), "until": at(total).isoformat()}
    parts = {"stop_s": stop, "between_s": between, "start_s": start}
    return {"id": step, "changed": False, "after": {"gap_s": total, **when, **parts}}


def success() -> Tape:
    """Two batches, one warning everywhere, all on the new release."""
    tape = Tape().begin(["web1"], ["web2", "web3"])
    clocks = [finding(host, "preflight.clock", "WARN", CLOCK) for host in tape.hosts]
    for phase in PREPARING:
        tape.phase(phase, tape.hosts, *(clocks if phase is PREPARING[0] else []))
    tape.write("prepared", hosts=tape.hosts)
    for number, batch in enumerate((["web1"], ["web2", "web3"]), start=1):
        tape.write("batch.started", number=number, of=2, hosts=batch).write("armed", hosts=batch, confirm_s=60.0)
        for phase in COMMITTING:
            measured = (gap("activation.outage", 0.1, 0.9, 0.25 * number),) if phase.name == "activation" else ()
            tape.phase(phase, batch, outcomes=measured)
        tape.bake(batch)
    return tape.write("confirmed", hosts=tape.hosts).finish(0, "on V2")


def failing() -> Tape:
    """One batch that fails at activation, up to the moment in which the rollback begins."""
    tape = Tape().begin(["web1"], ["web2"])
    for phase in PREPARING:
        tape.phase(phase)
    tape.write("batch.started", number=1, of=2, hosts=["web1"]).write("armed", hosts=["web1"], confirm_s=60.0)
    tape.phase(COMMITTING[0], ["web1"])
    tape.phase(COMMITTING[1], ["web1"], finding("web1", "activation.ready", "FAIL", NOT_READY))
    return tape.write("rollback.started", hosts=["web1"], cause=NOT_READY)


def rolled_back() -> Tape:
    """The failing run, back on the old release."""
    measured = (
        gap("rollback.away", 0.2, 4.0, 0.3),
        {"id": "rollback.outage", "after": {"gap_s": None, "why": "V2 never ran"}},
    )
    tape = failing().phase(ROLLBACK, ["web1"], outcomes=measured)
    tape.write("rollback.finished", hosts=["web1"], failed=[], cause=NOT_READY)
    return tape.finish(4, "RolledBack", problem("web1", "activation.ready", NOT_READY))


def mixed() -> Tape:
    """The failing run, and the rollback fails too."""
    error = 'restore: File "x.py", line 1, in f\n    f()\n    ^^^\nOSError: the disk is gone'
    left_out = "start V1: left out: it needs rollback.files"
    failed = {"rollback.files": error, "rollback.old": left_out}
    tape = failing().phase(
        ROLLBACK, ["web1"], *(finding("web1", name, "FAIL", found) for name, found in failed.items())
    )
    tape.write("rollback.finished", hosts=[], failed=["web1"], cause=NOT_READY)
    return tape.finish(5, "MixedFleet", *(problem("web1", name, found) for name, found in failed.items()))


def plan(*batches: list[str]) -> Plan:
    """The plan of these runs; what was found differs between hosts in figures only."""
    names = [name for batch in batches for name in batch]
    return Plan(
        service=ServicePlan(name="toy", title="Toy", old="V1", new="V2"),
        run=RUN, stamp=RUN[:16], created_at="2026-01-02T03:04:05.000Z", created_by="ann@desk (process 7)", environment="stage",
        pattern="web*", batches=tuple(tuple(batch) for batch in batches),
        release=ReleasePlan(id=RELEASE, sha256="ab" * 32, artifact="r.tar.gz", size=38_900_000),
        hosts={name: host_plan(name, number) for number, name in enumerate(names, start=1)}, files={},
    )  # fmt: skip


def host_plan(name: str, number: int) -> HostPlan:
    """A step or two a phase, and one file."""
    steps: dict[str, tuple[Step, ...]] = {
        phase.name: (_step(f"{phase.name}.step", "directory", f"do what {phase.name} needs on {name}"),)
        for phase in PHASES
    }
    steps["preflight"] = (
        _step("preflight.up", "unit", "V1 runs", probe=True),
        _step("preflight.clock", "clock", "NTP", probe=True, severity="WARN"),
        probe("preflight.disk", "disk", "room enough", {"free_bytes": {"at_least": 5}}, next="make room"),
    )
    steps["staging"] += (
        command("staging.values", "judge values", ["x"], {"document.n": {"at_least": 1}}, timeout_s=1),
    )
    steps["activation"] = (
        _step("activation.file-config", "file", "write /etc/svc.yml"),
        _gap("activation.outage", "outage", "v1", "v2"),
    )
    judged = command("validation.validate", "judge the service", ["x"], {"document.status": "PASS"}, timeout_s=1)
    steps["validation"] += (judged,)
    steps["rollback"] = (
        snapshot("rollback.keep", "/backup/new_kept", RUN, []),
        restore("rollback.files", "/backup", RUN, [{"name": "config"}]),
        _gap("rollback.away", "how long V1 was away", "v1", "v1"),
        _gap("rollback.outage", "outage of the rollback", "v2", "v1"),
    )
    found = {
        "preflight.clock": (f"offset: found {number}, expected 0",),
        "backup.step": ("exists: found false, expected true",),
        "activation.file-config": ("sha256: found a, expected b",),
    }
    diff = "--- /etc/svc.yml (now)\n+++ /etc/svc.yml (planned)\n@@ -1 +1 @@\n-port: 1\n+port: 2\n"
    keys = ("~ port: 1 -> 2", "+ new: true")
    return HostPlan(
        service=TOY, name=name, address="198.18.0.1", variables={"cutover_outage_budget_s": 30.0}, facts={"host": {"os": "x"}}, steps=steps,
        changes=tuple(Change(step=step.id, differences=found.get(step.id, ())) for phase in PHASES for step in steps[phase.name]),
        diffs=(FileDiff(path="/etc/svc.yml", against="/etc/svc.yml", lines=diff, keys=keys),),
    )  # fmt: skip


def _gap(name: str, words: str, stopped: str, started: str) -> Step:
    args = {"stopped": f"{stopped}.service", "started": f"{started}.service"}
    return _step(name, "gap", words, probe=True, args=args)


def _step(name: str, kind: str, words: str, **extra: Any) -> Step:
    return Step(**{"id": name, "kind": kind, "words": words, "args": {}, "desired": {}, **extra})
