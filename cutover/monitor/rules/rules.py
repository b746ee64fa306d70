"""Reads rules.yml of a service and makes the book of rules of a watch; everything that is wrong with it is said at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cutover.core.errors import Problem, UsageError
from cutover.inventory.declarations import did_you_mean, listed
from cutover.inventory.yamlfile import Document, read
from cutover.monitor.rules.assembling import Assembly
from cutover.monitor.rules.entries import Places, checked
from cutover.monitor.rules.rulebook import MetricEntry, PointEntry, RuleBook, RuleEntry, SignalEntry
from cutover.plan.service import ServiceRole, thresholds

FILE = "rules.yml"
TABLE, OVERRIDES = "thresholds", "watch_rules"  # the section with the limits; the variable that changes rules
SECTIONS: Mapping[str, type[BaseModel]] = {
    "signals": SignalEntry,
    "rules": RuleEntry,
    "metrics": MetricEntry,
    "points": PointEntry,
}
TEXTS = ("epoch",)
COMMON = "defaults"  # what every rule has that does not say otherwise
KNOWN = (TABLE, *TEXTS, "gap_looks", COMMON, *SECTIONS)


def load_for(service: ServiceRole, variables: Mapping[str, Any]) -> RuleBook:
    """The book of a service for an environment, whose variables change rows of thresholds and rules; UsageError with all problems."""
    return load(service.file(FILE), thresholds(service, variables["watch_thresholds"]), variables[OVERRIDES])


def load(file: Path, table: Mapping[str, Any], overrides: Mapping[str, Any]) -> RuleBook:
    """The book from a file, this table of thresholds and these changes to rules; UsageError with all problems."""
    return _book(_read(file), table, overrides)


@dataclass
class _Raw:
    document: Document
    value: dict[str, Any]
    texts: dict[str, str]
    problems: list[Problem] = field(default_factory=list)


def _read(file: Path) -> _Raw:
    problems: list[Problem] = []
    document = read(file, problems)
    if document is None:
        raise UsageError(problems)
    if not isinstance(document.value, dict):
        raise UsageError(Problem("holds no rules", f"write a map of {listed(KNOWN)}", path=document.name))
    raw = _Raw(document, document.value, {})
    for name in raw.value:
        if name not in KNOWN:
            advice = f"{did_you_mean(name, KNOWN)}known: {listed(KNOWN)}"
            raw.problems.append(Problem(f"unknown key `{name}`", advice, path=document.where(name)))
    for name in TEXTS:
        text = raw.value.get(name)
        raw.texts[name] = text if isinstance(text, str) else ""
        if not raw.texts[name]:
            raw.problems.append(Problem("is missing, or no text", f"write `{name}: ...`", path=document.where(name)))
    gap = raw.value.get("gap_looks")
    if isinstance(gap, bool) or not isinstance(gap, int) or gap < 1:
        found = f"{gap!r} is no number of looks"
        raw.problems.append(Problem(found, "write 1 or more", path=document.where("gap_looks")))
    if raw.problems and not all(raw.texts.values()):
        raise UsageError(raw.problems)
    return raw


def _book(raw: _Raw, table: Mapping[str, Any], overrides: Mapping[str, Any]) -> RuleBook:
    problems = list(raw.problems)
    written = _merged(raw, overrides, problems)
    places = Places(raw.document, OVERRIDES, overrides)
    entries: dict[str, dict[str, Any]] = {}
    for section, model in SECTIONS.items():
        entries[section] = checked(written, section, model, places, problems)
    assembly = Assembly(places, TABLE, table, written, entries, problems)
    book = RuleBook(
        source=raw.document.name,
        epoch=raw.texts["epoch"],
        gap_looks=raw.value.get("gap_looks", 1),
        rules=assembly.rules(),
        metrics=assembly.metrics(),
        points=assembly.points(),
        digest=sha256(dumps([written, table], sort_keys=True, default=str).encode()).hexdigest(),
    )
    if problems:
        raise UsageError(problems)
    return book


def _merged(raw: _Raw, overrides: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """What the file says, its defaults and the overrides laid over each rule; of `for` each level by itself."""
    written: dict[str, Any] = {section: raw.value.get(section, {}) for section in SECTIONS}
    rules = written["rules"] if isinstance(written["rules"], dict) else {}
    common = raw.value.get(COMMON, {})
    if not isinstance(common, dict):
        problems.append(Problem("is no map", "write keys of a rule", path=raw.document.where(COMMON)))
        common = {}
    for name, changes in overrides.items():
        where = f"{raw.texts['overrides']}.{name}"
        if name not in rules:
            advice = f"{did_you_mean(name, rules)}rules: {listed(rules, 40)}"
            problems.append(Problem(f"there is no rule `{name}`", advice, path=where))
        elif not isinstance(changes, dict):
            problems.append(Problem("is no map of changes to a rule", "write {window: 5m}", path=where))
    laid: dict[str, Any] = {}
    for name, rule in rules.items():
        changes = overrides.get(name)
        laid[name] = (
            _over({**common, **rule}, changes if isinstance(changes, dict) else {}) if isinstance(rule, dict) else rule
        )
    return {**written, "rules": laid or written["rules"]}


def _over(rule: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**rule, **changes}
    if isinstance(rule.get("for"), dict) and isinstance(changes.get("for"), dict):
        merged["for"] = {**rule["for"], **changes["for"]}
    return merged
