"""`python -m bench.kpis`: measure, print the tables, write them into docs/bench.md."""

import argparse
import sys
from pathlib import Path

from bench.kpis.story import Sizes, run
from cutover.core.errors import CutoverError


def main() -> int:
    """Read the options and run; print every problem, and return its exit code."""
    usual = Sizes()
    options = argparse.ArgumentParser(prog="python -m bench.kpis", description=__doc__)
    add = options.add_argument
    add("--rounds", type=int, default=usual.rounds, help="how often each figure is measured (default: %(default)s)")
    add("--file-rows", type=int, default=usual.file_rows, help="of the CSV and the Parquet (default: %(default)s)")
    add("--memory-rows", type=int, default=usual.memory_rows, help="of the columns in memory (default: %(default)s)")
    add("--large-gb", type=float, default=usual.large_gb, help="size of the large CSV (default: %(default)s)")
    add("--contenders", type=Path, help="virtual environment with pandas, polars and duckdb (default: .venv-bench)")
    add("--page", type=Path, help="the page whose section is written (default: docs/bench.md)")
    asked = options.parse_args()
    sizes = Sizes(asked.rounds, asked.file_rows, asked.memory_rows, asked.large_gb)
    try:
        run(Path(__file__).parents[2], sizes, contenders=asked.contenders, page=asked.page)
    except CutoverError as ended:
        for problem in ended.problems:
            sys.stderr.write(f"{problem.path or ''}: {problem.found}\n    next: {problem.next}\n")
        return int(ended.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
