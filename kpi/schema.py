"""A small schema for JSON documents: says everything that is wrong with one, each with its path, all at once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kpi.findings import Finding


@dataclass(frozen=True)
class Number:
    """A number between two bounds; `whole` for integers."""

    low: float
    high: float
    whole: bool = False

    def check(self, value: object, path: str) -> list[Finding]:
        """What is wrong with this value."""
        kinds: tuple[type, ...] = (int,) if self.whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            return [_wrong(path, value, "a whole number" if self.whole else "a number")]
        inside = self.low <= value <= self.high  # type: ignore[operator]
        return [] if inside else [_wrong(path, value, f"between {self.low:g} and {self.high:g}")]


@dataclass(frozen=True)
class Text:
    """Text that is not empty; one of `choices` where there are some; an absolute path where `absolute`."""

    choices: tuple[str, ...] = ()
    absolute: bool = False

    def check(self, value: object, path: str) -> list[Finding]:
        """What is wrong with this value."""
        if not isinstance(value, str) or not (value.strip() or value in self.choices):
            return [_wrong(path, value, "text that is not empty")]
        if self.choices and value not in self.choices:
            return [_wrong(path, value, f"one of: {', '.join(self.choices)}")]
        if self.absolute and not value.startswith("/"):
            return [_wrong(path, value, "an absolute path")]
        return []


@dataclass(frozen=True)
class Listing:
    """A list without repetition, not empty, each entry by its own rule."""

    of: Text

    def check(self, value: object, path: str) -> list[Finding]:
        """What is wrong with this value."""
        if not isinstance(value, list) or not value:
            return [_wrong(path, value, "a list that is not empty")]
        found = [finding for at, entry in enumerate(value) for finding in self.of.check(entry, f"{path}[{at}]")]
        if not found and len(set(value)) != len(value):
            found.append(_wrong(path, value, "a list without repetition"))
        return found


@dataclass(frozen=True)
class Section:
    """Named entries: all of `required` must be there, `optional` may; anything else is an error."""

    required: Mapping[str, "Rule"]
    optional: Mapping[str, "Rule"] = field(default_factory=dict)

    def check(self, value: object, path: str) -> list[Finding]:
        """What is wrong with this value."""
        if not isinstance(value, dict):
            return [_wrong(path or "(document)", value, "a section with named entries")]
        findings = []
        known = {**self.required, **self.optional}
        for name in value:
            if name not in known:
                step = f"remove it, or write one of: {', '.join(known)}"
                findings.append(Finding("config", _join(path, name), "unknown key", step))
        absent = [name for name in self.required if name not in value]
        findings += [Finding("config", _join(path, name), "missing", "add it") for name in absent]
        for name, rule in known.items():
            if name in value:
                findings += rule.check(value[name], _join(path, name))
        return findings


Rule = Number | Text | Listing | Section


def parse_json(text: str, source: str) -> tuple[Any, list[Finding]]:
    """The document and what is wrong with its syntax, keys given twice included."""
    repeated: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        repeated.extend(sorted({name for name in names if names.count(name) > 1}))
        return dict(pairs)

    try:
        document = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        where = f"{source}: line {error.lineno}, column {error.colno}"
        step = "the file must be JSON (which is YAML too); render it again"
        return None, [Finding("config", where, error.msg, step)]
    return document, [Finding("config", f"{source}: {name}", "given twice", "keep one") for name in repeated]


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _wrong(path: str, value: object, wanted: str) -> Finding:
    shown = json.dumps(value, default=str)
    return Finding("config", path, f"{shown if len(shown) <= 80 else shown[:77] + '...'}", f"must be {wanted}")
