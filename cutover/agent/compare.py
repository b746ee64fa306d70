"""Compare what a host shows with what should be. Used on the host and on the controller, so both mean the same.

An observed state is a JSON object. What is desired names some of its keys (dots lead into nested objects) and, for each,
either the value itself or one expectation: {"at_least": n}, {"at_most": n}, {"between": [a, b]}, {"one_of": [...]},
{"not": value}. What was not observed (missing, null, NaN) never meets anything.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # hosts may have Python 3.9
    from typing import TypeGuard

State = Mapping[str, Any]

EXPECTATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "at_least": lambda seen, limit: _number(seen) >= limit,
    "at_most": lambda seen, limit: _number(seen) <= limit,
    "between": lambda seen, limits: limits[0] <= _number(seen) <= limits[1],
    "one_of": lambda seen, values: any(_same(seen, value) for value in values),
    "not": lambda seen, value: not _same(seen, value),
}


def differences(observed: State, desired: State) -> list[str]:
    """Every desired key that the observed state does not meet, what was found and what expected; none: nothing is to be done."""
    return [
        f"{key}: found {_text(dig(observed, key), unit_of(key))}, expected {describe(want, unit_of(key))}"
        for key, want in desired.items()
        if not meets(dig(observed, key), want)
    ]


def dig(state: Any, key: str) -> Any:
    """Follow a dotted key into nested objects; a key that has dots itself is found as well. None where the way ends.

    A number picks an item of a list, -1 the last one.
    """
    if isinstance(state, list):
        first, _, rest = key.partition(".")
        if not re.fullmatch(r"-?[0-9]+", first) or not -len(state) <= int(first) < len(state):
            return None
        return dig(state[int(first)], rest) if rest else state[int(first)]
    if not isinstance(state, Mapping):
        return None
    if key in state:
        return state[key]
    parts = key.split(".")
    for end in range(len(parts) - 1, 0, -1):
        if (found := dig(state.get(".".join(parts[:end])), ".".join(parts[end:]))) is not None:
            return found
    return None


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a number: true and false are none, although Python adds them up."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def meets(seen: Any, desired: Any) -> bool:
    """Whether one observed value meets one desired value or expectation; an unknown value never does."""
    if seen is None or (isinstance(seen, float) and math.isnan(seen)):
        return False
    name, limit = _expectation(desired)
    if name is None:
        return _same(seen, desired)
    try:
        return EXPECTATIONS[name](seen, limit)
    except TypeError:  # a text where a number should be: not what was desired
        return False


def describe(desired: Any, unit: str = "") -> str:
    """A desired value or expectation as text: `inactive`, `at least 5 bytes`, `between 0 and 30 s`, `one of a, b`."""
    name, limit = _expectation(desired)
    if name is None:
        return _text(desired, unit)
    if name == "between":
        return f"between {_text(limit[0])} and {_text(limit[1], unit)}"
    value = ", ".join(map(_text, limit)) if name == "one_of" else _text(limit, unit)
    return f"{name.replace('_', ' ')} {value}"


def unit_of(key: str) -> str:
    """The unit that the name of a key ends with; empty where it has none."""
    return {"s": "s", "bytes": "bytes"}.get(key.rpartition("_")[2], "") if "_" in key else ""


def _same(seen: Any, value: Any) -> bool:
    """Equality in which True is not 1, as Python would have it."""
    return isinstance(seen, bool) == isinstance(value, bool) and bool(seen == value)


def _number(seen: Any) -> Any:
    if isinstance(seen, bool):
        raise TypeError("a boolean is not a number")
    return seen


def _expectation(desired: Any) -> tuple[str | None, Any]:
    if isinstance(desired, Mapping) and len(desired) == 1:
        name, limit = next(iter(desired.items()))
        if name in EXPECTATIONS:
            return name, limit
    return None, None


def _text(value: Any, unit: str = "") -> str:
    if value is None:
        return "unknown"
    if isinstance(value, str) and re.fullmatch(r"[^\s\"',;:]+", value):
        return value
    if value in ([], {}):
        return "none"
    measured = unit and is_number(value)
    return json.dumps(value, ensure_ascii=False, default=str) + (f" {unit}" if measured else "")
