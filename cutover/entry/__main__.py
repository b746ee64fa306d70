"""Invoke with our exit codes: words on the command line that it cannot parse end with 2, as all other wrong usage does."""

import sys

from invoke.exceptions import Exit, ParseError
from invoke.program import Program

from cutover.words.errors import ExitCode


class Cutover(Program):
    """Invoke's own program; a parse error would end it with 1, which here means a bug of ours."""

    def parse_core(self, argv: list[str] | None) -> None:
        """Parse Invoke's own options."""
        try:
            super().parse_core(argv)
        except ParseError as wrong:
            raise _usage(wrong) from wrong

    def parse_tasks(self) -> None:
        """Parse the task's name and options."""
        try:
            super().parse_tasks()
        except ParseError as wrong:
            raise _usage(wrong) from wrong


def _usage(wrong: ParseError) -> Exit:
    return Exit(f"{wrong}\n    next: see --list, or --help TASK", code=int(ExitCode.USAGE))


if __name__ == "__main__":
    sys.argv[0] = "invoke"  # what its help calls itself
    Cutover(binary="inv[oke]", binary_names=["invoke"]).run()
