"""Invoke with our exit codes: words on the command line that it cannot parse end with 2, as all other wrong usage does."""

import sys
from collections.abc import Sequence
from pathlib import Path

from invoke.exceptions import Exit, ParseError
from invoke.program import Program

from cutover.cli.app import conclude, read_as_far_as_wanted
from cutover.console.ask import Ask
from cutover.core.errors import Problem, UsageError


class Cutover(Program):
    """Invoke's own program; a parse error would end it with 1, which here means a bug of ours."""

    def parse_core(self, argv: list[str] | None) -> None:
        """Parse Invoke's own options."""
        try:
            super().parse_core(argv)
        except (ParseError, ValueError) as wrong:  # ValueError: an option of Invoke's wants a number and got a word
            raise _usage(wrong, argv or sys.argv) from wrong

    def parse_tasks(self) -> None:
        """Parse the task's name and options."""
        try:
            super().parse_tasks()
        except ParseError as wrong:
            raise _usage(wrong, self.argv) from wrong


def _usage(wrong: Exception, argv: Sequence[str]) -> Exit:
    """End with 2; with --json on the line there is a document as well, though nobody has parsed it."""
    words = [word for word in argv[1:] if not word.startswith("-")]
    ask = Ask(Path(), words[0] if words else "", json="--json" in argv)
    return Exit(code=int(conclude(ask, UsageError(Problem(str(wrong), "see --list, or --help COMMAND")))))


if __name__ == "__main__":
    sys.argv[0] = "invokew"
    with read_as_far_as_wanted():
        Cutover(binary="./invokew", binary_names=["invokew"]).run()  # what its help calls itself
