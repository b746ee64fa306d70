"""`bench`: the figures of docs/bench.md, taken anew on this machine."""

from pathlib import Path

from cutover.cli.app import end
from cutover.console.ask import Ask
from cutover.core.errors import ExitCode, Problem, UsageError

HALVES = ("engine", "kpi")


def bench(root: Path, rounds: int, only: str = "") -> ExitCode:
    """Run every contender in every round, and write the page; of its two halves both, or one."""
    return end(Ask(root, "bench"), lambda ask: _bench(ask, rounds, only))


def _bench(ask: Ask, rounds: int, only: str) -> ExitCode:
    if only and only not in HALVES:
        raise UsageError(Problem(path="--only", found=only, next=f"give {' or '.join(HALVES)}"))
    page = ask.root / "docs" / "bench.md"
    if only != "kpi":
        from bench import story

        page = story.run(ask.root, rounds=rounds)
    if only != "engine":
        from bench.kpis import story as kpis

        page = kpis.run(ask.root, kpis.Sizes(rounds))
    ask.say(str(page))
    return ExitCode.DONE
