"""Writes values as JSON that is YAML as well, so that a reader of either gets the same values.

Plain JSON is not enough: YAML 1.1 takes `1e-09` for text and does not allow some characters as they are.
"""

import json
import math
import re
from collections.abc import Callable

# Not printable in YAML, or line breaks to it: DEL and C1 controls, separators, BOM, lone surrogates, non-characters.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def write(
    value: object, indent: int = 2, sort: bool = False, show: Callable[[object], object] = lambda value: value
) -> str:
    """The value as a document without a line end; `show` turns what is no plain value into one."""
    return _Writer(indent, sort, show).write(value, 0)


class _Writer:
    """Writes one document; keys stay in the order they have, unless they are to be sorted."""

    def __init__(self, indent: int, sort: bool, show: Callable[[object], object]) -> None:
        self.indent = indent
        self.sort = sort
        self.show = show

    def write(self, value: object, level: int) -> str:
        value = self.show(value)
        if value is None or isinstance(value, bool):
            return {None: "null", True: "true", False: "false"}[value]
        if isinstance(value, str):
            return text(value)
        if isinstance(value, int):
            return str(value)
        if isinstance(value, float):
            return number(value)
        if isinstance(value, dict):
            keys = sorted(value) if self.sort else list(value)
            return self._block("{}", [f"{self._key(key)}: {self.write(value[key], level + 1)}" for key in keys], level)
        if isinstance(value, list | tuple):
            return self._block("[]", [self.write(item, level + 1) for item in value], level)
        raise TypeError(f"a {type(value).__name__} cannot be written as JSON")

    def _key(self, key: object) -> str:
        if not isinstance(key, str):
            raise TypeError(f"the key {key!r} is not text")
        return text(key)

    def _block(self, brackets: str, items: list[str], level: int) -> str:
        if not items:
            return brackets
        inner, outer = "\n" + " " * self.indent * (level + 1), "\n" + " " * self.indent * level
        if not self.indent:
            inner, outer = "", ""
        return brackets[0] + inner + ("," + (inner or " ")).join(items) + outer + brackets[1]


def text(value: str) -> str:
    """A string in double quotes that JSON and YAML read alike."""
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False))


def number(value: float) -> str:
    """A float that both read as a float: with a point, also before an exponent."""
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be written as JSON")
    digits, exponent, power = repr(value).partition("e")
    return digits + ("" if "." in digits else ".0") + exponent + power
