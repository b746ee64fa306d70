"""Reads prometheus.yml of a service, how Prometheus has each signal; everything that is wrong with it is reported at once."""

import re
from collections.abc import Iterable
from pathlib import Path
from string import Template

from pydantic import Field

from cutover.core.errors import Problem, UsageError
from cutover.inventory.schema import Schema, did_you_mean, listed, validate
from cutover.inventory.yamlfile import Keys, read
from cutover.monitor.rules.rulebook import COUNTED, STATES, UNLIMITED, WINDOWED, Refusals, RuleBook, Signal

RATIOS = frozenset({"mean", "share"})  # the kinds that are one thing over another


class Query(Schema):
    """The PromQL of one signal: a value, with what it rests on where that is counted; or one thing over another."""

    value: str = ""
    n: str = ""
    of: str = ""
    per: str = ""
    words: str = ""  # of a state: what Prometheus can say of it


class PromQL(Schema):
    """The whole file."""

    name: str = Field(pattern="^[a-z][a-z0-9_]*$")
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
    """The file, checked against the book; UsageError with all problems."""
    problems: list[Problem] = []
    document = read(file, problems)
    if document is None:
        raise UsageError(problems)
    mapping = validate(PromQL, document.value, document.where, problems)
    if mapping is None:
        raise UsageError(problems)
    refusals = _refusals(mapping, signals_of(book))
    if problems := [Problem(found, next_, path=document.where(*keys)) for keys, found, next_ in refusals]:
        raise UsageError(problems)
    return mapping


def _refusals(mapping: PromQL, signals: dict[str, list[Signal]]) -> Refusals:
    """What the schema cannot say: each signal has a query or is unseen, and each query fits the kind of its signal."""
    for section, names in (("signals", mapping.signals), ("unseen", mapping.unseen)):
        for name in names:
            if name not in signals:
                advice = f"{did_you_mean(name, signals)}signals: {listed(signals, 40)}"
                yield (section, name), f"there is no signal `{name}`", advice
    for name in sorted(mapping.signals.keys() & mapping.unseen.keys()):
        yield ("unseen", name), f"`{name}` has a query and is called unseen", "remove one of the two"
    for name in sorted(signals.keys() - mapping.signals.keys() - mapping.unseen.keys()):
        yield ("signals",), f"the signal `{name}` is missing", "write its PromQL, or why it is unseen"
    for name, query in mapping.signals.items():
        if name in signals:
            yield from _of_query(("signals", name), query, signals[name], mapping)
    yield from _placeholders(("lower",), mapping.lower, ["of", "per"], needed=["of", "per"])
    for name, text in mapping.helpers.items():
        yield from _placeholders(("helpers", name), text, ["job"])
    yield from _unused(mapping, signals)


def _of_query(keys: Keys, query: Query, uses: list[Signal], mapping: PromQL) -> Refusals:
    kind = uses[0].kind
    if kind in UNLIMITED - {"looks"}:
        yield keys, f"`{keys[-1]}` is a verdict and has no figure", "write under `unseen` where it is found"
        return
    needed = {"of", "per"} if kind in RATIOS else {"value", "n"} if kind in COUNTED else {"value"}
    needed |= {"words"} if kind in STATES | UNLIMITED else set()
    window = ["window"] if kind in WINDOWED else []
    known = [
        "job",
        *window,
        *(["scrapes"] if window else []),
        *(["floor"] if kind == "drift" else []),
        *mapping.helpers,
    ]
    for key, text in query:
        if bool(text) != (key in needed):
            found = f"`{key}` is missing" if key in needed else f"`{key}` does not belong to the kind {kind}"
            yield (*keys, key), found, f"the kind {kind} is written by {listed(sorted(needed))}"
        elif text and key != "words":
            yield from _placeholders((*keys, key), text, known, needed=window)
    for unit in sorted({signal.entry.unit for signal in uses} - {"", *mapping.units}):
        yield ("units",), f"the unit `{unit}` of `{keys[-1]}` is missing", "write Grafana's name of it"


def _placeholders(keys: Keys, text: str, known: list[str], needed: Iterable[str] = ()) -> Refusals:
    template = Template(text)
    if not template.is_valid():
        yield keys, "a $ without a name", f"write one of {listed(known)} behind it"
        return
    written = template.get_identifiers()
    for name in written:
        if name not in known:
            yield keys, f"${name} is not known here", f"{did_you_mean(name, known)}known: {listed(known)}"
    for name in needed:
        if name not in written:
            yield keys, f"${name} is missing", f"the query has to depend on ${name}"


def _unused(mapping: PromQL, signals: dict[str, list[Signal]]) -> Refusals:
    """What nothing uses is a mistake."""
    texts = [text for query in mapping.signals.values() for _, text in query]
    words = {word for text in [*texts, *mapping.helpers.values()] for word in re.findall(r"[$\w]+", text)}
    for at, metric in enumerate(mapping.always):
        if metric not in words:
            yield (
                ("always", at),
                f"no query uses `{metric}`",
                f"{did_you_mean(metric, words)}write one that a signal uses",
            )
    for name in mapping.helpers:
        if name in signals:
            yield ("helpers", name), f"`{name}` is a signal", "give the helper another name"
        if f"${name}" not in words:
            yield ("helpers", name), "no query uses it", "remove it"
    units = {signal.entry.unit for uses in signals.values() for signal in uses}
    for unit in sorted(mapping.units.keys() - units):
        yield ("units", unit), f"no signal has the unit `{unit}`", f"units: {listed(sorted(units - {''}))}"
