"""What a signal came to at one look, and how numbers are taken out of the documents of a sample."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

Documents = Mapping[str, Any]


class Reading(NamedTuple):
    """A value, or why there is none yet.

    `missing`: it could not be measured, which is a finding after some looks; otherwise it has no value since too little
    was seen. `n` events or samples carry it, `part` of them are the share that is counted. `full`: the window is covered,
    so that what grows cannot grow any more in it.
    """

    value: float | None
    n: int | None = None
    part: int | None = None
    full: bool = True
    missing: bool = False
    why: str = ""


def missing(why: str) -> Reading:
    """It could not be measured."""
    return Reading(None, missing=True, why=why)


def too_little(why: str, n: int | None = None) -> Reading:
    """Nothing is wrong with measuring; there is not enough of it yet."""
    return Reading(None, n=n, why=why)


def getter(path: str) -> Callable[[Documents], Any]:
    """A function that finds `figures.audit.events` in the documents; None where any part of it is not there."""
    keys = path.split(".")
    if len(keys) == 2:
        first, second = keys

        def find_two(documents: Documents) -> Any:
            try:
                return documents[first][second]
            except (KeyError, TypeError):
                return None

        return find_two

    def find(documents: Documents) -> Any:
        found: Any = documents
        try:
            for key in keys:
                found = found[key]
        except (KeyError, TypeError):  # TypeError: a part of the way is null, a number or a list
            return None
        return found

    return find


def number(found: Any) -> float | None:
    """A finite number as it is; anything else, NaN and yes/no among it, is no measurement."""
    if type(found) is float or type(found) is int:
        return found if math.isfinite(found) else None
    return None


def summed(paths: Sequence[str]) -> Callable[[Documents], float | None]:
    """A function that adds up the numbers at these paths; None where one of them is missing."""
    getters = [getter(path) for path in paths]

    def add(documents: Documents) -> float | None:
        total = 0.0
        for get in getters:
            found = number(get(documents))
            if found is None:
                return None
            total += found
        return total

    return add


class Moment:
    """What a meter is given of a sample: its documents, both clocks, the service's life, whether it is a row."""

    __slots__ = ("at", "documents", "epoch", "t")

    def __init__(self, documents: Documents, t: float, at: float, epoch: object) -> None:
        self.documents, self.t, self.at, self.epoch = documents, t, at, epoch


class Meter(Protocol):
    """Has a signal's reading from one sample after the other."""

    def take(self, moment: Moment) -> Reading:
        """The reading at this moment, the moments before having been taken."""
