"""Which contents were committed: eight bytes a tape in memory, and the rooms themselves where one seems to come again."""

import os
import re
from array import array
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from pathlib import Path

CANARY = "canary-"
SEPARATOR = "__"
REASON = ".reason.json"
DUPLICATE, CHANGED = ".duplicate-", ".changed-"
_REDELIVERY = re.compile(r".*\.(duplicate|changed)-[0-9]+")
_KEY = re.compile(r"(?:canary-)?([0-9a-f]{64})")
_HELD_DIGITS = 16


class Committed:
    """The keys in these rooms, read once and kept up by the only worker; what a short key finds, the disk confirms."""

    def __init__(self, rooms: Sequence[Path]) -> None:
        self._rooms = rooms
        self._short = array("Q", sorted(_short(split_key(name)[0]) for room in rooms for name in _commits(room)))

    def add(self, key: str) -> None:
        """One more was committed."""
        insort(self._short, _short(key))

    def first(self, key: str) -> Path | None:
        """Where the content of this key was committed; None when it was not, or is there no more."""
        short = _short(key)
        at = bisect_left(self._short, short)
        if at == len(self._short) or self._short[at] != short:
            return None
        places = (room / name for room in self._rooms for name in _commits(room) if split_key(name)[0] == key)
        return next(places, None)


def split_key(name: str) -> tuple[str, str]:
    """Key and tape name of a claimed or committed file; an empty key for any other file."""
    key, found, rest = name.partition(SEPARATOR)
    return (key, rest) if found and _KEY.fullmatch(key) else ("", name)


def is_redelivery(name: str) -> bool:
    """Whether a file in rejected/ was not committed under its key: it came twice, or was changed after it was claimed."""
    return bool(_REDELIVERY.fullmatch(name.removesuffix(REASON)))


def beside(room: Path, name: str, kind: str) -> Path:
    """The first free name in a room for a tape that was delivered again or changed."""
    number = 1
    while (place := room / f"{name}{kind}{number}").exists():
        number += 1
    return place


def _commits(room: Path) -> Iterator[str]:
    with os.scandir(room) as entries:
        for entry in entries:
            key, _ = split_key(entry.name)
            is_tape = key and not key.startswith(CANARY) and not entry.name.endswith(REASON)
            if is_tape and not is_redelivery(entry.name) and entry.is_file():
                yield entry.name


def _short(key: str) -> int:
    return int(key[:_HELD_DIGITS], 16)
