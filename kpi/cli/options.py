"""The commands and their options, as `--help` shows them."""

import argparse
import sys
from pathlib import Path
from typing import Any

from kpi import VERSION
from kpi.cli import commands
from kpi.release import release_id

DEFAULT_CONFIG = Path("/etc/abaco/pipeline.yml")
DEFAULT_BACKUPS = Path("/var/lib/cutover/abaco/.rollback")
EXITS = "exit status: 0 PASS, 8 WARN, 9 FAIL, 10 INCONCLUSIVE or ERROR, 2 wrong usage"
NAMED = "V2's, for what it says about bad rows, input rules and personal columns (default: none, all strict)"
POLICIES = ("fail", "continue")


class _Version(argparse.Action):
    """Reads the release's manifest only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        sys.stdout.write(f"kpi {VERSION}, release {release_id()}\n")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    words = "KPIs of a loan book, the pipeline that computes them, and the judgement of both."
    top = argparse.ArgumentParser(prog="kpi", description=words, epilog=EXITS)
    top.add_argument("--version", action=_Version, nargs=0, help="which version and release this is")
    add = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _compute(add)
    _judge(add)
    _service(add)
    _shadow(add)
    _stress(add)
    _generate(add)
    return top


def _compute(add: Any) -> None:
    compute = _add(add, "compute", "compute the KPIs of one tape, with all their context")
    compute.add_argument("tape", type=Path, metavar="TAPE", help="CSV, or Parquet where the release has pyarrow")
    _reading(compute)
    compute.add_argument("--config", type=Path, help=NAMED)
    words = "count it on a Dask cluster, such as tcp://scheduler:8786 (pip install '.[scale]'; default: here)"
    compute.add_argument("--cluster", metavar="ADDRESS", default="", help=words)


def _judge(add: Any) -> None:
    judge = _add(add, "judge", "compute and judge tapes, also against what V1 recorded for them")
    judge.add_argument("tapes", type=Path, nargs="+", metavar="TAPE", help="a tape, or a directory of tapes")
    _newest(judge)
    judge.add_argument("--against", type=Path, help="V1's metrics file of the tape, or V1's metrics directory")
    _reading(judge)
    judge.add_argument("--config", type=Path, help=NAMED)


def _service(add: Any) -> None:
    serve = _add(add, "serve", "run as the service, until SIGTERM", json=False)
    validate = _add(add, "validate", "judge the live service by the five checks")
    validate.add_argument("--timeout", type=float, default=30.0, help="seconds to wait for the service (default: 30)")
    validate.add_argument("--full", action="store_true", help="follow the whole audit trail, not its newest part")
    health = _add(add, "health", "probe the deployed code: engine, orchestrator, config")
    health.add_argument("probes", nargs="*", metavar="PROBE", help="which of them (default: all)")
    review = _add(add, "log-review", "errors, latency and audit events since a moment")
    review.add_argument("--since", required=True, help="ISO 8601 with zone, such as 2026-01-31T12:00:00Z")
    series = _add(add, "series", "the KPIs of all accepted tapes by day, week and month, with their gaps")
    words = "measure the live service once: tapes, latency, rows, KPIs, audit trail, ledger, outputs. Judges nothing."
    vitals = _add(add, "vitals", words)
    for command in (serve, validate, health, review, series, vitals):
        _config(command)


def _shadow(add: Any) -> None:
    words = "run V1 and V2 on the same frozen tapes; every difference with the rows that explain it. Publishes nothing."
    shadow = _add(add, "shadow", words)
    shadow.add_argument(
        "tapes",
        type=Path,
        nargs="*",
        metavar="TAPE",
        help="a tape or a directory of tapes (default: the config's done/)",
    )
    _newest(shadow)
    shadow.add_argument("--v1", type=Path, metavar="PROGRAM", help="V1's program (default: what its unit runs)")
    shadow.add_argument(
        "--v1-config", type=Path, help="default: its unit's; the newest backup of it once V2's is there"
    )
    shadow.add_argument("--v1-python", default="", metavar="PYTHON", help="default: its unit's, else /usr/bin/python3")
    shadow.add_argument(
        "--backups",
        type=Path,
        default=DEFAULT_BACKUPS,
        metavar="DIR",
        help="of the cutover, where V1's config is looked for; default: %(default)s",
    )
    shadow.add_argument("--v1-unit", default="abaco-pipeline-v1.service", metavar="UNIT", help="default: %(default)s")
    shadow.add_argument("--rows", type=int, default=20, help="how many rows to list, worst first (default: 20)")
    shadow.add_argument("--timeout", type=float, default=120.0, help="seconds for each program and tape (default: 120)")
    shadow.add_argument(
        "--scratch", type=Path, help="where the frozen copies lie meanwhile (default: the temporary dir)"
    )
    _reading(shadow)
    _config(shadow)


def _stress(add: Any) -> None:
    words = "put the real service under a stream of tapes in a private place; errors, latency, memory over time"
    stress = _add(add, "stress", words)
    until = stress.add_mutually_exclusive_group()
    until.add_argument("--iterations", type=int, metavar="N", help="how many tapes (default: 45000)")
    until.add_argument("--seconds", type=float, metavar="S", help="how long, instead of how many")
    stress.add_argument("--rows", type=int, default=1000, help="rows of a tape (default: 1000)")
    stress.add_argument("--seed", type=int, default=42, help="which tapes (default: 42)")
    stress.add_argument(
        "--root",
        type=Path,
        metavar="DIR",
        help="an empty directory, kept afterwards (default: a temporary one, removed)",
    )
    stress.add_argument("--sample-every", type=float, default=1.0, metavar="S", help="of memory (default: 1 s)")
    stress.add_argument(
        "--growth-limit", type=float, default=2.0, metavar="MB", help="of memory in 10 000 tapes (default: 2)"
    )


def _generate(add: Any) -> None:
    generate = _add(add, "generate", "write a synthetic tape as CSV, the same digits for the same seed", json=False)
    generate.add_argument("recipe", choices=("A", "B", "C"), help="A, B: sound books; C: one that must be refused")
    generate.add_argument("--rows", type=int, help="default: as the recipe says")
    generate.add_argument("--seed", type=int, default=42, help="default: 42")
    generate.add_argument("--date", default="2025-12-26", help="measurement date (default: 2025-12-26)")
    generate.add_argument("--out", type=Path, help="default: stdout")


def _add(add: Any, name: str, words: str, *, json: bool = True) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = add.add_parser(name, help=words, description=words, epilog=EXITS)
    if json:
        command.add_argument("--json", action="store_true", help="one JSON document on stdout")
    command.set_defaults(run=getattr(commands, name.replace("-", "_")))
    return command


def _reading(command: argparse.ArgumentParser) -> None:
    words = "what a bad row does to its tape (default: as the config says, else fail)"
    command.add_argument("--quarantine", choices=POLICIES, help=words)
    words = "how tapes are written, such as separator=';' or decimal=, or currency=$; may be repeated (default: strict)"
    command.add_argument("--input", action="append", default=[], metavar="RULE=SIGN", help=words)


def _newest(command: argparse.ArgumentParser) -> None:
    command.add_argument("--newest", type=int, default=3, metavar="N", help="of a directory, its N newest (default: 3)")


def _config(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help=f"V2's (default: {DEFAULT_CONFIG})")
