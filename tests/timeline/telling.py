"""Runs for the tests of the report: small journals and plans, written as the engine writes them."""

from pathlib import Path
from typing import Any

from cutover.core.step import Step
from cutover.journal.record import Record
from cutover.journal.rundir import RunDir
from cutover.plan.phases import PHASES, ROLLBACK
from cutover.plan.plan import FileDiff, HostPlan, Plan, ReleasePlan, ServicePlan
from cutover.plan.steps import command, probe, restore, snapshot
from tests.toy import TOY

RUN = "20260102T030405Z-abc123"
HOSTS = ("h1", "h2")
VALIDATE, VALUES = "validation.validate", "staging.values"
SAME = {"stopped": "v1.service", "started": "v1.service"}


class Writer:
    """Writes a journal, one record a second."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def tell(self, kind: str, **data: Any) -> "Writer":
        """Add a record."""
        number = len(self.records)
        at = f"2026-01-02T03:{4 + number // 60:02}:{number % 60:02}.000Z"
        self.records.append(Record.following(self.records[-1] if self.records else None, at, kind, data))
        return self

    def begin(self) -> "Writer":
        """Up to the start of the run."""
        self.tell("run.created", service="abaco", run=RUN, environment="lab", pattern="lab")
        self.tell(
            "plan.made",
            fingerprint="f" * 64,
            release="2.0.0-abc",
            hosts=list(HOSTS),
            batches=[["h1"], ["h2"]],
            already=[],
        )
        self.tell("approved", by="somebody", fingerprint="f" * 64)
        return self.tell("run.started", fingerprint="f" * 64, hosts=list(HOSTS))

    def phase(
        self,
        name: str,
        hosts: tuple[str, ...] = HOSTS,
        *,
        findings: tuple[dict[str, Any], ...] = (),
        opens: bool = True,
    ) -> "Writer":
        """A phase from its start to its gate."""
        self.tell("phase.started", phase=name, title=name, hosts=list(hosts))
        for host in hosts:
            self.tell("intent", host=host, phase=name, batch=f"{name}-1", steps=[])
        verdict = findings[0]["verdict"] if findings else "PASS"
        return self.tell(
            "gate", phase=name, hosts=list(hosts), verdict=verdict, opens=opens, judged=3, findings=list(findings)
        )

    def outcome(self, host: str, step: str, after: dict[str, Any], *, ok: bool = True, **more: Any) -> "Writer":
        """What was seen of a step."""
        told = {
            "host": host,
            "phase": step.partition(".")[0],
            "words": step,
            "id": step,
            "after": after,
            "before": {},
            "ok": ok,
        }
        return self.tell(
            "outcome", **(told | {"changed": True, "differences": [], "error": None, "seconds": 0.1} | more)
        )

    def away(self, host: str, step: str, seconds: float) -> "Writer":
        """A measured stretch without service."""
        parts = {"stop_s": 0.2, "between_s": seconds - 0.5, "start_s": 0.3}
        return self.outcome(
            host, step, {"gap_s": seconds, "from": self.records[-1].at, "until": self.records[-1].at, **parts}
        )

    def end(self, code: int, status: str, *problems: dict[str, str]) -> "Writer":
        """The end of the run."""
        return self.tell("run.finished", exit_code=code, status=status, problems=list(problems))

    def run(self, folder: Path, *, planned: bool = True, cut: int = 0) -> RunDir:
        """The run's directory; `cut` takes characters off the end of the journal."""
        run = RunDir(folder / RUN)
        run.evidence.mkdir(parents=True, exist_ok=True)
        text = "".join(record.line() for record in self.records)
        run.journal_file.write_text(text[: len(text) - cut])
        if planned and not run.plan_file.exists():
            plan().save(run.plan_file)
        return run


def finding(host: str, name: str, verdict: str, message: str, advice: str = "look") -> dict[str, Any]:
    """A finding as a gate keeps it."""
    return {"host": host, "name": name, "verdict": verdict, "message": message, "next": advice, "seconds": 0.1}


def problem(found: str, host: str = "", path: str = "") -> dict[str, str]:
    """A problem as the end of a run keeps it."""
    return {"found": found, "next": "do this", "host": host, "path": path}


def prepared() -> Writer:
    """Phases 0-2 done."""
    story = Writer().begin()
    for name in ("preflight", "backup", "staging"):
        story.phase(name)
    return story.tell("prepared", hosts=list(HOSTS))


