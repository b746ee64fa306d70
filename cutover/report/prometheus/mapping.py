"""Reads prometheus.yml of a service, how Prometheus has each signal; everything that is wrong with it is said at once."""

import re
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cutover.core.errors import Problem, UsageError
from cutover.inventory.declarations import did_you_mean, listed
from cutover.inventory.yamlfile import Document, read
from cutover.monitor.rules.rulebook import COUNTED, STATES, UNLIMITED, WINDOWED, RuleBook, Signal

SHARES = frozenset({"mean", "share"})  # the kinds that are one thing over another
VERDICTS = UNLIMITED - {"looks"}  # no figure of the service
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Query(_Strict):
    """The PromQL of one signal: a value, with what it rests on where that is counted; or one thing over another."""

    value: str = ""
    n: str = ""
    of: str = ""
    per: str = ""
    words: str = ""  # of a state: what Prometheus can say of it


class PromQL(_Strict):
    """The whole file."""

    name: str = Field(pattern=f"^{_NAME.pattern}$")
    job: str = Field(min_length=1)
    lower: str = Field(min_length=1)
    helpers: dict[str, str]
    signals: dict[str, Query]
    unseen: dict[str, str]
    always: list[str] = Field(min_length=1)
    units: dict[str, str]


def signals_of(book: RuleBook) -> dict[str, list[Signal]]:
    """The signals of a book as its rules use them; as its metrics do, where no rule does."""
    found: dict[str, list[Signal]] = {}
    for signal in [rule.signal for rule in book.rules]:
        uses = found.setdefault(signal.name, [])
        if all(signal.key != use.key for use in uses):
            uses.append(signal)
    for signal in [metric.signal for metric in book.metrics]:
        found.setdefault(signal.name, [signal])
    return found


def load_mapping(file: Path, book: RuleBook) -> PromQL:
    """The file, held against the book; UsageError with all problems."""
    problems: list[Problem] = []
    document = read(file, problems)
    if document is None:
        raise UsageError(problems)
    try:
        mapping = PromQL.model_validate(document.value)
    except ValidationError as misfit:
        raise UsageError([_misfit(document, error["loc"], error) for error in misfit.errors()]) from misfit
    _Check(document, mapping, signals_of(book), problems).all()
    if problems:
        raise UsageError(problems)
    return mapping


def _misfit(document: Document, keys: tuple[int | str, ...], error: Any) -> Problem:
    known = list(Query.model_fields if len(keys) > 2 and keys[0] == "signals" else PromQL.model_fields)
    last = str(keys[-1]) if keys else ""
    if error["type"] == "extra_forbidden":
        advice = f"{did_you_mean(last, known)}known: {listed(known)}"
        return Problem(f"unknown key `{last}`", advice, path=document.where(*keys))
    if error["type"] == "missing":
        return Problem(f"`{last}` is missing", f"write `{last}: ...`", path=document.where(*keys))
    advice = f"correct it: {error['msg'][0].lower()}{error['msg'][1:]}"
    return Problem(f"{error['input']!r} does not fit", advice, path=document.where(*keys))


class _Check:
    """Holds the file against the signals that there are; every problem is added to the list."""

    def __init__(
        self, document: Document, mapping: PromQL, signals: dict[str, list[Signal]], problems: list[Problem]
    ) -> None:
        self._document, self._mapping, self._signals, self._problems = document, mapping, signals, problems

    def all(self) -> None:
        """Everything."""
        self._names()
        for name, query in self._mapping.signals.items():
            if name in self._signals:
                self._fit(name, query)
        self._placeholders(("lower",), self._mapping.lower, ["of", "per"], needed=["of", "per"])
        for name, text in self._mapping.helpers.items():
            self._placeholders(("helpers", name), text, ["job"])
        self._used()

    def _refuse(self, keys: tuple[str | int, ...], found: str, advice: str) -> None:
        self._problems.append(Problem(found, advice, path=self._document.where(*keys)))

    def _names(self) -> None:
        """Each signal is either seen or not, and nothing else is written."""
        mapping = self._mapping
        for section, names in (("signals", mapping.signals), ("unseen", mapping.unseen)):
            for name in names:
                if name not in self._signals:
                    advice = f"{did_you_mean(name, self._signals)}signals: {listed(self._signals, 40)}"
                    self._refuse((section, name), f"there is no signal `{name}`", advice)
        for name in sorted(mapping.signals.keys() & mapping.unseen.keys()):
            self._refuse(("unseen", name), f"`{name}` has a query and is called unseen", "remove one of the two")
        for name in sorted(self._signals.keys() - mapping.signals.keys() - mapping.unseen.keys()):
            self._refuse(("signals",), f"the signal `{name}` is missing", "write its PromQL, or why it is unseen")

    def _fit(self, name: str, query: Query) -> None:
        kind = self._signals[name][0].kind
        needed = {"of", "per"} if kind in SHARES else {"value", "n"} if kind in COUNTED else {"value"}
        needed |= {"words"} if kind in STATES | UNLIMITED else set()
        if kind in VERDICTS:
            self._refuse(
                ("signals", name), f"`{name}` is a verdict and no figure", "say under `unseen` where it is had"
            )
            return
        for key, text in query:
            if bool(text) != (key in needed):
                found = f"`{key}` is missing" if key in needed else f"`{key}` is not for the kind {kind}"
                self._refuse(("signals", name, key), found, f"the kind {kind} is written by {listed(sorted(needed))}")
            elif text and key != "words":
                window = ["window"] if kind in WINDOWED else []
                known = ["job", *window, *(["scrapes"] if window else []), *(["floor"] if kind == "drift" else [])]
                self._placeholders(("signals", name, key), text, [*known, *self._mapping.helpers], needed=window)
        for unit in sorted({signal.entry.unit for signal in self._signals[name]} - {"", *self._mapping.units}):
            self._refuse(("units",), f"the unit `{unit}` of `{name}` is missing", "write Grafana's name of it")

    def _placeholders(self, keys: tuple[str, ...], text: str, known: Iterable[str], needed: Iterable[str] = ()) -> None:
        template, known = Template(text), list(known)
        if not template.is_valid():
            self._refuse(keys, "has a $ without a name", f"write one of {listed(known)} behind it")
            return
        written = template.get_identifiers()
        for name in written:
            if name not in known:
                self._refuse(keys, f"${name} is not known here", f"{did_you_mean(name, known)}known: {listed(known)}")
        for name in needed:
            if name not in written:
                self._refuse(keys, f"${name} is missing", f"the query has to depend on ${name}")

    def _used(self) -> None:
        """What nothing uses is a slip."""
        texts = [text for query in self._mapping.signals.values() for _, text in query]
        words = {word for text in [*texts, *self._mapping.helpers.values()] for word in re.findall(r"[$\w]+", text)}
        for at, metric in enumerate(self._mapping.always):
            if metric not in words:
                advice = f"{did_you_mean(metric, words)}write one that a signal uses"
                self._refuse(("always", at), f"no query uses `{metric}`", advice)
        for name in self._mapping.helpers:
            if name in self._signals:
                self._refuse(("helpers", name), f"`{name}` is a signal", "call the helper otherwise")
            if f"${name}" not in words:
                self._refuse(("helpers", name), "no query uses it", "remove it")
        units = {signal.entry.unit for uses in self._signals.values() for signal in uses}
        for unit in sorted(self._mapping.units.keys() - units):
            self._refuse(("units", unit), f"no signal has the unit `{unit}`", f"units: {listed(sorted(units - {''}))}")
