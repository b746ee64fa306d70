"""Host ranges as in Ansible: `web[01:10]`, `db[a:c]`, `node[1:9:2]`, several in one name."""

import re
from string import ascii_letters

MOST = 10_000  # hosts out of one entry; more is a slip of the finger, and would eat the memory
_RANGE = re.compile(r"\[([^\[\]]*)\]")
_PORT = re.compile(r"(?P<name>.+):(?P<port>\d+)\Z")


class BadRangeError(ValueError):
    """A host range that cannot be read; the message says why."""


def expand(entry: str) -> tuple[tuple[str, ...], int | None]:
    """The names that one entry of `hosts:` stands for, and the port where it is written as `name:port`."""
    match = _PORT.match(entry)
    name, port = (match["name"], int(match["port"])) if match else (entry, None)
    return tuple(_expand(name)), port


def _expand(name: str) -> list[str]:
    match = _RANGE.search(name)
    if match is None:
        if "[" in name or "]" in name:
            raise BadRangeError("a bracket is not closed or not opened")
        return [name]
    head, tail = name[: match.start()], _expand(name[match.end() :])
    middle = _members(match[1])
    if len(middle) * len(tail) > MOST:
        raise BadRangeError(f"it stands for more than {MOST} hosts")
    return [head + one + rest for one in middle for rest in tail]


def _members(inside: str) -> list[str]:
    fields = inside.split(":")
    if len(fields) not in (2, 3) or not fields[1]:
        raise BadRangeError(f"`[{inside}]` is not [first:last] or [first:last:step]")
    first, last = fields[0] or "0", fields[1]
    if len(fields) == 3 and not (fields[2].isdecimal() and int(fields[2]) > 0):
        raise BadRangeError(f"the step of `[{inside}]` is not a whole number above 0")
    step = int(fields[2]) if len(fields) == 3 else 1
    if first.isdecimal() and last.isdecimal() and (first + last).isascii():
        return _numbers(inside, first, last, step)
    if len(first) == len(last) == 1 and first in ascii_letters and last in ascii_letters:
        begin, end = ascii_letters.index(first), ascii_letters.index(last)
        return list(ascii_letters[_upward(inside, begin, end) : end + 1 : step])
    raise BadRangeError(f"the ends of `[{inside}]` are neither two numbers nor two letters")


def _numbers(inside: str, first: str, last: str, step: int) -> list[str]:
    width = len(first) if len(first) > 1 and first.startswith("0") else 0
    if width and len(last) != width:
        raise BadRangeError(f"the ends of `[{inside}]` differ in length, though the first has leading zeros")
    begin, end = int(first), int(last)
    if (end - begin) // step >= MOST:
        raise BadRangeError(f"it stands for more than {MOST} hosts")
    return [str(number).zfill(width) for number in range(_upward(inside, begin, end), end + 1, step)]


def _upward(inside: str, begin: int, end: int) -> int:
    if begin > end:
        raise BadRangeError(f"`[{inside}]` counts downward")
    return begin
