"""How a command speaks with people: what it says, what it asks on the terminal, and what its `--json` document will hold."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from cutover.console.text import SafeStream
from cutover.core.errors import ExitCode, Problem, UsageError
from cutover.journal.journal import utc_now


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
    problems: tuple[Problem, ...] = ()  # of a judgement that says no: it is shown already, and is not an error
    fingerprint: str = ""  # of the plan that was made or applied
    files: dict[str, str] = field(default_factory=dict)  # what was written here, by what it is
    shown: bool = False  # a summary has shown the problems already
    code: ExitCode = ExitCode.DONE  # how it ended

    @property
    def stream(self) -> TextIO:
        """Where people read the result: stderr where stdout belongs to the JSON document."""
        return sys.stderr if self.json else sys.stdout

    def say(self, words: str) -> None:
        """A line of the result, for people."""
        write(self.stream, words.rstrip("\n") + "\n")

    def progress(self, words: str) -> None:
        """A line about what is being done, never part of a result."""
        progress(words)


def progress(words: str) -> None:
    """A line about what is being done, never part of a result: on stderr."""
    write(sys.stderr, words + "\n")


def write(stream: TextIO, words: str) -> None:
    """Write to whoever reads. That nobody does any more (`| head`) changes neither what is done nor how it ends."""
    safe = SafeStream(stream)
    safe.write(words)
    safe.flush()


def read_line(question: str) -> str:
    """Ask on the terminal; gives what was typed, without blanks around it."""
    progress(question)
    return sys.stdin.readline().strip()


def confirm(ask: Ask, question: str) -> None:
    """Have a person say yes. Without a terminal and without --yes nothing is done (exit 2)."""
    if ask.yes:
        return
    if not sys.stdin.isatty():
        found = f"`{question}` needs confirmation, and stdin is not a terminal"
        raise UsageError(Problem(found, "add --yes once you have seen the plan (`./invokew plan`)"))
    if read_line(f"{question} [yes/no]").lower() not in ("y", "yes"):
        raise UsageError(Problem(found="not approved", next="nothing was done"))
