"""How every command ends: with its code from the one table, its problems shown, and one JSON document where that was asked for."""

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec

from cutover.console.ask import Ask, write
from cutover.core.errors import CutoverError, ExitCode, Interrupted, Problem, is_unwritable, problem_of
from cutover.journal.journal import utc_now
from cutover.run.options import RunOptions

P = ParamSpec("P")
SCHEMA = 1  # of the document of `--json`


def answer(ask: Ask, problems: Iterable[Problem] = ()) -> str:
    """One JSON document with the fields that scripts rely on; times are ISO 8601 UTC, `status` is the exit code's word.

    All of them but the keys of `ask.more` are always there, empty where there is nothing to report. docs/commands.md describes each.
    """
    document = {
        "schema": SCHEMA,
        "command": ask.command,
        "run_id": ask.run_id,
        "fingerprint": ask.fingerprint,
        "status": ask.code.status,
        "exit_code": int(ask.code),
        "started_at": ask.started_at,
        "finished_at": utc_now(),
        "hosts": ask.hosts,
        "files": ask.files,
        "errors": [{"host": one.host, "path": one.path, "found": one.found, "next": one.next} for one in problems],
        **ask.more,
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


@contextmanager
def read_as_far_as_wanted() -> Iterator[None]:
    """Print a text of others; that nobody reads it to its end (`--list | head`) is not an error."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def end(ask: Ask, work: Callable[[Ask], ExitCode]) -> ExitCode:
    """Do the work of a command; gives its exit code. Whatever ends it, every problem is shown."""
    ended: CutoverError | None = None
    try:
        ask.code = work(ask)
    except CutoverError as error:
        ended = error
    except KeyboardInterrupt:
        ended = Interrupted(
            Problem(found="interrupted before anything was begun", next="run it again when you are ready")
        )
    except Exception as bug:  # noqa: BLE001 - the last line of defence: a bug must end with its own code, and say where
        if not is_unwritable(bug):
            traceback.print_exc()
        ended = _with_bug(bug)
    return conclude(ask, ended)


def with_ask(
    work: Callable[Concatenate[Ask, RunOptions, P], ExitCode],
) -> Callable[Concatenate[RunOptions, P], ExitCode]:
    """Make a function a command: it is given an Ask for its options, and ends as `end` says."""

    @wraps(work)
    def command(options: RunOptions, /, *args: P.args, **more: P.kwargs) -> ExitCode:
        return end(options.ask(), lambda ask: work(ask, options, *args, **more))

    return command


def _with_bug(bug: BaseException) -> CutoverError:
    """A bug as an end. One in showing how a run ended hides neither its exit code nor its problems."""
    problem = problem_of(bug)
    before = bug.__context__
    while before is not None and not isinstance(before, CutoverError):
        before = before.__context__
    return CutoverError(problem) if before is None else type(before)([*before.problems, problem])


def conclude(ask: Ask, ended: CutoverError | None) -> ExitCode:
    """Show the problems that ended a command, if any, and the document of `--json`; gives the exit code."""
    from cutover.console.problems import show_error

    ask.code = ended.exit_code if ended is not None else ask.code
    if ended is not None and not ask.shown:
        show_error(ended, sys.stderr)
    write(sys.stdout, answer(ask, [*(ended.problems if ended else ()), *ask.problems]) if ask.json else "")
    write(sys.stderr, "")
    return ask.code
