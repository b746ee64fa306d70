"""Runs of two hosts for the tests of the report: with values, the validation report, outages, and what a rollback kept."""

from typing import Any

from tests.timeline.runs import NOT_READY, Tape, finding, problem

HOSTS = ("h1", "h2")
VALIDATE, VALUES = "validation.validate", "staging.values"


def begun() -> Tape:
    """A run of both hosts, a record a second, that has begun."""
    return Tape(tick=1.0, environment="lab").begin(["h1"], ["h2"])


def prepared() -> Tape:
    """Phases 0-2 done."""
    tape = begun()
    for name in ("preflight", "backup", "staging"):
        tape.phase(name)
    return tape.write("prepared", hosts=list(HOSTS))


def success() -> Tape:
    """A cutover of both hosts, with values and the validation report."""
    tape = prepared()
    for number, host in enumerate(HOSTS, start=1):
        tape.outcome(host, VALUES, {"document": {"tapes": [values(host)], "n": 1}})
        tape.write("batch.started", number=number, of=2, hosts=[host])
        for name in ("shutdown", "activation", "validation"):
            tape.phase(name, [host])
        away(tape, host, "activation.outage", 1.0 + number).outcome(host, VALIDATE, {"document": report("PASS")})
        tape.bake([host])
    return (
        tape.write("confirmed", hosts=list(HOSTS))
        .write("lease.released", hosts=list(HOSTS), failed={})
        .finish(0, "on V2")
    )


def rolled_back() -> Tape:
    """A canary that fails in phase 4 and goes back."""
    tape = prepared().write("batch.started", number=1, of=2, hosts=["h1"]).phase("shutdown", ["h1"])
    tape.phase("activation", ["h1"], finding("h1", "activation.ready", "FAIL", NOT_READY))
    tape.write("rollback.started", hosts=["h1"], cause=NOT_READY)
    kept = {"files": 7, "bytes": 900, "read_only": True, "manifest_sha256": "e" * 64, "taken_at": "x"}
    tape.outcome("h1", "rollback.keep", kept).outcome("h1", "rollback.files", {"identical": True})
    away(tape, "h1", "rollback.away", 2.5).phase("rollback", ["h1"])
    tape.write("rollback.finished", hosts=["h1"], failed=[], cause=NOT_READY)
    problems = (problem("h1", "activation.ready", NOT_READY), problem("", "", "rolled back: h1; verified"))
    return tape.finish(4, "RolledBack", *problems)


def away(tape: Tape, host: str, step: str, seconds: float) -> Tape:
    """A measured interval without service."""
    when = {"from": tape.records[-1].at, "until": tape.records[-1].at}
    parts = {"stop_s": 0.2, "between_s": seconds - 0.5, "start_s": 0.3}
    return tape.outcome(host, step, {"gap_s": seconds, **when, **parts})


def values(host: str) -> dict[str, Any]:
    """One judged input, as the service's own command prints it."""
    share = {"v1": 2.5, "v2": 2.4999, "relative": 0.0, "difference": 0.0, "v1_decimals": 1, "verdict": "PASS"}
    kpis = {"Share": {"unit": "%", "row_count": 10, "valid_range": [0, 100]}}
    return {"tape": f"/data/{host}.csv", "against_v1": {"Share": share}, "kpis": kpis}


def report(status: str) -> dict[str, Any]:
    """A validation report in the seeds' shape."""
    names = ("kpi_calculations", "data_integrity", "performance", "error_handling", "audit_trail")
    check = {"status": "PASS", "n": 3, "values": {"ms": 1.5}, "thresholds": {"ms": {"warn": 100}}, "issues": []}
    checks = {name: dict(check) for name in names}
    checks["performance"]["status"] = status
    issues = [] if status == "PASS" else [{"verdict": status, "found": "slow"}]
    return {"status": status, "checks": checks, "timestamp": "2026-01-02T03:05:00Z", "issues": issues}
