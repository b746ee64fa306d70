"""Durations as people write them: 15s, 30m, 4h, 7d, or a plain number of seconds."""

import math
import re

from cutover.words.numbers import is_number

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
HOW = "write a number and one of s, m, h, d, w, for instance 15s, 30m, 4h, 7d or 1h30m"

_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


class NoDurationError(ValueError):
    """What was written is no duration; says what was found."""


def seconds(written: object) -> float:
    """The seconds that a duration stands for; NoDurationError for what is none, or is negative."""
    if is_number(written):
        if not math.isfinite(written) or written < 0:
            raise NoDurationError(f"{written} is no duration")
        return float(written)
    if not isinstance(written, str):
        raise NoDurationError(f"{written!r} is no duration")
    text = written.strip()
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise NoDurationError(f"`{written}` is no duration")
    return math.fsum(float(number) * UNITS[unit] for number, unit in parts)


def words(duration: float) -> str:
    """A number of seconds as it would be written: 15s, 10m, 1h30m, 7d."""
    left, told = round(duration, 3), ""
    for unit in ("d", "h", "m"):
        whole = int(left // UNITS[unit])
        if whole:
            told += f"{whole}{unit}"
            left = round(left - whole * UNITS[unit], 3)
    return told + (f"{left:g}s" if left or not told else "")
