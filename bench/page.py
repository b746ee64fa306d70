"""docs/bench.md: the tables, and what has to be known to read them."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

from bench.aims import Aim
from bench.contenders import FLOOR, OURS
from bench.journals import Away, Spent
from bench.machine import Machine
from bench.peers import Row
from bench.table import table
from bench.whole import BACK, BACK_BUT_ONE, Command

HEADING = "# Speed"

HEAD = (
    HEADING
    + """

Written by `./invokew bench`; not edited by hand. Measured {at} on {what}; load before it began {load:.2f}. {versions}.
Controller and test hosts share these cores, so absolute times are those of this machine; ratios travel better. Medians of {rounds}.
"""
)

JOB = f"""
## The same job, four ways

Eleven operations on each host: probe V1, read Python's version, stat, mkdir, copy a backup, render a unit, stop V1, render a config,
start V2 (with daemon-reload), probe V2, wait until it answers over HTTP. V1 and V2 are small HTTP servers in Python. Each contender is a
cold process, checks host keys, finds hosts that it has never worked on, and is believed only after every host was seen to have V1
stopped, V2 answering with the new config, and unit and backup as they should be. The order of the contenders rotates from round to round.

- *{FLOOR}*: one bash script a host, all hosts at once. It looks at nothing twice and remembers nothing: the floor.
- *{OURS}*: a lease on every host, one batch of steps under a transient unit, each step looked at before and after, every intent and
  outcome in a journal that is flushed to disk.
- *pyinfra*, *ansible-core* (pipelining, ControlPersist, forks = hosts, facts not gathered): their own modules where they have them.

"""

OWN = """
## This project's own commands

As a person runs them, cold, on fresh test hosts with V1 in service under a stream of tapes (one a second on each host); report, log and
journal included, the base of the hosts and the release cached; `lab.up` and `lab.down` without the
start of the program. The bake time ({bake:.0f} s in all for a cutover in two batches) is apart.

"""

SPENT = """
## Where the time of a cutover of {hosts} hosts goes

From the run's own journal, medians of the rounds, over all batches. *Work* lasts until the last host is done, *checks* are testinfra's.

"""

AWAY = """
## What the outage of a host consists of

By the hosts' own journals: from V1 being told to stop until V2 says that it is ready; median and longest of all hosts and rounds.

"""


def page(
    machine: Machine,
    versions: Mapping[str, str],
    rounds: int,
    rows: Sequence[Row],
    aims: Sequence[Aim],
    commands: Sequence[Command],
) -> str:
    """The whole page."""
    told = ", ".join(f"{name} {value}" for name, value in versions.items())
    counted = f"{rounds} round{'s' if rounds > 1 else ''}"
    parts = [
        HEAD.format(at=machine.at, what=machine.what, load=machine.load, versions=told, rounds=counted),
        JOB,
        _peers(rows),
    ]
    forward = [command for command in commands if command.what not in (BACK, BACK_BUT_ONE)]
    bake = statistics.median(command.bake for command in forward)
    largest = max(command.hosts for command in forward)
    whole = [command for command in forward if command.hosts == largest]
    away = {
        size: [one for command in forward if command.hosts == size for one in command.away] for size in _sizes(forward)
    }
    parts += [
        OWN.format(bake=bake),
        _aims(aims),
        SPENT.format(hosts=largest),
        _spent(whole),
        AWAY.format(n=len(away)),
        _away(away),
    ]
    return "".join(parts)


def _peers(rows: Sequence[Row]) -> str:
    heads = ("hosts", "contender", "median", "fastest", "slowest", "CPU here", "times the floor")
    return table(heads, [
        (str(row.hosts), row.contender, _s(row.median), _s(row.least), _s(row.most), _s(row.cpu), f"{row.ratio:.2f}") for row in rows
    ])  # fmt: skip


def _aims(aims: Sequence[Aim]) -> str:
    rows = [
        (aim.what, _s(aim.seconds), "" if aim.below is None else f"< {aim.below:g} s", aim.met, aim.original)
        for aim in aims
    ]
    return table(("what", "measured", "aim", "met", "the original"), rows)


def _spent(commands: Sequence[Command]) -> str:
    phases = [spent.phase for spent in commands[0].phases]
    rows = [(name, *(_s(_median(commands, name, part)) for part in ("whole", "work", "checks"))) for name in phases]
    apart = {
        "program, connections, plan": [command.before for command in commands],
        "leases, reverts armed and taken away": [
            command.seconds - command.before - command.after - sum(spent.whole for spent in command.phases)
            for command in commands
        ],
        "reports": [command.after for command in commands],
        "all, bake time apart": [command.seconds for command in commands],
    }
    rows += [(words, _s(statistics.median(several)), "", "") for words, several in apart.items()]
    cpu = statistics.median(command.cpu for command in commands)
    return table(("part", "seconds", "work", "checks"), rows) + f"\nCPU of the controller: {_s(cpu)}.\n"


def _median(commands: Sequence[Command], phase: str, part: str) -> float:
    return statistics.median(float(getattr(_named(command.phases, phase), part)) for command in commands)


def _named(phases: Iterable[Spent], name: str) -> Spent:
    return next(spent for spent in phases if spent.phase == name)


def _away(away: Mapping[int, Sequence[Away]]) -> str:
    rows = []
    for size, several in away.items():
        named = [words for words, _ in several[0].parts] if several else []
        figures = {words: [dict(one.parts)[words] for one in several] for words in named} | {
            "in all": [one.seconds for one in several]
        }
        rows += [
            (str(size), words, _s(statistics.median(all_)), _s(max(all_))) for words, all_ in figures.items() if all_
        ]
    return table(("hosts", "part", "median", "longest"), rows)


def _sizes(commands: Iterable[Command]) -> list[int]:
    return sorted({command.hosts for command in commands})


def _s(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f} s"
