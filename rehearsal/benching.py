"""`bench`: the figures of docs/bench.md, taken anew on this machine."""

from pathlib import Path

from cutover.entry.app import Ask, end
from cutover.words.errors import ExitCode


def bench(root: Path, rounds: int) -> ExitCode:
    """Run every contender in every round, and write the page."""
    return end(Ask(root, "bench"), lambda ask: _bench(ask, rounds))


def _bench(ask: Ask, rounds: int) -> ExitCode:
    from bench import run

    ask.say(str(run(ask.root, rounds=rounds, contenders=ask.root / ".venv-bench")))
    return ExitCode.DONE
