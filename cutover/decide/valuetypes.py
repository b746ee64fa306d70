"""The types that a variable may have, and what makes a value fit one; a reason in words where it does not."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from cutover.words.numbers import is_number
from cutover.words.secret import Secret

Fits = Callable[[object], str]  # "" where the value fits, else what is wrong with it
SOURCES = ("env", "file")  # where a secret may be read from


def named(value: object) -> str:
    """What a value is, for a person: `text "20"`, `the number 7`, `a list`; never the inside of a secret."""
    if isinstance(value, Secret):
        return str(value)
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f'text "{value}"'
    return "a map" if isinstance(value, dict) else "a list"


def _string(value: object) -> str:
    if not isinstance(value, str):
        return f"is {named(value)}, not text"
    return "holds a NUL character" if "\0" in value else ""


def _integer(value: object) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return "" if whole else f"is {named(value)}, not a whole number"


def _number(value: object) -> str:
    if not is_number(value):
        return f"is {named(value)}, not a number"
    return "" if math.isfinite(value) else f"is {value}, which no threshold can be compared with"


def _boolean(value: object) -> str:
    return "" if isinstance(value, bool) else f"is {named(value)}, not true or false"


def _strings(value: object) -> str:
    if not isinstance(value, list):
        return f"is {named(value)}, not a list"
    wrong = [
        f"its entry [{place}] {reason}"
        for place, item in enumerate(value)
        if not isinstance(item, Secret) and (reason := _string(item))
    ]
    return "; ".join(wrong)


def _map(value: object) -> str:
    return "" if isinstance(value, dict) else f"is {named(value)}, not a map"


def source_misfit(value: object) -> str:
    """Why a value does not say where a secret is read from; "" for `{env: NAME}` and `{file: path}`. Never shows the value."""
    if isinstance(value, dict) and len(value) == 1:
        ((key, place),) = value.items()
        if key in SOURCES and isinstance(place, str) and place:
            return ""
    return "is written out" if isinstance(value, str) and value else "does not say where it is read from"


def _sources(value: object) -> str:
    """A map of secrets stays a map of places: what is read from there is never part of a plan."""
    if not isinstance(value, dict):
        return f"is {named(value)}, not a map" if isinstance(value, list) else "is not a map"
    wrong = [f"its entry {name} {reason}" for name, source in value.items() if (reason := source_misfit(source))]
    return "; ".join(wrong) + (" (each is a secret: {env: NAME} or {file: path})" if wrong else "")


def _path(value: object) -> str:
    if reason := _string(value):
        return reason
    text = str(value)
    if not text.startswith("/") or ".." in text.split("/") or re.search(r"[\x00-\x1f\x7f]", text):
        return f"is {named(value)}, not an absolute path without `..`"
    return ""


def _port(value: object) -> str:
    if reason := _integer(value):
        return reason
    return "" if isinstance(value, int) and 1 <= value <= 65535 else f"is {named(value)}, not a port from 1 to 65535"


TYPES: Mapping[str, Fits] = MappingProxyType(
    {
        "string": _string,
        "integer": _integer,
        "number": _number,
        "boolean": _boolean,
        "list[string]": _strings,
        "map": _map,
        "map[source]": _sources,
        "path": _path,
        "port": _port,
        "choice": _string,
    }
)
NUMERIC = ("integer", "number", "port")


def misfit(
    value: object, type_: str, least: float | None = None, most: float | None = None, choices: Sequence[str] = ()
) -> str:
    """Why the value does not fit the type and its bounds, or "" where it does."""
    if reason := TYPES[type_](value):
        return reason
    if choices and value not in choices:
        return f"is {named(value)}, none of {', '.join(choices)}"
    if isinstance(value, int | float) and type_ in NUMERIC:
        if least is not None and value < least:
            return f"is {value}, below the least, {least}"
        if most is not None and value > most:
            return f"is {value}, above the most, {most}"
    return ""
