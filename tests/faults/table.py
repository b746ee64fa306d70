"""docs/faults.md from what a run of the suite came to: `python -m tests.faults.table RESULTS PAGE` writes it."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.faults.invariants import INVARIANTS
from tests.faults.scenarios import SCENARIOS
from tests.waiting import journal_records

Line = dict[str, Any]
PAGE = """\
# Faults

Written by `./invokew test --faults` from a run of it (seed {seed}; `--seed {seed}` replays its choices). Real hosts, V1 under a
stream of tapes, the real command line. What each promise is: [guarantees.md](guarantees.md). The checker (`tests/faults/invariants.py`)
reads what was recorded: the journals, the hosts' own journals, ledgers, units, processes and files; it is itself tested with
planted violations (`tests/faults/test_invariants.py`).

{invariants}

`END` is whether the run ended as it may (exit code, version). · held, ✗ violated, - not run.

## Death at each boundary of the journal

The harness counts the writes of a clean run, and kills the controller (SIGKILL) right before and right after each of them, and with half
a line on disk (torn).

{boundaries}

## Scenarios

The exit codes are those of the commands in turn. Most scenarios end with a `rollback`: `0 → 0` on V1 is a cutover that succeeded
and was then rolled back.

{scenarios}

A cut is a cable without carrier; one way is a blackhole route on one side; delay and loss are a proxy's, where kernels lack
netem; a wrong clock is a library preloaded into every program that the host starts, since the hosts share one clock; lies are a program
mounted over systemctl; a V2 that breaks has a drop-in; a V1 that ignores SIGTERM has one too; a read-only directory is a mount.

{summary}
"""


def page(lines: Sequence[Line]) -> str:
    """The whole page."""
    tapes = sum(line["tapes"] for line in lines)
    wrong = [line for line in lines if line["violations"]]
    summary = f"{len(lines)} experiments, {len(wrong)} with a violation; {tapes} tapes were judged."
    found = [
        f"- {line['name']}: {'; '.join(f'{name} {host} {text}' for name, host, text in line['violations'])}"
        for line in wrong
    ]
    return PAGE.format(
        seed=lines[-1]["seed"] if lines else "none",
        invariants="\n".join(f"- {name}: {words}" for name, words in INVARIANTS.items()),
        boundaries=_boundaries(lines),
        scenarios=_scenarios(lines),
        summary="\n".join([summary, *found]),
    )


def _marks(lines: Sequence[Line]) -> list[str]:
    """A mark for END and each invariant."""
    broken = {name for line in lines for name, _, _ in line["violations"]}
    return [("✗" if name in broken else "·") if lines else "-" for name in ("END", *INVARIANTS)]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    drawn = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in drawn)


def _series(line: Line) -> str:
    killed, then = line["name"].split(", then ")
    return f"{killed.split(' ')[0]} killed {killed.split(' ')[2]}, then {then}"


def _boundaries(lines: Sequence[Line]) -> str:
    rows = []
    for group in sorted({line["group"] for line in lines if line["group"].startswith("boundaries")}):
        of_group = [line for line in lines if line["group"] == group]
        for series in sorted({_series(line) for line in of_group}):
            chosen = [line for line in of_group if _series(line) == series]
            ends = Counter("+".join(sorted(set(line["ends"]))) for line in chosen)
            counted = ", ".join(f"{end} {times}" for end, times in sorted(ends.items()))
            good = sum(not line["violations"] for line in chosen)
            rows.append([group, series, f"{good} of {len(chosen)}", counted, *_marks(chosen)])
    return _table(["hosts", "series", "converged", "ended on", "END", *INVARIANTS], rows)


def _scenarios(lines: Sequence[Line]) -> str:
    rows = []
    for scenario in SCENARIOS:
        played = [line for line in lines if line["group"] == "scenarios" and line["name"] == scenario.name][-1:]
        codes = " → ".join(str(code) for line in played for code in line["codes"])
        ends = "+".join(sorted({end for line in played for end in line["ends"]}))
        name = f'<a id="{scenario.name}"></a>`{scenario.name}`'
        rows.append([name, scenario.words, str(scenario.hosts), codes, ends, *_marks(played)])
    return _table(["scenario", "fault", "hosts", "exit codes", "ended on", "END", *INVARIANTS], rows)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(page(journal_records(Path(sys.argv[1]))))
