"""Check: the newest production tapes, computed again apart from the engine, give what the service wrote; V1's tape what V1 did."""

import csv
import hashlib
from typing import Any

from kpi.audit import Record
from kpi.checking import Check
from kpi.config import PipelineConfig
from kpi.formulas import REGISTRY
from kpi.outputs import output_paths
from kpi.release import code_digest
from kpi.selftest import format_six
from kpi.synthetic import RECIPES
from kpi.validation import oracle
from kpi.validation.canaries import CanaryAnswer
from kpi.validation.live import Health, read_json, tape_of
from kpi.validation.v1_tape import judge_v1_tape
from kpi.verdict import Verdict

LAST_RUNS = 10
TOLERANCE = 1e-9


def kpi_calculations(
    config: PipelineConfig,
    health: Health,
    runs: list[Record],
    answers: list[CanaryAnswer],
    latest: dict[str, Any],
    in_flight: int,
) -> Check:
    """The newest production tapes computed again and compared with what was written; the known tape's digits."""
    check = Check("kpi_calculations", thresholds={"relative_deviation": TOLERANCE, "tapes": LAST_RUNS})
    check.thresholds["ranges"] = {name: list(kpi.valid_range) for name, kpi in REGISTRY.items()}
    accepted = [run for run in runs if run["event"] == "run_completed"]
    deviations = [_compare_run(config, check, run["details"]) for run in accepted[-LAST_RUNS:]]
    compared = [one for one in deviations if one is not None]
    check.n = len(compared)
    check.values |= {"recomputed": len(compared), "largest_deviation": max(compared, default=None)}
    left_out = check.values.pop("not_recomputed", [])
    step = "compare them by `compute` on another release, or by hand"
    verdict = Verdict.WARN if compared else Verdict.INCONCLUSIVE
    check.judge_none(verdict, "not_recomputed", "tapes not recomputed apart from the engine", left_out, step)
    _judge_same(config, check, health)
    has_v1_tape = judge_v1_tape(check, answers)
    check.n += has_v1_tape
    if not runs and not in_flight:
        check.judge(
            has_v1_tape,
            Verdict.WARN,
            "no_delivery",
            "no production tape was delivered since the start, and none of V1's is here: judged by the known tape alone",
            "validate again after the next delivery",
        )
    elif not accepted:
        check.blame(
            Verdict.INCONCLUSIVE,
            "no_production_run",
            "no production tape was accepted since the start",
            "wait for a delivery, inspect rejected/, then validate again",
        )
    else:
        _judge_latest(check, accepted[-1]["details"], latest)
    for answer in answers:
        if answer.canary.is_known:
            _judge_digits(check, answer)
    return check


def _judge_same(config: PipelineConfig, check: Check, health: Health) -> None:
    """A validator of another release or config judges by other rules: what it says of this service is worth less."""
    for what, ours in (("code", code_digest()), ("config", config.digest)):
        running = health.document.get(what)
        check.values[what] = {"service": running, "validator": ours}
        if running is not None:
            check.judge(
                running == ours,
                Verdict.WARN,
                f"other_{what}",
                f"the service runs {what} {str(running)[:12]}, this validator has {ours[:12]}",
                "run the validate of the release that is in service, with the config that it was started with",
            )


def _judge_latest(check: Check, newest: Record, latest: dict[str, Any]) -> None:
    named = tape_of(latest)
    check.judge(
        named.get("sha256") == newest["sha256"],
        Verdict.FAIL,
        "stale_output",
        f"latest.json is of tape {named.get('name')}, the last run was {newest['tape']}",
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
    record = read_json(paths["json"])
    expected = _recompute(config, check, tape, digest)
    if expected is None:
        return None
    _judge_rows(check, tape, expected, record)
    return _compare_values(check, tape, expected.kpis, record.get("kpis", {}))


def _recompute(config: PipelineConfig, check: Check, tape: str, digest: str) -> oracle.Recomputed | None:
    """What the tape gives apart from the engine. Its run is recorded before it is committed, so it may just be moving."""
    for room in ("done", "processing", "done"):
        for path in config.paths[room].glob(f"{digest}__*"):
            try:
                return oracle.recompute(path, config.document.get("input", {}))
            except FileNotFoundError:
                continue
            except oracle.NotRecomputedError as error:
                check.values.setdefault("not_recomputed", []).append(f"{tape}: {error}")
                return None
            except (ValueError, KeyError, ArithmeticError, csv.Error) as error:
                found = f"{tape}: was accepted, and has no KPIs: {error}"
                check.blame(Verdict.FAIL, "not_computable", found, "inspect the tape")
                return None
    check.blame(Verdict.FAIL, "tape_missing", f"{tape}: was run and is not in done/", "look for it; see the ledger")
    return None


def _judge_rows(check: Check, tape: str, expected: oracle.Recomputed, record: dict[str, Any]) -> None:
    tape_record = record.get("tape", {})
    written = (tape_record.get("rows_read"), tape_record.get("rows_used"), record.get("as_of"))
    check.judge(
        written == (expected.rows_read, expected.rows_used, expected.as_of),
        Verdict.FAIL,
        "wrong_rows",
        f"{tape}: written as {written[1]} of {written[0]} rows as of {written[2]}, "
        f"it has {expected.rows_used} of {expected.rows_read} as of {expected.as_of}",
        "rows are lost on the way: do not use this release's numbers; roll back",
    )


def _compare_values(check: Check, tape: str, expected: dict[str, float], written: dict[str, Any]) -> float:
    """Judge each value that was written; the largest relative deviation."""
    largest = 0.0
    for name, value in expected.items():
        seen = written.get(name, {}).get("value")
        if not isinstance(seen, float | int):
            check.blame(Verdict.FAIL, "no_value", f"{tape}: {name} has no value in the output", "inspect the tape")
            continue
        deviation = abs(seen - value) / abs(value) if value else abs(seen)
        largest = max(largest, deviation)
        check.judge(
            deviation <= TOLERANCE,
            Verdict.FAIL,
            "wrong_result",
            f"{tape}: {name} was written as {seen!r}, its tape gives {value!r} (relative {deviation:.3g})",
            "do not use this release's numbers; roll back, then inspect its formulas",
        )
        low, high = REGISTRY[name].valid_range
        check.judge(
            low <= seen <= high,
            Verdict.FAIL,
            "out_of_range",
            f"{tape}: {name} {seen:.2f} is outside {low:g}-{high:g}",
            "inspect the tape",
        )
    return largest


def _judge_digits(check: Check, answer: CanaryAnswer) -> None:
    known = RECIPES["A"].known
    written = answer.metrics.get("kpis", {})
    seen = {name: format_six(written.get(name, {}).get("value")) for name in known}
    check.values["known_tape"] = seen
    check.judge(
        seen == known,
        Verdict.FAIL,
        "wrong_digits",
        f"the known tape gives {seen} instead of {known}" if written else "the known tape gave no metrics",
        "do not use this release's numbers; roll back, then inspect its formulas",
    )