def success() -> Writer:
    """A cutover of both hosts, with values and the validation report."""
    story = prepared()
    for number, host in enumerate(HOSTS, start=1):
        story.outcome(host, VALUES, {"document": {"tapes": [tape(host)], "n": 1}})
        story.tell("batch.started", number=number, of=2, hosts=[host])
        for name in ("shutdown", "activation", "validation"):
            story.phase(name, (host,))
        story.away(host, "activation.outage", 1.0 + number).outcome(host, VALIDATE, {"document": report("PASS")})
        story.tell("bake.started", hosts=[host], seconds=3.0).tell("bake.done", hosts=[host], seconds=3.0, looks=4)
    return (
        story.tell("confirmed", hosts=list(HOSTS)).tell("lease.released", hosts=list(HOSTS), failed={}).end(0, "on V2")
    )


def rolled_back() -> Writer:
    """A canary that fails in phase 4 and goes back."""
    bad = finding("h1", "activation.ready", "FAIL", "not ready: «broken»", "see its journal")
    story = prepared().tell("batch.started", number=1, of=2, hosts=["h1"]).phase("shutdown", ("h1",))
    story.phase("activation", ("h1",), findings=(bad,), opens=False)
    story.tell("rollback.started", hosts=["h1"], cause="not ready: «broken»")
    story.outcome(
        "h1",
        "rollback.keep",
        {"files": 7, "bytes": 900, "read_only": True, "manifest_sha256": "e" * 64, "taken_at": "x"},
    )
    story.outcome("h1", "rollback.files", {"identical": True}).away("h1", "rollback.away", 2.5).phase(
        "rollback", ("h1",)
    )
    story.tell("rollback.finished", hosts=["h1"], failed=[], cause="not ready: «broken»")
    return story.end(
        4,
        "RolledBack",
        problem("not ready: «broken»", "h1", "activation.ready"),
        problem("rolled back: h1; all on V1, verified"),
    )


def tape(host: str) -> dict[str, Any]:
    """One judged input, as the service's own command prints it."""
    against = {
        "Share": {"v1": 2.5, "v2": 2.4999, "relative": 0.0, "difference": 0.0, "v1_decimals": 1, "verdict": "PASS"}
    }
    return {
        "tape": f"/data/{host}.csv",
        "against_v1": against,
        "kpis": {"Share": {"unit": "%", "row_count": 10, "valid_range": [0, 100]}},
    }


def report(status: str) -> dict[str, Any]:
    """A validation report in the seeds' shape."""
    names = ("kpi_calculations", "data_integrity", "performance", "error_handling", "audit_trail")
    checks = {
        name: {"status": "PASS", "n": 3, "values": {"ms": 1.5}, "thresholds": {"ms": {"warn": 100}}, "issues": []}
        for name in names
    }
    checks["performance"]["status"] = status
    issues = [] if status == "PASS" else [{"verdict": status, "found": "slow"}]
    return {"status": status, "checks": checks, "timestamp": "2026-01-02T03:05:00Z", "issues": issues}


def plan() -> Plan:
    """The plan of both hosts."""
    return Plan(
        service=ServicePlan(name="toy", title="Toy", old="V1", new="V2"),
        run=RUN, stamp="20260102T030405Z", created_at="2026-01-02T03:04:05Z", created_by="somebody", environment="lab", pattern="lab",
        batches=(("h1",), ("h2",)), release=ReleasePlan(id="2.0.0-abc", sha256="a" * 64, artifact="x.tar.gz", size=1_500_000),
        hosts={name: _host(name) for name in HOSTS}, files={},
    )  # fmt: skip


def _host(name: str) -> HostPlan:
    steps: dict[str, tuple[Step, ...]] = {phase.name: () for phase in (*PHASES, ROLLBACK)}
    steps["preflight"] = (
        probe("preflight.disk", "disk", "room enough", {"free_bytes": {"at_least": 5}}, next="make room"),
    )
    steps["staging"] = (command(VALUES, "judge values", ["x"], {"document.n": {"at_least": 1}}, timeout_s=1),)
    steps["validation"] = (command(VALIDATE, "judge the service", ["x"], {"document.status": "PASS"}, timeout_s=1),)
    steps["rollback"] = (
        snapshot("rollback.keep", "/backup/new_kept", RUN, []),
        restore("rollback.files", "/backup", RUN, ["config"]),
        probe("rollback.away", "gap", "how long V1 was away", {}, args=SAME),
    )
    diff = FileDiff(
        path="/etc/x.yml",
        against="/etc/x.yml",
        lines="--- a\n+++ b\n-port: 1\n+port: 2\n",
        keys=("~ port: 1 -> 2", "+ new: true"),
    )
    variables = {"cutover_outage_budget_s": 30.0}
    return HostPlan(
        service=TOY,
        name=name,
        address="192.0.2.1",
        variables=variables,
        facts={"host": {"os": "x"}},
        steps=steps,
        changes=(),
        diffs=(diff,),
    )
