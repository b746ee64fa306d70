"""`python -m bench`: measure, print the tables, write docs/bench.md."""

import argparse
import sys
from pathlib import Path

from bench.story import run
from cutover.core.errors import CutoverError


def main() -> int:
    """Read the options and run; all that is wrong is told, with the exit code of its kind."""
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("--hosts", default="3,10", help="sizes of the fleets, smallest first (default: 3,10)")
    options.add_argument("--rounds", type=int, default=3, help="how often each figure is measured (default: 3)")
    options.add_argument(
        "--contenders", type=Path, help="virtual environment with ansible-core and pyinfra (default: .venv-bench)"
    )
    options.add_argument("--page", type=Path, help="where to write the page (default: docs/bench.md)")
    asked = options.parse_args()
    sizes = tuple(int(size) for size in asked.hosts.split(","))
    try:
        run(
            Path(__file__).parent.parent, hosts=sizes, rounds=asked.rounds, contenders=asked.contenders, page=asked.page
        )
    except CutoverError as ended:
        for problem in ended.problems:
            sys.stderr.write(
                f"{problem.host or ''} {problem.path or ''}: {problem.found}\n    next: {problem.next}\n".lstrip()
            )
        return int(ended.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
