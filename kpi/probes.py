"""Health probes of the deployed code itself: the engine counts right, the pipeline runs through, the config loads."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kpi.audit import AuditTrail, verify
from kpi.config import PipelineConfig
from kpi.findings import Finding, KpiError
from kpi.inbox import Inbox
from kpi.release import release_id
from kpi.selftest import self_test
from kpi.synthetic import as_csv, draw

EXAMPLE = Path(__file__).with_name("example_config.json")

NOT_THIS = "this release must not be used"


class ProbeError(KpiError):
    """The deployed code does not do what it must."""


def probe(one: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a probe saw, or how it failed: the others are still worth asking."""
    try:
        return {"verdict": "PASS", **one()}
    except KpiError as error:
        return {"verdict": "FAIL", "issues": [finding.as_issue("FAIL") for finding in error.findings]}


def engine() -> dict[str, Any]:
    """Compute recipes A and B and compare with the known digits; recipe C must be refused by name."""
    from kpi.engine import evaluate

    seen = {recipe: self_test(recipe) for recipe in ("A", "B")}
    codes = sorted({finding.code for finding in evaluate(as_csv(draw("C")), name="recipe C").findings})
    if "out_of_range" not in codes:
        step = "this release must not be used: it passes impossible numbers"
        raise ProbeError(Finding("self_test", "recipe C", f"was not refused as out of range, but {codes}", step))
    return {"digits": seen, "refused": {"C": codes}}


def orchestrator() -> dict[str, Any]:
    """Run one tape from inbox to done in a temporary directory, outputs and audit included."""
    with tempfile.TemporaryDirectory(prefix="kpi-probe-") as scratch:
        document = json.loads(EXAMPLE.read_text(encoding="utf-8"))
        document |= {"paths": {"root": scratch}, "release": release_id()}
        config = PipelineConfig.parse(json.dumps(document), "probe")
        config.paths["audit"].mkdir()
        trail = AuditTrail(config.paths["audit"], actor="kpi-probe")
        inbox = Inbox(config, trail, lambda: None)
        tape = config.paths["inbox"] / "probe.csv"
        tape.write_bytes(as_csv(draw("A")))
        claimed = inbox.claim(tape)
        if claimed is None:
            raise ProbeError(Finding("orchestrator", "inbox to done", "the tape could not be claimed", NOT_THIS))
        outcome = inbox.finish(claimed)
        trail.close()
        seen = verify(config.paths["audit"])
        written = sorted(path.name for path in config.paths["metrics"].iterdir() if path.is_file())
        done = [path.name for path in config.paths["done"].iterdir() if path.is_file()]
        if outcome.kind != "processed" or len(done) != 1 or seen.problems or outcome.run is None:
            found = f"the tape was {outcome.kind}, done has {done}, audit: {[str(one) for one in seen.problems]}"
            raise ProbeError(Finding("orchestrator", "inbox to done", found, NOT_THIS))
        return {
            "outcome": outcome.kind,
            "outputs": written,
            "audit_events": seen.seq,
            "latency_ms": outcome.run.record["latency_ms"],
        }


def config(path: Path) -> dict[str, Any]:
    """Load and check the config."""
    loaded = PipelineConfig.load(path)
    return {
        "path": str(path),
        "environment": loaded.environment,
        "release": loaded.release,
        "digest": loaded.digest,
        "root": str(loaded.root),
        "outputs": list(loaded.outputs),
    }
