"""The table of thresholds as the rules use it: a row's limits in the order of their gravity, each with its hold time."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from cutover.decide.suggest import did_you_mean, listed
from cutover.decide.watch.reading import number
from cutover.decide.watch.rulebook import Limit, RuleEntry
from cutover.words.watching import LEVELS

Refuse = Callable[[tuple[str, ...], str, str], None]


class Table:
    """The one table, the variable that holds it, and who is told what is wrong with its use."""

    def __init__(self, variable: str, rows: Mapping[str, Any], refuse: Refuse) -> None:
        self._variable, self._rows, self._refuse = variable, rows, refuse

    def limits(self, keys: tuple[str, ...], entry: RuleEntry, holds: Mapping[str, float]) -> tuple[Limit, ...]:
        """The limits of a rule: all levels of its row, or those that it names."""
        row = self._row((*keys, "row"), entry.row)
        if row is None:
            return ()
        for level in (*entry.levels, *entry.for_):
            if level not in row:
                where = (*keys, "for", level) if level in entry.for_ else (*keys, "levels")
                found = f"the row `{entry.row}` has no level `{level}`: it would never be reached"
                self._refuse(where, found, f"{did_you_mean(level, row)}levels of the row: {listed(row)}")
        named = [level for level in LEVELS if level in row and (not entry.levels or level in entry.levels)]
        limits = tuple(Limit(level, row[level], holds.get(level, 0.0)) for level in named)
        for mild, grave in pairwise(limits):
            if (grave.limit > mild.limit) if entry.over == "below" else (grave.limit < mild.limit):
                found = f"{mild.level} ({mild.limit:g}) lies beyond {grave.level} ({grave.limit:g}): it is never reached alone"
                self._refuse((*keys, "row"), found, f"correct {self._variable}.{entry.row}, or `over` of the rule")
        return limits

    def single(self, keys: tuple[str, ...], name: str) -> float:
        """The only level of a row that has one."""
        row = self._row(keys, name)
        if row is None:
            return 0.0
        if len(row) != 1:
            self._refuse(keys, f"the row `{name}` has {len(row)} levels", "name a row with one")
        return next(iter(row.values()), 0.0)

    def level(self, keys: tuple[str, ...], written: str) -> float:
        """The limit that `row.level` names."""
        name, _, level = written.partition(".")
        row = self._row(keys, name)
        if row is not None and level not in row:
            self._refuse(
                keys, f"the row `{name}` has no level `{level}`", f"{did_you_mean(level, row)}levels: {listed(row)}"
            )
        return 0.0 if row is None else row.get(level, 0.0)

    def _row(self, keys: tuple[str, ...], name: str) -> dict[str, float] | None:
        row = self._rows.get(name)
        if row is None:
            found = f"{self._variable} has no row `{name}`" if name else "`row` is missing"
            self._refuse(keys, found, f"{did_you_mean(name, self._rows)}rows: {listed(self._rows, 40)}")
            return None
        numbers = {level: number(limit) for level, limit in row.items()} if isinstance(row, dict) else {}
        good = {level: float(limit) for level, limit in numbers.items() if limit is not None and level in LEVELS}
        if not good or len(good) != len(row):
            found = f"{self._variable}.{name} is {row!r}, not levels with numbers"
            self._refuse(keys, found, f"write some of {listed(LEVELS)}, each with a number")
            return None
        return good
