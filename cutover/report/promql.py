"""Reads prometheus.yml of a service: how Prometheus has each signal of the watch's rules. Everything wrong with it is reported at once."""

import re
from collections.abc import Iterable
from pathlib import Path
from string import Template

from pydantic import Field

from cutover.core.errors import Problem, UsageError
from cutover.inventory.schema import Schema, did_you_mean, listed, validate
from cutover.inventory.yamlfile import Keys, required
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


def signals_of(book: RuleBook) -> dict[str, list[Signal]]:
    """The signals of the rules by name; one that rules use over several windows has an entry for each."""
    found: dict[str, dict[object, Signal]] = {}
    for rule in book.rules:
        found.setdefault(rule.signal.name, {}).setdefault(rule.signal.key, rule.signal)
    return {name: list(uses.values()) for name, uses in found.items()}


def load_promql(file: Path, book: RuleBook) -> PromQL:
    """The file, checked against the rules; UsageError with all problems."""
    document, problems = required(file), list[Problem]()
    promql = validate(PromQL, document.value, document.where, problems)
    if promql is None:
        raise UsageError(problems)
    refusals = _refusals(promql, signals_of(book))
    if problems := [Problem(found, next_, path=document.where(*keys)) for keys, found, next_ in refusals]:
        raise UsageError(problems)
    return promql


def _refusals(promql: PromQL, signals: dict[str, list[Signal]]) -> Refusals:
    """What the schema cannot say: each signal has a query or is unseen, and each query fits the kind of its signal."""
    for section, names in (("signals", promql.signals), ("unseen", promql.unseen)):
        for name in sorted(names.keys() - signals.keys()):
            advice = f"{did_you_mean(name, signals)}signals: {listed(signals, 40)}"
            yield (section, name), f"no rule has a signal `{name}`", advice
    for name in sorted(promql.signals.keys() & promql.unseen.keys()):
        yield ("unseen", name), f"`{name}` has a query and is called unseen", "remove one of the two"
    for name in sorted(signals.keys() - promql.signals.keys() - promql.unseen.keys()):
        yield ("signals",), f"the signal `{name}` is missing", "write its PromQL, or why it is unseen"
    for name in promql.signals.keys() & signals.keys():
        yield from _of_query(("signals", name), promql.signals[name], signals[name][0], promql.helpers)
    yield from _placeholders(("lower",), promql.lower, ["of", "per"], needed=["of", "per"])
    texts = [*promql.helpers.values(), *(text for query in promql.signals.values() for _, text in query)]
    for name, text in promql.helpers.items():
        yield from _placeholders(("helpers", name), text, ["job"])
        if not any(f"${name}" in other for other in texts):
            yield ("helpers", name), "no query uses it", "remove it"
    metrics = {word for text in texts for word in re.findall(r"\w+", text)}
    for at, metric in enumerate(promql.always):
        if metric not in metrics:
            advice = f"{did_you_mean(metric, metrics)}write one that a signal uses"
            yield ("always", at), f"no query uses `{metric}`", advice


def _of_query(keys: Keys, query: Query, signal: Signal, helpers: Iterable[str]) -> Refusals:
    kind = signal.kind
    if kind in UNLIMITED - {"looks"}:
        yield keys, f"`{keys[-1]}` is a verdict and has no figure", "write under `unseen` where it is found"
        return
    needed = {"of", "per"} if kind in RATIOS else {"value", "n"} if kind in COUNTED else {"value"}
    needed |= {"words"} if kind in STATES | UNLIMITED else set()
    window = ["window"] if kind in WINDOWED else []
    known = ["job", *window, *(["scrapes"] if window else []), *(["floor"] if kind == "drift" else []), *helpers]
    for key, text in query:
        if bool(text) != (key in needed):
            found = f"`{key}` is missing" if key in needed else f"`{key}` does not belong to the kind {kind}"
            yield (*keys, key), found, f"the kind {kind} is written by {listed(sorted(needed))}"
        elif text and key != "words":
            yield from _placeholders((*keys, key), text, known, needed=window)


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
