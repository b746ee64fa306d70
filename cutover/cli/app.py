"""How every command ends: with its code from the one table, its problems told, and one JSON document where that was asked for."""

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from cutover.core.errors import CutoverError, ExitCode, Interrupted, Problem, UsageError
from cutover.journal.journal import utc_now

# The one document of `--json`.

SCHEMA = 1


@dataclass(frozen=True)
class Said:
    """What a command has to say besides how it ended: its run, its plan's fingerprint, its hosts, the files it wrote, its problems.

    `more`: keys of its own.
    """

    run: str = ""
    fingerprint: str = ""
    hosts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    errors: Iterable[Problem] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


def answer(command: str, exit_code: int, started_at: str, said: Said) -> str:
    """One JSON document with the fields that scripts rely on; times are ISO 8601 UTC, `status` is the exit code's word.

    All of them but `more` are always there: what a command has nothing to say about is empty. docs/commands.md says what is in each.
    """
    document = {
        "schema": SCHEMA,
        "command": command,
        "run_id": said.run,
        "fingerprint": said.fingerprint,
        "status": ExitCode(exit_code).status,
        "exit_code": int(exit_code),
        "started_at": started_at,
        "finished_at": utc_now(),
        "hosts": {name: dict(one) for name, one in said.hosts.items()},
        "files": dict(said.files),
        "errors": [
            {"host": error.host, "path": error.path, "found": error.found, "next": error.next} for error in said.errors
        ],
        **said.more,
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


@dataclass
class Ask:
    """What all commands share: the checkout, who is asked, and how the answer should look."""

    root: Path
    command: str
    json: bool = False
    yes: bool = False
    verbose: bool = False
    started_at: str = field(default_factory=utc_now)
    run_id: str = ""
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)  # what a command adds to the document beside its hosts
    problems: tuple[Problem, ...] = ()  # of a judgement that says no, which is no error and is told already
    fingerprint: str = ""  # of the plan that was made or applied
    files: dict[str, str] = field(default_factory=dict)  # what was written here, by what it is
    told: bool = False  # a summary has shown the problems already

    @property
    def stream(self) -> TextIO:
        """Where people read the result: stderr where stdout belongs to the JSON document."""
        return sys.stderr if self.json else sys.stdout

    def say(self, words: str) -> None:
        """A line of the result, for people."""
        _write(self.stream, words.rstrip("\n") + "\n")

    def progress(self, words: str) -> None:
        """A line about what is being done, never part of a result."""
        progress(words)


def progress(words: str) -> None:
    """A line about what is being done, on stderr."""
    _write(sys.stderr, words + "\n")


def _write(stream: TextIO, words: str) -> None:
    """Write to whoever reads. That nobody does any more (`| head`) changes neither what is done nor how it ends."""
    from cutover.console.text import SafeStream

    outlet = SafeStream(stream)
    outlet.write(words)
    outlet.flush()


@contextmanager
def read_as_far_as_wanted() -> Iterator[None]:
    """Of a text that others print: that nobody reads it to its end (`--list | head`) is no error."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def end(ask: Ask, work: Callable[[Ask], ExitCode]) -> ExitCode:
    """Do the work of a command; whatever happens, one exit code comes of it, and every problem is told."""
    ended: CutoverError | None = None
    code = ExitCode.BUG
    try:
        code = work(ask)
    except CutoverError as error:
        ended = error
    except KeyboardInterrupt:
        ended = Interrupted(
            Problem(found="interrupted before anything was begun", next="run it again when you are ready")
        )
    except Exception as bug:  # noqa: BLE001 - the last line of defence: a bug must end with its own code, and say where
        traceback.print_exc()
        ended = _with_bug(bug)
    if ended is not None:
        code = ended.exit_code
    _tell(ask, code, ended)
    return code


def _with_bug(bug: BaseException) -> CutoverError:
    """A bug as an end. One in telling of a run that had ended hides neither its exit code nor its problems."""
    problem = Problem(
        found=f"{type(bug).__name__}: {bug}", next="this is a bug of ours: please report it with the lines above"
    )
    before = bug.__context__
    while before is not None and not isinstance(before, CutoverError):
        before = before.__context__
    return CutoverError(problem) if before is None else type(before)([*before.problems, problem])


def _tell(ask: Ask, code: ExitCode, ended: CutoverError | None) -> None:
    from cutover.console.problems import show_error

    if ended is not None and not ask.told:
        show_error(ended, sys.stderr)
    document = ""
    if ask.json:
        problems = ended.problems if ended else ask.problems
        said = Said(ask.run_id, ask.fingerprint, ask.hosts, ask.files, problems, ask.more)
        document = answer(ask.command, code, ask.started_at, said)
    _write(sys.stdout, document)
    _write(sys.stderr, "")


def confirm(ask: Ask, question: str) -> None:
    """Have a person say yes. Without a terminal and without --yes nothing is done (exit 2)."""
    if ask.yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            Problem(
                found=f"«{question}» needs a yes, and there is no terminal to ask on",
                next="add --yes once you have seen the plan (`./invokew plan`)",
            )
        )
    sys.stderr.write(f"{question} [yes/no] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError(Problem(found="not approved", next="nothing was done"))
