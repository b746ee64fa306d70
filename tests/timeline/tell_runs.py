"""Small journals and a plan made by hand, in the shape of real ones, for the tests of what people see."""

from datetime import UTC, datetime, timedelta
from typing import Any

from cutover.core.step import Step
from cutover.journal.record import Record
from cutover.plan.phases import COMMITTING, PHASES, PREPARING, ROLLBACK, Phase
from cutover.plan.plan import Change, FileDiff, HostPlan, Plan, ReleasePlan, ServicePlan
from tests.toy import TOY

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUN = "20260102T030405Z-abc123"
RELEASE = "2.0.0-cafe"
V1_AWAY = {"stopped": "v1.service", "started": "v1.service"}
WAY_BACK = {"stopped": "v2.service", "started": "v1.service"}
CLOCK = "the clock is kept: synchronized is False, should be True"


def at(seconds: float) -> datetime:
    """A moment of the run."""
    return START + timedelta(seconds=seconds)


class Tape:
    """Records one after the other."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.seconds = 0.0

    def wait(self, seconds: float) -> "Tape":
        """Let time pass."""
        self.seconds += seconds
        return self

    def write(self, kind: str, **data: Any) -> "Tape":
        """One more record, now."""
        now = at(self.seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.records.append(Record.following(self.records[-1] if self.records else None, now, kind, data))
        return self

    def begin(self, *batches: list[str]) -> "Tape":
        """A run that was planned and approved."""
        hosts = [host for batch in batches for host in batch]
        self.write("run.created", service="abaco", run=RUN, environment="stage", pattern="web*")
        self.write("plan.made", fingerprint="f" * 64, release=RELEASE, hosts=hosts, batches=list(batches), already=[])
        return self.write("run.started", fingerprint="f" * 64, hosts=hosts)

    def phase(
        self, phase: Phase, hosts: list[str], *findings: dict[str, Any], outcomes: tuple[dict[str, Any], ...] = ()
    ) -> "Tape":
        """A phase from start to gate: half a second of work, half a second of checks."""
        self.write("phase.started", phase=phase.name, title=phase.title, hosts=hosts)
        for host in hosts:
            self.write("intent", host=host, phase=phase.name, batch=f"{phase.name}-1", steps=[f"{phase.name}.step"])
        self.wait(0.5)
        for host in hosts:
            for said in outcomes or ({"id": f"{phase.name}.step"},):
                self.write("outcome", **outcome(host, phase, **said))
            self.write("batch.done", host=host, phase=phase.name, batch=f"{phase.name}-1", seconds=0.5)
        checked = [finding(host, f"{phase.name}.check", "PASS", "it is so") for host in hosts]
        self.wait(0.5).write("checks", phase=phase.name, findings=checked)
        bad = [found for found in findings if found["verdict"] not in ("PASS", "WARN")]
        verdict = bad[0]["verdict"] if bad else "WARN" if findings else "PASS"
        return self.write(
            "gate",
            phase=phase.name,
            hosts=hosts,
            verdict=verdict,
            opens=not bad,
            judged=2 * len(hosts),
            findings=list(findings),
        )

    def bake(self, hosts: list[str]) -> "Tape":
        """Three stable seconds."""
        self.write("bake.started", hosts=hosts, seconds=3.0).wait(3)
        return self.write("bake.done", hosts=hosts, seconds=3.0, looks=4)

    def finish(self, code: int, status: str, *problems: dict[str, str]) -> "Tape":
        """The end of the run."""
        return self.write(
            "run.finished", exit_code=code, status=status, **({"problems": list(problems)} if problems else {})
        )


def outcome(host: str, phase: Phase, **said: Any) -> dict[str, Any]:
    """What a host answers for a step."""
    usual = {
        "words": "do it",
        "before": {},
        "after": {},
        "changed": True,
        "ok": True,
        "differences": [],
        "error": None,
        "seconds": 0.25,
    }
    return {"host": host, "phase": phase.name, **usual, **said}


def finding(host: str, name: str, verdict: str, message: str) -> dict[str, Any]:
    """What a gate keeps of a finding."""
    return {
        "host": host,
        "name": name,
        "verdict": verdict,
        "message": message,
        "next": f"look after {name}",
        "seconds": 0.1,
    }


def problem(host: str, path: str, found: str) -> dict[str, str]:
    """What an error keeps of a problem."""
    return {"host": host, "path": path, "found": found, "next": f"look after {path}"}


def gap(step: str, stop: float, between: float, start: float) -> dict[str, Any]:
    """The outcome of a step that measured how long the service was away."""
    parts = {"stop_s": stop, "between_s": between, "start_s": start}
    total = round(stop + between + start, 3)
    when = {"from": at(0).isoformat(), "until": at(total).isoformat()}
    return {"id": step, "changed": False, "after": {"gap_s": total, **when, **parts}}


def success() -> Tape:
    """Two batches, one warning everywhere, all on V2."""
    tape = Tape().begin(["web1"], ["web2", "web3"])
    hosts = ["web1", "web2", "web3"]
    clocks = [finding(host, "preflight.clock", "WARN", CLOCK) for host in hosts]
    for phase in PREPARING:
        tape.phase(phase, hosts, *(clocks if phase is PREPARING[0] else []))
    tape.write("prepared", hosts=hosts)
    for number, batch in enumerate((["web1"], ["web2", "web3"]), start=1):
        tape.write("batch.started", number=number, of=2, hosts=batch).write("armed", hosts=batch, confirm_s=60.0)
        for phase in COMMITTING:
            measured = (gap("activation.outage", 0.1, 0.9, 0.25 * number),) if phase.name == "activation" else ()
            tape.phase(phase, batch, outcomes=measured)
        tape.bake(batch)
    return tape.write("confirmed", hosts=hosts).finish(0, "on V2")


def failing() -> Tape:
    """One batch that fails at activation, up to the moment in which the way back begins."""
    tape = Tape().begin(["web1"], ["web2"])
    for phase in PREPARING:
        tape.phase(phase, ["web1", "web2"])
    tape.write("batch.started", number=1, of=2, hosts=["web1"]).write("armed", hosts=["web1"], confirm_s=60.0)
    tape.phase(COMMITTING[0], ["web1"])
    tape.phase(COMMITTING[1], ["web1"], finding("web1", "activation.ready", "FAIL", "it never said that it is ready"))
    return tape.write("rollback.started", hosts=["web1"], cause="it never said that it is ready")


def rolled_back() -> Tape:
    """The failing run, back on V1."""
    measured = (
        gap("rollback.away", 0.2, 4.0, 0.3),
        {"id": "rollback.outage", "after": {"gap_s": None, "why": "V2 never ran"}},
    )
    tape = failing().phase(ROLLBACK, ["web1"], outcomes=measured)
    tape.write("rollback.finished", hosts=["web1"], failed=[], cause="it never said that it is ready")
    return tape.finish(4, "RolledBack", problem("web1", "activation.ready", "it never said that it is ready"))


def mixed() -> Tape:
    """The failing run, and the way back fails too."""
    error = 'File "x.py", line 1, in f\n    f()\n    ^^^\nOSError: the disk is gone'
    left_out = "start V1: left out: it needs rollback.files"
    tape = failing().phase(
        ROLLBACK,
        ["web1"],
        finding("web1", "rollback.files", "FAIL", f"restore: {error}"),
        finding("web1", "rollback.old", "FAIL", left_out),
    )
    tape.write("rollback.finished", hosts=[], failed=["web1"], cause="it never said that it is ready")
    return tape.finish(
        5,
        "MixedFleet",
        problem("web1", "rollback.files", f"restore: {error}"),
        problem("web1", "rollback.old", left_out),
    )


def plan(*batches: list[str]) -> Plan:
    """The plan of these runs; what was found differs between hosts in figures only."""
    hosts = {
        name: host_plan(name, number)
        for number, name in enumerate((name for batch in batches for name in batch), start=1)
    }
    return Plan(
        service=ServicePlan(name="toy", title="Toy", old="V1", new="V2"),
        run=RUN,
        stamp=RUN[:16],
        created_at="2026-01-02T03:04:05.000Z",
        created_by="ann@desk (process 7)",
        environment="stage",
        pattern="web*",
        batches=tuple(tuple(batch) for batch in batches),
        release=ReleasePlan(id=RELEASE, sha256="ab" * 32, artifact="r.tar.gz", size=38_900_000),
        hosts=hosts,
        files={},
    )


def host_plan(name: str, number: int) -> HostPlan:
    """A step or two a phase, and one file."""
    steps: dict[str, tuple[Step, ...]] = {
        phase.name: (_step(f"{phase.name}.step", "directory", f"do what {phase.name} needs on {name}"),)
        for phase in PHASES
    }
    steps["preflight"] = (
        _step("preflight.up", "unit", "V1 runs", probe=True),
        _step("preflight.clock", "clock", "the clock is kept", probe=True, severity="WARN"),
    )
    both = {"stopped": "v1.service", "started": "v2.service"}
    steps["activation"] = (
        _step("activation.file-config", "file", "write /etc/svc.yml"),
        _step("activation.outage", "gap", "at most 30 s away", probe=True, args=both),
    )
    steps["rollback"] = (
        _step(
            "rollback.away",
            "gap",
            "how long V1 was away",
            probe=True,
            args={"stopped": "v1.service", "started": "v1.service"},
        ),
        _step(
            "rollback.outage",
            "gap",
            "how long nobody served",
            probe=True,
            args={"stopped": "v2.service", "started": "v1.service"},
        ),
    )
    found = {
        "preflight.clock": (f"offset is {number}, should be 0",),
        "backup.step": ("exists is False, should be True",),
        "activation.file-config": ("sha256 is a, should be b",),
    }
    lines = "--- /etc/svc.yml (now)\n+++ /etc/svc.yml (planned)\n@@ -1 +1 @@\n-port: 1\n+port: 2\n"
    return HostPlan(
        service=TOY, name=name, address="198.18.0.1", variables={}, facts={}, steps=steps,
        changes=tuple(Change(step=step.id, differences=found.get(step.id, ())) for phase in PHASES for step in steps[phase.name]),
        diffs=(FileDiff(path="/etc/svc.yml", against="/etc/svc.yml", lines=lines, keys=("~ port: 1 -> 2",)),),
    )  # fmt: skip


def _step(name: str, kind: str, words: str, **extra: Any) -> Step:
    return Step(**{"id": name, "kind": kind, "words": words, "args": {}, "desired": {}, **extra})
