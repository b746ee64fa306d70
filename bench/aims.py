"""What was to be reached, and what the original reached, beside what was measured."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from bench.labs import FEW, MANY, Raised
from bench.whole import BACK, BACK_BUT_ONE, Command, Whole


@dataclass(frozen=True)
class Aim:
    """One figure: seconds measured (None: not part of this bench), the aim, the original's figure where it has one."""

    what: str
    seconds: float | None
    below: float | None
    original: str = ""

    @property
    def met(self) -> str:
        """In a word."""
        if self.seconds is None:
            return "not measured"
        if self.below is None:
            return ""
        return "yes" if self.seconds < self.below else "**no**"


def against(whole: Whole) -> list[Aim]:
    """Medians of all rounds, held against the aims (CONTRACT.md and the project's issues), bake time apart everywhere."""
    first = [command for command in whole.commands if command.what == "cutover"]
    back = [command for command in whole.commands if command.what == BACK]
    but_one = [command for command in whole.commands if command.what == BACK_BUT_ONE]
    return [
        Aim("`rehearse` of 3: hosts up, V1 in service, cutover, rollback, cutover", _median(whole.rehearsals), 120),
        Aim("cutover of 3, all phases and all checks", _seconds(first, 3), 20),
        Aim("cutover of 10, all phases and all checks", _seconds(first, 10), 40),
        Aim("rollback of 3", _seconds(back, 3), 8, "promised below 300 s, never run"),
        Aim("rollback of 10", _seconds(back, 10), 15),
        Aim("rollback of 10, one of them dead (exit 5, owed)", _seconds(but_one, 10), 15),
        *_labs(whole.labs),
        Aim("tasks listed (`./invokew --list`)", _median(whole.listings), 0.5),
        *(
            Aim(
                f"outage of a host in a cutover of {size}", _away(whole.commands, size), 4, "4 s, with V1 never stopped"
            )
            for size in sorted({command.hosts for command in first})
        ),
    ]


def _labs(labs: Iterable[Raised]) -> list[Aim]:
    several = list(labs)
    few = [one.up for one in several if one.hosts == FEW]
    many = [one for one in several if one.hosts == MANY]
    return [
        Aim(f"`lab.up --count {FEW}`, no host up before: V1 in service on all", _median(few), 15),
        Aim(f"`lab.up --count {MANY}`, likewise", _median(one.up for one in many), None),
        Aim(f"logging in to each of the {MANY} by ssh", _median(one.logins for one in many), None),
        Aim(f"`lab.down` of the {MANY}", _median(one.down for one in many), None),
    ]


def _seconds(commands: Iterable[Command], hosts: int) -> float | None:
    return _median(command.seconds for command in commands if command.hosts == hosts)


def _away(commands: Iterable[Command], hosts: int) -> float | None:
    forward = [command for command in commands if command.what not in (BACK, BACK_BUT_ONE) and command.hosts == hosts]
    return _median(one.seconds for command in forward for one in command.away)


def _median(values: Iterable[float]) -> float | None:
    several = list(values)
    return statistics.median(several) if several else None
