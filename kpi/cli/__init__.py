"""The command line, `python -m kpi`: compute, judge, serve, validate, health, log-review, generate.

Exit status: 0 PASS, 8 WARN, 9 FAIL, 10 INCONCLUSIVE or ERROR, 2 usage. With --json one document goes to stdout and
nothing else does.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kpi import VERSION
from kpi.findings import Finding, KpiError, UsageError
from kpi.release import release_id
from kpi.verdict import USAGE_EXIT, Verdict, worst

DEFAULT_CONFIG = Path("/etc/abaco/pipeline.yml")
Command = Callable[[argparse.Namespace], tuple[Verdict, dict[str, Any]]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "serve":
            return _serve(options)
        if options.command == "generate":
            return _generate(options)
        command: Command = options.run
        verdict, document = command(options)
    except UsageError as error:
        return _end_with(error, options, USAGE_EXIT, Verdict.ERROR)
    except KpiError as error:
        return _end_with(error, options, Verdict.FAIL.exit_code, Verdict.FAIL)
    _print(options, document)
    return verdict.exit_code


def _serve(options: argparse.Namespace) -> int:
    from kpi.config import PipelineConfig
    from kpi.service import Service

    return Service(PipelineConfig.load(options.config)).run()


def _generate(options: argparse.Namespace) -> int:
    from kpi.recipes import as_csv, draw

    content = as_csv(draw(options.recipe, options.rows, options.seed), measured_on=options.date)
    if options.out is None:
        sys.stdout.buffer.write(content)
        return 0
    try:
        options.out.write_bytes(content)
    except OSError as error:
        step = "give a path that can be written"
        raise UsageError(Finding("unwritable", str(options.out), f"{error.strerror}", step)) from error
    return 0


def _compute(options: argparse.Namespace) -> tuple[Verdict, dict[str, Any]]:
    from kpi.judging import judge_tape

    judged = judge_tape(options.tape, options.quarantine)
    document = {name: value for name, value in judged.as_json().items() if name not in ("against_v1", "problems")}
    return judged.verdict, {"release": release_id(), **document}


def _judge(options: argparse.Namespace) -> tuple[Verdict, dict[str, Any]]:
    from kpi.judging import judge_tape, newest

    if options.against and len(options.tapes) > 1 and not options.against.is_dir():
        step = "give V1's metrics directory, or one tape"
        raise UsageError(Finding("usage", "--against", "one metrics file cannot be of several tapes", step))
    tapes = newest(options.tapes, options.newest)
    judged = [judge_tape(tape, options.quarantine, options.against) for tape in tapes]
    verdict = worst(one.verdict for one in judged)
    each = [one.as_json() for one in judged]
    return verdict, {"release": release_id(), "verdict": str(verdict), "n": len(judged), "tapes": each}


def _validate(options: argparse.Namespace) -> tuple[Verdict, dict[str, Any]]:
    from kpi.config import PipelineConfig
    from kpi.validation import validate

    report = validate(PipelineConfig.load(options.config), options.timeout)
    return report.status, report.as_json()


def _health(options: argparse.Namespace) -> tuple[Verdict, dict[str, Any]]:
    from kpi import probes

    chosen = {
        "engine": probes.engine,
        "orchestrator": probes.orchestrator,
        "config": lambda: probes.config(options.config),
    }
    if unknown := [name for name in options.probes if name not in chosen]:
        raise UsageError(
            Finding("usage", "health", f"no probe {', '.join(unknown)}", f"name some of {', '.join(chosen)}")
        )
    seen = {name: probes.probe(chosen[name]) for name in options.probes or chosen}
    verdict = worst(Verdict(one["verdict"]) for one in seen.values())
    return verdict, {"verdict": str(verdict), "release": release_id(), "probes": seen}


def _log_review(options: argparse.Namespace) -> tuple[Verdict, dict[str, Any]]:
    from kpi import clock
    from kpi.config import PipelineConfig
    from kpi.logreview import review

    try:
        since = clock.parse(options.since)
    except ValueError as error:
        step = "write it as 2026-01-31T12:00:00Z"
        raise UsageError(Finding("usage", "--since", str(error), step)) from error
    document = review(PipelineConfig.load(options.config), since)
    return Verdict(document["status"]), document


def _print(options: argparse.Namespace, document: dict[str, Any]) -> None:
    if options.json:
        _say(json.dumps(document, indent=1, allow_nan=False))
        return
    from kpi.telling import lines

    _say("\n".join(lines(options.command, document)))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _end_with(error: KpiError, options: argparse.Namespace, status: int, verdict: Verdict) -> int:
    if getattr(options, "json", False):
        findings = [finding.as_json() for finding in error.findings]
        _say(json.dumps({"status": str(verdict), "verdict": str(verdict), "errors": findings}, indent=1))
    sys.stderr.write(f"{error}\n")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kpi", description="KPIs of a loan book, and the pipeline that computes them."
    )
    parser.add_argument("--version", action="version", version=f"kpi {VERSION}, release {release_id()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    compute = _add(commands, "compute", _compute, "compute the KPIs of one tape")
    compute.add_argument("tape", type=Path, metavar="TAPE")
    judge = _add(commands, "judge", _judge, "compute and judge tapes, also against what V1 recorded for them")
    judge.add_argument("tapes", type=Path, nargs="+", metavar="TAPE", help="a tape, or a directory of tapes")
    judge.add_argument(
        "--newest", type=int, default=3, metavar="N", help="of a directory, judge its N newest tapes (default: 3)"
    )
    judge.add_argument("--against", type=Path, help="V1's metrics file of the tape, or V1's metrics directory")
    for command in (compute, judge):
        words = "what a bad row does to its tape (default: fail)"
        command.add_argument("--quarantine", choices=("fail", "continue"), default="fail", help=words)
    serve = _add(commands, "serve", None, "run as the service, until SIGTERM")
    validate = _add(commands, "validate", _validate, "judge the live service by the five checks")
    validate.add_argument("--timeout", type=float, default=30.0, help="seconds to wait for the service (default: 30)")
    health = _add(commands, "health", _health, "probe the deployed code: engine, orchestrator, config")
    health.add_argument("probes", nargs="*", metavar="PROBE", help="which of them (default: all)")
    review = _add(commands, "log-review", _log_review, "errors, latency and audit events since a moment")
    review.add_argument("--since", required=True, help="ISO 8601 with zone, such as 2026-01-31T12:00:00Z")
    for command in (serve, validate, health, review):
        command.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help=f"default: {DEFAULT_CONFIG}")
    _add_generate(commands)
    return parser


def _add_generate(commands: Any) -> None:
    generate = _add(commands, "generate", None, "write a synthetic tape as CSV")
    generate.add_argument("recipe", choices=("A", "B", "C"), help="A, B: sound; C: must be refused")
    generate.add_argument("--rows", type=int, help="default: as the recipe says")
    generate.add_argument("--seed", type=int, default=42)
    generate.add_argument("--date", default="2025-12-26", help="measurement date")
    generate.add_argument("--out", type=Path, help="default: stdout")


def _add(commands: Any, name: str, run: Command | None, words: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=words, description=words)
    if run is not None:
        command.add_argument("--json", action="store_true", help="one JSON document on stdout")
    command.set_defaults(run=run)
    return command
