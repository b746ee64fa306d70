"""Shows what a file would become: line by line, and key by key where both are YAML or JSON.

One release may have its configuration as ordinary YAML and the next as JSON: every line differs, and only the keys show what changes.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import unified_diff
from functools import lru_cache

import yaml

from cutover.core.errors import Problem
from cutover.core.secret import Secret
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


# Masks secrets in what a plan shows of the file that is on a host now, which was not rendered here.
#
# Three things count as a secret: the text of every secret variable of the host, wherever it is; the value of a key that has a
# secret in the planned file (a password that is being changed must not show its old value); the value of a key with the name
# of one. The latter two are hidden wherever else they occur. Each shows as the digest that the same secret has elsewhere.

MASK = re.compile(r"<secret sha256:[0-9a-f]{8}>")
CALLED = re.compile(
    r"(?:^|[_.-])(?:password|passwd|passphrase|secret|token|credentials?|api_?key|private_?key)$", re.IGNORECASE
)
SETS = re.compile(r"""(?<![\w.-])([A-Za-z_][\w.-]*)["']?[ \t]*[=:][ \t]*""")  # `name: `, `"name": `, `NAME=`
LAST = re.compile(r"""(?:^|\.)("[^"]*"|[^."\[\]]+)(?:\[\d+\])*$""")
SHORT = 4  # what is shorter, or one of these words, occurs elsewhere without being the secret
WORDS = ("true", "false", "null", "none")
OPENS = re.compile(r"""["'\s]*[{\[|>,]?[+-]?\s*""")  # what may follow a name whose value is in the lines after it


@dataclass(frozen=True)
class Mask:
    """What may not be shown of a file: the texts of these secrets, and the values under these names."""

    secrets: tuple[Secret, ...]
    names: frozenset[str]

    @classmethod
    def of(cls, now: str, planned: str, variables: Mapping[str, object]) -> "Mask":
        """The mask for a file as it is now, which becomes the planned one, whose secrets are masked already."""
        names = cls((), frozenset(_names_of_masks(planned)))
        found = {Secret(value) for value in names._hidden_in(now) if len(value) >= SHORT and value not in WORDS}
        longest_first = sorted({*_secrets(variables), *found}, key=lambda one: (-len(one.reveal()), one.digest))
        return cls(tuple(longest_first), names.names)

    def text(self, text: str) -> str:
        """A text as it may be shown. In YAML, values are found as YAML has them, over several lines too; elsewhere line by line."""
        for start, end, shown in sorted(self._spans(text), reverse=True):
            text = text[:start] + shown + ("\n" if text[start:end].endswith("\n") else "") + text[end:]
        return "\n".join(self._line(line) for line in self._without_known(text).split("\n"))

    def change(self, change: KeyChange) -> KeyChange | None:
        """A changed key as it may be shown; None where both sides hold the same secret, so that nothing changes."""
        if not change.before:
            return change
        value = json.loads(change.before)
        text = value if isinstance(value, str) else change.before
        last = LAST.search(change.path)
        hides = last is not None and self._hides(last[1].strip('"')) and bool(text) and value is not None
        shown = str(Secret(text)) if hides else self._without_known(text)
        before = json.dumps(shown, ensure_ascii=False) if shown != text else change.before
        return None if before == change.after else replace(change, before=before)

    def _hides(self, name: str) -> bool:
        return name in self.names or CALLED.search(name) is not None

    def _without_known(self, text: str) -> str:
        for secret in self.secrets:
            for form in _forms(secret.reveal()):
                text = text.replace(form, str(secret))
        return text

    def _line(self, line: str) -> str:
        """A line without the value that it gives to a name which hides its own."""
        start, bare, end = self._hidden_in_line(line)
        return line[:start] + str(Secret(bare)) + line[end:] if bare else line

    def _hidden_in_line(self, line: str) -> tuple[int, str, int]:
        """From where, which value without its quotes, and to where."""
        for found in SETS.finditer(line):
            rest = line[found.end() :]
            if not self._hides(found[1]) or OPENS.fullmatch(rest) or MASK.match(rest.lstrip("\"'")):
                continue
            body = rest.rstrip(", \t\r")
            bare = body[1:-1] if len(body) > 1 and body[0] == body[-1] and body[0] in "\"'" else body
            return found.end(), bare, found.end() + len(body)
        return 0, "", 0

    def _hidden_in(self, text: str) -> Iterator[str]:
        """The values that a text gives to names which hide theirs."""
        yield from (node.value for name, node in _scalars(text) if self._hides(name))
        yield from (self._hidden_in_line(line)[1] for line in text.split("\n"))

    def _spans(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Where a YAML document writes a value that may not be shown: from, to, and what is shown instead."""
        values = {node.start_mark.index: (name, node) for name, node in _scalars(text)}
        for start, (name, node) in values.items():
            without = str(Secret(node.value)) if self._hides(name) else self._without_known(node.value)
            if node.value and without != node.value and not node.tag.endswith(":null"):
                yield start, node.end_mark.index, without


def _secrets(value: object) -> Iterator[Secret]:
    """Every secret inside the variables of a host."""
    if isinstance(value, Secret) and value:
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _secrets(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets(item)


def _forms(text: str) -> Iterable[str]:
    """A text as it is written in JSON, in YAML's quotes, in a unit file, and as it is."""
    inside = (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], text.replace("'", "''"))
    return dict.fromkeys([text, *inside, text.replace("%", "%%")])


def _names_of_masks(planned: str) -> Iterator[str]:
    """The names whose values have a mask in them: as YAML has it, and the last one before each mask in its line."""
    yield from (name for name, node in _scalars(planned) if name and MASK.search(node.value))
    for line in planned.split("\n"):
        for mask in MASK.finditer(line):
            before = [found[1] for found in SETS.finditer(line[: mask.start()])]
            yield from before[-1:]


@lru_cache(maxsize=16)  # most hosts of a fleet have the same file
def _scalars(text: str) -> tuple[tuple[str, yaml.ScalarNode], ...]:
    """Every value of a YAML document with its key, however deep in lists; nothing where the text is not YAML."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return ()
    found: list[tuple[str, yaml.ScalarNode]] = []
    todo: list[tuple[str, yaml.Node]] = [("", root)] if root is not None else []
    seen: set[tuple[str, int]] = set()
    while todo:
        name, node = todo.pop()
        if (name, id(node)) in seen:  # an alias, which may even contain itself
            continue
        seen.add((name, id(node)))
        if isinstance(node, yaml.ScalarNode):
            found.append((name, node))
        elif isinstance(node, yaml.MappingNode):
            todo += [(str(key.value) if isinstance(key, yaml.ScalarNode) else name, item) for key, item in node.value]
        elif isinstance(node, yaml.SequenceNode):
            todo += [(name, item) for item in node.value]
    return tuple(found)
