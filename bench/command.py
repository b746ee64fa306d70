"""`bench`: measure, and write docs/bench.md anew."""

import signal
from pathlib import Path
from typing import NoReturn

from cutover.cli.app import end
from cutover.console.ask import Ask
from cutover.core.errors import ExitCode, Problem, UsageError

HALVES = ("engine", "kpi")


def bench(root: Path, rounds: int, only: str = "", against: str = "") -> ExitCode:
    """Measure the engine, beside `against` (a git revision) where it is given, and the KPIs; or only one of the two."""
    return end(Ask(root, "bench"), lambda ask: _bench(ask, rounds, only, against))


def _bench(ask: Ask, rounds: int, only: str, against: str) -> ExitCode:
    if only and only not in HALVES:
        raise UsageError(Problem(path="--only", found=repr(only), next=f"give {' or '.join(HALVES)}"))
    before = signal.signal(signal.SIGTERM, _leave)  # hosts are removed then as well
    page = ask.root / "docs" / "bench.md"
    try:
        if only != "kpi":
            from bench import engine
            from bench.page import replaced

            half = engine.measure(ask.root, rounds, against)
            page.write_text(replaced(page.read_text() if page.exists() else "", engine.HEADING, half))
            ask.say(half)
        if only != "engine":
            from bench.kpis import story as kpis

            kpis.run(ask.root, kpis.Sizes(rounds))
    finally:
        signal.signal(signal.SIGTERM, before)
    ask.say(str(page))
    return ExitCode.DONE


def _leave(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)
