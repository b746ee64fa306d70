"""The command line, `python -m kpi`: one document on stdout with --json, errors with what was found and what to do next.

Exit status: 0 PASS, 8 WARN, 9 FAIL, 10 INCONCLUSIVE or ERROR, 2 usage, 130 interrupted: by Ctrl-C, SIGTERM or a terminal that was
closed, and then what was begun is stopped and cleared away as well. Each command imports what it needs when it runs.
"""

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from kpi.cli.options import parser
from kpi.findings import KpiError, UsageError
from kpi.verdict import USAGE_EXIT, Verdict

INTERRUPTED_EXIT = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    options = parser().parse_args(arguments)
    try:
        # The service hears signals itself.
        with nullcontext() if options.command == "serve" else _interrupted_by_signals():
            ended = options.run(options)
    except UsageError as error:
        return _end_with(error, options, USAGE_EXIT, Verdict.ERROR)
    except KpiError as error:
        return _end_with(error, options, Verdict.FAIL.exit_code, Verdict.FAIL)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; what was begun was stopped and cleared away\n")
        return INTERRUPTED_EXIT
    if isinstance(ended, int):  # it answered by itself: serve, generate
        return ended
    verdict, document = ended
    _print(options, document)
    return int(verdict.exit_code)


@contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """Take SIGTERM and SIGHUP as Ctrl-C, once: a second one must not cut short the clearing away. One that is ignored stays so."""
    heard = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL]

    def interrupt(number: int, _frame: object) -> None:
        for one in heard:
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in heard:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, signal.SIG_DFL)


def _print(options: argparse.Namespace, document: dict[str, Any]) -> None:
    if options.json:
        _say(json.dumps(document, indent=1, allow_nan=False))
        return
    from kpi.text_output import lines

    _say("\n".join(lines(options.command, document)))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _end_with(error: KpiError, options: argparse.Namespace, status: int, verdict: Verdict) -> int:
    if getattr(options, "json", False):
        issues = [finding.as_issue(verdict) for finding in error.findings]
        _say(json.dumps({"status": str(verdict), "verdict": str(verdict), "issues": issues}, indent=1))
    sys.stderr.write(f"{error}\n")
    return status
