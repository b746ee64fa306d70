"""`python -m bench`: measure, print the table, write docs/bench.md."""

import argparse
from pathlib import Path

from bench.story import run


def main() -> None:
    """Read the options and run."""
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("--hosts", default="3,10", help="sizes of the fleets, smallest first (default: 3,10)")
    options.add_argument("--rounds", type=int, default=3, help="how often each figure is measured (default: 3)")
    options.add_argument(
        "--contenders", type=Path, help="virtual environment with ansible-core and pyinfra (default: .venv-bench)"
    )
    options.add_argument("--page", type=Path, help="where to write the page (default: docs/bench.md)")
    asked = options.parse_args()
    sizes = tuple(int(size) for size in asked.hosts.split(","))
    run(Path(__file__).parent.parent, hosts=sizes, rounds=asked.rounds, contenders=asked.contenders, page=asked.page)


if __name__ == "__main__":
    main()
