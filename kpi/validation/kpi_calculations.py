"""Check: the newest production tapes, computed again apart from the engine, give what the service wrote."""

import hashlib
from pathlib import Path
from typing import Any

from kpi.audit import Record
from kpi.config import PipelineConfig
from kpi.formulas import REGISTRY
from kpi.outputs import output_paths
from kpi.recipes import RECIPES
from kpi.selftest import format_six
from kpi.validation import oracle
from kpi.validation.canaries import Answer, read_json
from kpi.validation.report import Check
from kpi.verdict import Verdict

LAST_RUNS = 10
TOLERANCE = 1e-9


def kpi_calculations(
    config: PipelineConfig, runs: list[Record], answers: list[Answer], latest: dict[str, Any], in_flight: int
) -> Check:
    """The newest production tapes computed again and compared with what was written; the known tape's digits."""
    check = Check("kpi_calculations", thresholds={"relative_deviation": TOLERANCE, "tapes": LAST_RUNS})
    check.thresholds["ranges"] = {name: list(kpi.valid_range) for name, kpi in REGISTRY.items()}
    accepted = [run for run in runs if run["event"] == "run_completed"]
    deviations = [_compare_run(config, check, run["details"]) for run in accepted[-LAST_RUNS:]]
    check.n = len(deviations)
    check.values["largest_deviation"] = max((one for one in deviations if one is not None), default=None)
    if not runs and not in_flight:
        check.blame(
            Verdict.WARN,
            "no_delivery",
            "no production tape was delivered since the start: judged by the known tape alone",
            "validate again after the next delivery",
        )
    elif not accepted:
        check.blame(
            Verdict.INCONCLUSIVE,
            "no_production_run",
            "no production tape was accepted since the start",
            "wait for a delivery, look at rejected/, then validate again",
        )
    else:
        _judge_latest(check, accepted[-1]["details"], latest)
    for answer in answers:
        if not answer.canary.expected:
            _judge_digits(check, answer)
    return check


def _judge_latest(check: Check, newest: Record, latest: dict[str, Any]) -> None:
    named = latest.get("tape", {}).get("sha256")
    check.judge(
        named == newest["sha256"],
        Verdict.FAIL,
        "stale_output",
        f"latest.json is of tape {latest.get('tape', {}).get('name')}, the last run was {newest['tape']}",
        "see whether the service can write metrics/, and who else writes there",
    )
    shown = latest.get("kpis", {})
    check.values["kpis"] = {name: kpi.get("value") for name, kpi in shown.items()}
    check.values["display"] = {name: kpi.get("display") for name, kpi in shown.items()}
    check.values["portfolio_state"] = {name: kpi.get("portfolio_state") for name, kpi in shown.items()}
    check.values["as_of"] = latest.get("as_of")


def _compare_run(config: PipelineConfig, check: Check, run: Record) -> float | None:
    tape, digest = run["tape"], run["sha256"]
    paths = output_paths(config.paths["metrics"], digest, config.outputs)
    missing = [path.name for path in paths.values() if not path.is_file()]
    check.judge(
        not missing,
        Verdict.FAIL,
        "output_missing",
        f"{tape}: missing in metrics/: {', '.join(missing)}",
        "see who removes them; have the tape run again",
    )
    promised = read_json(paths["manifest"]).get("outputs", {})
    changed = [
        path.name
        for kind, path in paths.items()
        if kind != "manifest"
        and path.is_file()
        and hashlib.sha256(path.read_bytes()).hexdigest() != promised.get(path.name)
    ]
    check.judge(
        not changed,
        Verdict.FAIL,
        "output_changed",
        f"{tape}: not what the manifest says: {', '.join(changed)}",
        "see who writes to metrics/; have the tape run again",
    )
    written = read_json(paths["json"]).get("kpis", {})
    source = _find_tape(config, digest)
    if source is None:
        check.blame(Verdict.FAIL, "tape_missing", f"{tape}: was run and is not in done/", "look for it; see the ledger")
        return None
    return _compare_values(check, tape, source.read_bytes(), written)


def _find_tape(config: PipelineConfig, digest: str) -> Path | None:
    # Its run is recorded before it is committed, so it may be in processing still.
    for room in ("done", "processing", "done"):
        for path in config.paths[room].glob(f"{digest}__*"):
            return path
    return None


def _compare_values(check: Check, tape: str, content: bytes, written: dict[str, Any]) -> float | None:
    if content.startswith(b"PAR1"):
        check.blame(
            Verdict.INCONCLUSIVE,
            "not_recomputed",
            f"{tape}: Parquet is not recomputed apart from the engine",
            "compare it by `compute` on another release",
        )
        return None
    try:
        expected = oracle.recompute(content)
    except (ValueError, KeyError, ArithmeticError) as error:
        check.blame(
            Verdict.FAIL, "not_computable", f"{tape}: was accepted, and has no KPIs: {error}", "look at the tape"
        )
        return None
    largest = 0.0
    for name, value in expected.items():
        seen = written.get(name, {}).get("value")
        if not isinstance(seen, float | int):
            check.blame(Verdict.FAIL, "no_value", f"{tape}: {name} has no value in the output", "look at the tape")
            continue
        deviation = abs(seen - value) / abs(value) if value else abs(seen)
        largest = max(largest, deviation)
        check.judge(
            deviation <= TOLERANCE,
            Verdict.FAIL,
            "wrong_result",
            f"{tape}: {name} was written as {seen!r}, its tape gives {value!r} (relative {deviation:.3g})",
            "do not use this release's numbers; roll back, then look at its formulas",
        )
        low, high = REGISTRY[name].valid_range
        check.judge(
            low <= seen <= high,
            Verdict.FAIL,
            "out_of_range",
            f"{tape}: {name} {seen:.2f} is outside {low:g}-{high:g}",
            "look at the tape",
        )
    return largest


def _judge_digits(check: Check, answer: Answer) -> None:
    known = RECIPES["A"].known
    written = answer.metrics.get("kpis", {})
    seen = {name: format_six(written.get(name, {}).get("value")) for name in known}
    check.values["known_tape"] = seen
    check.judge(
        seen == known,
        Verdict.FAIL,
        "wrong_digits",
        f"the known tape gives {seen} instead of {known}" if written else "the known tape gave no metrics",
        "do not use this release's numbers; roll back, then look at its formulas",
    )
