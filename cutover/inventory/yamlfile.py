"""Reads YAML strictly: rejects duplicate keys, tags and keys that are not text, and knows the line of every value.

Dates stay text, and only text, numbers, booleans, null, lists and maps come out: what was read can be written as JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from cutover.core.errors import Problem, UsageError

Keys = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_TEXT = {_TAG + "str", _TAG + "timestamp", _TAG + "value"}
_SCALARS = {_TAG + "null", _TAG + "bool", _TAG + "int", _TAG + "float"}
_VAULT = "$ANSIBLE_VAULT"
# libyaml composes recursively and would overflow the stack, and aliases can multiply without bound; hosts' files are read too.
_DEEPEST = 100
MOST_VALUES = 500_000


@dataclass(frozen=True)
class Document:
    """One YAML document: its file's name as shown to a person, its value, and the line of each key path."""

    name: str
    value: object
    lines: Mapping[Keys, int]

    def where(self, *keys: str | int) -> str:
        """`inventory/prod/hosts.yml:7: all.hosts.web1`, with the line of the nearest key that is written."""
        line = next((self.lines[keys[:end]] for end in range(len(keys), -1, -1) if keys[:end] in self.lines), 1)
        return f"{self.name}:{line}" + (f": {dotted(keys)}" if keys else "")


def dotted(keys: Keys) -> str:
    """A key path in one line: `all.children.web`, `channels[0].name`; keys with dots are quoted."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            shown = f'"{key}"' if not key or set(key) & set(".[] ") else key
            text += f".{shown}" if text else shown
    return text


def shown(path: Path) -> str:
    """A path as a person types it: relative to the working directory if it is below it."""
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(path)


def read(path: Path, problems: list[Problem]) -> Document | None:
    """The document in a file; None when it cannot be used, with the reasons added to `problems`."""
    name = shown(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        problems.append(Problem(f"is not UTF-8 text (byte {error.start})", "save the file as UTF-8", path=name))
        return None
    except OSError as error:
        problems.append(Problem(f"cannot be read: {error.strerror}", "check the file and its permissions", path=name))
        return None
    if text.startswith(_VAULT):
        advice = "keep the secret in the environment or a file and write `{env: NAME}` or `{file: path}`"
        problems.append(Problem("is encrypted with Ansible Vault, which is not supported", advice, path=name))
        return None
    return parse(text, name, problems)


def required(path: Path) -> Document:
    """The document in a file; UsageError with all reasons where it cannot be used."""
    problems: list[Problem] = []
    document = read(path, problems)
    if document is None:
        raise UsageError(problems)
    return document


def parse(text: str, name: str, problems: list[Problem]) -> Document | None:
    """The document in a text called `name`; None when it cannot be used, with the reasons added to `problems`."""
    before = len(problems)
    builder = _Builder(name, problems)
    try:
        node = _compose(text)
        value = builder.build(node, ()) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        began = f" (which starts in line {error.context_mark.line + 1})" if error.context_mark else ""
        found = f"YAML error: {', '.join(part for part in (error.context and error.context + began, error.problem) if part)}"
        problems.append(Problem(found, "correct the YAML at or just above this place", path=place))
        return None
    except yaml.YAMLError as error:
        found = f"YAML error: {str(error).splitlines()[0]}"
        problems.append(Problem(found, "write plain YAML text", path=name))
        return None
    return Document(name, value, builder.lines) if len(problems) == before else None


def _compose(text: str) -> yaml.Node | None:
    """The root node, by libyaml, which is ten times as fast as PyYAML's own parser."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise yaml.YAMLError(f"nested more than {_DEEPEST} levels deep")
    return yaml.compose(text, Loader=yaml.CSafeLoader)


class _Builder:
    """Turns YAML nodes into plain values, noting the line of each and every problem on the way."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        self.name, self.problems = name, problems
        self.lines: dict[Keys, int] = {}
        self._built = 0
        self._depth = 0
        self._scalars = yaml.constructor.SafeConstructor()

    def build(self, node: yaml.Node, keys: Keys) -> object:
        self.lines.setdefault(keys, node.start_mark.line + 1)
        self._built += 1
        if self._built > MOST_VALUES:
            raise yaml.YAMLError(f"holds more than {MOST_VALUES} values, its aliases (`*name`) counted each time")
        if self._depth > _DEEPEST:
            raise yaml.YAMLError(f"nested more than {_DEEPEST} levels deep by its aliases (`*name`)")
        self._depth += 1
        try:
            if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
                return self._mapping(node, keys)
            if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
                return [self.build(item, (*keys, index)) for index, item in enumerate(node.value)]
            return self._scalar(node, keys)
        finally:
            self._depth -= 1

    def _scalar(self, node: yaml.Node, keys: Keys) -> object:
        if isinstance(node, yaml.ScalarNode):
            if node.tag in _TEXT:
                return str(node.value)
            if node.tag in _SCALARS:
                try:
                    return self._scalars.construct_object(node)
                except ValueError:
                    self._refuse(node, keys, f"`{node.value}` is not a number", "correct it, or quote it if it is text")
                    return None
        self._refuse(node, keys, f"the YAML tag {node.tag.replace(_TAG, '!!')} is not supported", "write a plain value")
        return None

    def _mapping(self, node: yaml.MappingNode, keys: Keys) -> dict[str, object]:
        merged: dict[str, object] = {}
        own: dict[str, object] = {}
        first_line: dict[str, int] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                merged = {**self._merge(value_node, keys), **merged}
                continue
            key = self._key(key_node, keys)
            if key in own:
                found = f"duplicate key, first in line {first_line[key]}"
                self._refuse(key_node, (*keys, key), found, "keep one of the two")
            elif key is not None:
                first_line[key] = self.lines[(*keys, key)] = key_node.start_mark.line + 1
                own[key] = self.build(value_node, (*keys, key))
        return {**merged, **own}

    def _merge(self, node: yaml.Node, keys: Keys) -> dict[str, object]:
        """What `<<: *name` or `<<: [*a, *b]` brings in; of several the first wins, as YAML has it."""
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, object] = {}
        for part in parts:
            value = self.build(part, keys)
            if isinstance(value, dict):
                merged = {**value, **merged}
            else:
                self._refuse(part, (*keys, "<<"), "merges something that is not a map", "merge a map")
        return merged

    def _key(self, node: yaml.Node, keys: Keys) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag in _TEXT:
            return str(node.value)
        written = node.value if isinstance(node, yaml.ScalarNode) else "a list or map"
        self._refuse(node, keys, f"the key `{written}` is not text", f'put it in quotes: "{written}"')
        return None

    def _refuse(self, node: yaml.Node, keys: Keys, found: str, advice: str) -> None:
        mark = node.start_mark
        place = f"{self.name}:{mark.line + 1}:{mark.column + 1}" + (f": {dotted(keys)}" if keys else "")
        self.problems.append(Problem(found, advice, path=place))
