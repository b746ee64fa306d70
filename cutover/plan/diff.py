"""Shows what a file would become: line by line, and key by key where both are YAML or JSON.

One release may have its configuration as ordinary YAML and the next as JSON: every line differs, and only the keys show what changes.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from functools import lru_cache

from cutover.core.errors import Problem
from cutover.inventory.yamlfile import Keys, dotted, parse


@dataclass(frozen=True)
class KeyChange:
    """One key path that was added, removed or changed; values as JSON, "" for a side that has none."""

    path: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        if self.before and self.after:
            return f"~ {self.path}: {self.before} -> {self.after}"
        return f"+ {self.path}: {self.after}" if self.after else f"- {self.path}: {self.before}"


def diff(before_text: str, after_text: str, from_name: str, to_name: str) -> str:
    """The unified diff of two texts, "" where they are equal; a missing line end is shown as `diff` shows it."""
    lines = unified_diff(_lines(before_text), _lines(after_text), from_name, to_name)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


@lru_cache(maxsize=16)  # most hosts of a fleet have the same file
def structural_diff(before_text: str, after_text: str) -> tuple[KeyChange, ...]:
    """What differs between two YAML or JSON documents, by key path; nothing where one of them is neither, such as a unit file."""
    problems: list[Problem] = []
    before, after = parse(before_text, "", problems), parse(after_text, "", problems)
    if before is None or after is None:
        return ()
    old, new = dict(_flat(before.value, ())), dict(_flat(after.value, ()))
    return tuple(
        KeyChange(dotted(keys) or "(the document)", old.get(keys, ""), new.get(keys, ""))
        for keys in dict.fromkeys([*old, *new])
        if old.get(keys) != new.get(keys)
    )


def _flat(value: object, keys: Keys) -> Iterator[tuple[Keys, str]]:
    """Every leaf with its path, as JSON, so that 1, 1.0, true and "1" differ."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat(item, (*keys, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _flat(item, (*keys, index))
    elif keys or value is not None:  # an empty document has no leaf
        yield keys, json.dumps(value, ensure_ascii=False)


def _lines(text: str) -> list[str]:
    """The lines with their ends, cut at line feeds only, as `diff` does."""
    *whole, rest = text.split("\n")
    return [f"{line}\n" for line in whole] + ([rest] if rest else [])
