"""Reads maps that people wrote: each key known, each value of its kind, and everything that is wrong told at once."""

import math
from collections.abc import Callable, Iterable, Mapping

from cutover.core.errors import Problem
from cutover.core.numbers import is_number
from cutover.inventory.declarations import did_you_mean, listed, named
from cutover.inventory.yamlfile import Keys, dotted


class Reading:
    """Reads one document; `place` says where a key path in it is written, and every problem is added to `problems`."""

    def __init__(self, place: Callable[[Keys], str], problems: list[Problem]) -> None:
        self._place = place
        self.problems = problems

    @classmethod
    def of_variable(cls, name: str, origin: str, problems: list[Problem]) -> "Reading":
        """For the value of a variable that was written at `origin`."""
        whole = origin if name in origin else f"{origin}: {name}" if origin else name

        def place(keys: Keys) -> str:
            inside = dotted(keys)
            return f"{whole}{'' if not inside or inside.startswith('[') else '.'}{inside}"

        return cls(place, problems)

    def refuse(self, keys: Keys, found: str, advice: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(found, advice, path=self._place(keys)))

    def entries(self, value: object, keys: Keys = ()) -> Mapping[str, object]:
        """A map with names that are free; empty where it is none."""
        if isinstance(value, dict):
            return value
        self.refuse(keys, f"is {named(value)}, not a map", "write `name: ...` below it")
        return {}

    def fields(self, value: object, keys: Keys, known: Iterable[str], needed: Iterable[str] = ()) -> dict[str, object]:
        """A map with keys that are fixed: those that are known and there."""
        there = self.entries(value, keys)
        names = list(known)
        for key in there:
            if key not in names:
                self.refuse(
                    (*keys, key), f"unknown key `{key}`", f"{did_you_mean(key, names)}known are {listed(names)}"
                )
        if isinstance(value, dict):
            for key in needed:
                if key not in there:
                    self.refuse(keys, f"has no `{key}`", f"give it; known keys are {listed(names)}")
        return {key: item for key, item in there.items() if key in names}

    def words(self, value: object, keys: Keys) -> str:
        """A text that says something; empty where it does not."""
        if isinstance(value, str) and value.strip():
            return value.strip()
        found = "is empty" if isinstance(value, str) else f"is {named(value)}, not text"
        self.refuse(keys, found, "say it in words")
        return ""

    def names(
        self, value: object, keys: Keys, known: Iterable[str] | None = None, what: str = "name"
    ) -> tuple[str, ...]:
        """A list of texts, none twice; with `known`, of these alone. Those that can be used."""
        if not isinstance(value, list):
            self.refuse(keys, f"is {named(value)}, not a list", "write [one, another]")
            return ()
        there = None if known is None else list(known)
        good: list[str] = []
        for number, item in enumerate(value):
            at = (*keys, number)
            if not isinstance(item, str) or not item.strip():
                self.refuse(at, f"is {named(item)}, no {what}", "write it in words, or take it out")
            elif there is not None and item not in there:
                self.refuse(at, f"unknown {what} `{item}`", f"{did_you_mean(item, there)}there are {listed(there)}")
            elif item in good:
                self.refuse(at, f"names `{item}` a second time", "keep one of the two")
            else:
                good.append(item)
        return tuple(good)

    def seconds(self, value: object, keys: Keys) -> float:
        """A number of seconds from 0 on; 0 where it is none."""
        if is_number(value) and math.isfinite(value) and value >= 0:
            return float(value)
        self.refuse(keys, f"is {named(value)}, not a number of seconds", "write a number from 0 on")
        return 0.0
