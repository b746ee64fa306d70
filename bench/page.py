"""docs/bench.md: its tables, the machine of its figures, and its two halves, each measured and written by itself."""

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """What the machine is, how busy it was before the measurement began, and when that was. Neither host names nor paths."""

    what: str
    load: float
    at: str


def this_machine() -> Machine:
    """Describe this machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    what = f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB, Linux {platform.release()}"
    return Machine(what, os.getloadavg()[0], datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def replaced(page: str, heading: str, half: str) -> str:
    """The page with this half, which begins with its first-level heading, in its old place or at the end."""
    halves: dict[str, str] = {}
    current = ""
    for line in page.splitlines(keepends=True):
        if line.startswith("# "):
            current = line.rstrip("\n")
        if current:
            halves[current] = halves.get(current, "") + line
    halves[heading] = half
    return "\n".join(text.rstrip("\n") + "\n" for text in halves.values())
