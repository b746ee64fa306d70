"""roles/<service>/prometheus/rules.yml: what Prometheus records, and an alert for each level of each rule of the watch that it can judge.

Made from the rules of the watch and from prometheus.yml of the service, which has each of their signals as PromQL. Never written by hand.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import yaml
from pydantic import Field

from cutover.core.errors import Problem, UsageError
from cutover.inventory.schema import Refusals, Schema, did_you_mean, listed, validate, words
from cutover.inventory.yamlfile import Keys, required
from cutover.monitor.rules.rulebook import (
    COUNTED,
    STATES,
    UNLIMITED,
    WINDOWED,
    Rule,
    RuleBook,
    Signal,
    Threshold,
)  # fmt: skip
from cutover.monitor.rules.rules import load_for
from cutover.plan.service import load_service
from cutover.report.runbook import example_variables

PROMQL = "prometheus.yml"  # of the service
LOOK = "watch_look_s"  # the variable that says how often hosts are looked at; Prometheus scrapes as often
HEAD = """\
Written by `./invokew prometheus` from rules.yml and prometheus.yml of the service. Do not edit:
change those and run it again.

`severity`: warn and critical notify people; rollback is what the watch rolls back by itself, which Prometheus never does."""
OTHERS = "Rules that Prometheus cannot judge, since their signal is not on /metrics:"
UNWATCHED = "It is the watch that rolls back. Where none is running any more (`./invokew status`), nobody has: `./invokew rollback`."
RATIOS = frozenset({"mean", "share"})  # the kinds that are one thing over another

Entry = dict[str, Any]


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


def folder(service: str) -> Path:
    """Where a service's files for Prometheus and Grafana are, below the root of a checkout."""
    return Path("roles", service, "prometheus")


def queries_of(service: str, root: Path, variables: Mapping[str, Any] | None = None) -> "Queries":
    """What Prometheus is asked for a service; by default, or with the variables of an environment. UsageError with all problems."""
    known = example_variables(root, service) if variables is None else variables
    role = load_service(root, service)
    book = load_for(role, known)
    return Queries(book, load_promql(role.file(PROMQL), book), float(known[LOOK]))


@dataclass(frozen=True)
class Queries:
    """The rules of a watch and their PromQL; hosts are scraped every `look_s` seconds."""

    book: RuleBook
    promql: PromQL
    look_s: float

    def text(self) -> str:
        """The whole file: one group, which Prometheus evaluates in this order."""
        rules = [rule for rule in self.book.rules if rule.signal.name in self.promql.signals]
        recorded = [{"record": series, "expr": expr} for series, expr in self._records(rules)]
        alerts = [self._alert(rule, limit) for rule in rules for limit in self.limits(rule)]
        missing = [self._not_measured(metric, max(rule.fail_after for rule in rules)) for metric in self.promql.always]
        group = {"name": self.promql.name, "interval": words(self.look_s), "rules": [*recorded, *alerts, *missing]}
        body = yaml.safe_dump({"groups": [group]}, sort_keys=False, allow_unicode=True, width=1000)
        return f"{self._comment()}\n{body}"

    def _comment(self) -> str:
        lines = [*HEAD.splitlines(), "", OTHERS]
        for rule in self.book.rules:
            if why := self.promql.unseen.get(rule.signal.name):
                lines += textwrap.wrap(f"{rule.name}: {why}.", 130, initial_indent="  ", subsequent_indent="    ")
        return "\n".join(f"# {line}".rstrip() for line in lines)

    def _records(self, rules: list[Rule]) -> Iterator[tuple[str, str]]:
        """Name and PromQL of everything that is recorded, in an order in which each needs only earlier ones."""
        for name, text in self.promql.helpers.items():
            yield f"{self.promql.name}:{name}", self._filled(text)
        bounded = {rule.signal.key for rule in rules if rule.bound}
        signals = signals_of(self.book)
        for name, query in self.promql.signals.items():
            for signal in signals[name]:
                yield from self._recorded(query, signal, bound=signal.key in bounded)

    def _recorded(self, query: Query, signal: Signal, *, bound: bool) -> Iterator[tuple[str, str]]:
        known = {"window": words(signal.window), "floor": f"{signal.floor:g}"}
        known["scrapes"] = f"{signal.window / self.look_s:g}"
        of, n, times = self.series(signal, "of"), self.series(signal, "n"), signal.entry.scale
        scaled = "" if times == 1.0 else f" * {times:g}"
        if query.of:
            yield of, self._filled(query.of, **known)
            yield n, self._filled(query.per, **known)
            yield self.series(signal), f"{of} / {n}{scaled}"
        else:
            value = self._filled(query.value, **known)
            yield self.series(signal), f"({value}){scaled}" if scaled else value
            if signal.kind in COUNTED:
                yield n, self._filled(query.n, **known)
        if bound:
            yield self.series(signal, "lower"), Template(self.promql.lower).substitute(of=of, per=n)

    def series(self, signal: Signal, part: str = "") -> str:
        """The name under which a signal is recorded: `name:latency:9m`; what it rests on is `name:latency:n_9m`."""
        ends = [part, words(signal.window) if signal.window else ""]
        return ":".join(filter(None, [self.promql.name, signal.name, "_".join(filter(None, ends))]))

    def _filled(self, text: str, **known: str) -> str:
        helpers = {name: f"{self.promql.name}:{name}" for name in self.promql.helpers}
        return Template(text).substitute({**helpers, "job": self.promql.job, **known})

    def limits(self, rule: Rule) -> tuple[Threshold, ...]:
        """The limits of a rule; one that judges the samples themselves has the number that may fail."""
        return rule.limits or (Threshold("critical", 0.0, rule.fail_after * self.look_s),)

    def _alert(self, rule: Rule, limit: Threshold) -> Entry:
        judged = self.series(rule.signal, "lower" if rule.bound else "")
        expr = f"{judged} {'<' if rule.below else '>'} {limit.limit:.12g}"
        if rule.least:
            expr += f" and {self.series(rule.signal, 'n')} >= {rule.least}"
        where = "" if rule.signal.kind == "looks" else "{{ $labels.instance }}: "
        annotations = {
            "summary": where + _plain(rule.words),
            "description": self._description(rule, limit),
            "next": _plain(rule.next),
        }
        if limit.level == "rollback":
            annotations["unwatched"] = UNWATCHED
        return {
            "alert": camel(f"{self.promql.name}_{rule.name}"),
            "expr": expr,
            **({"for": words(limit.hold)} if limit.hold else {}),
            "labels": {"severity": limit.level, "rule": rule.name, "service": self.promql.name},
            "annotations": annotations,
        }

    def _description(self, rule: Rule, limit: Threshold) -> str:
        held = [f"for {words(limit.hold)}"] if limit.hold else []
        if rule.signal.kind in STATES or not rule.limits:
            seen = self.promql.signals[rule.signal.name].words
        else:
            over = f" over {words(rule.signal.window)}" if rule.signal.window else ""
            bound = "at least (lower 95 % bound) " if rule.bound else ""
            value, most = _figures(rule.signal.entry.unit, limit.limit)
            side = "less" if rule.below else "more"
            seen = f"{_plain(rule.signal.entry.words)}{over}: {bound}{value}, {side} than {most}"
        return ", ".join([seen, *held])

    def _not_measured(self, metric: str, samples: int) -> Entry:
        """A figure that is missing fires no alert of its own, so that it is missing is one."""
        hold = words(samples * self.look_s)
        return {
            "alert": camel(f"{self.promql.name}_not_measured"),
            "expr": f"up{{{self.promql.job}}} == 1 unless on (job, instance) {metric}",
            "for": hold,
            "labels": {"severity": "critical", "metric": metric, "service": self.promql.name},
            "annotations": {
                "summary": f"{{{{ $labels.instance }}}}: The service answers, and {metric} is missing.",
                "description": f"not measured is never PASS: what {metric} is needed for is not judged, for {hold}",
                "next": "Read the service's journal on the host; compare its release with the one that these rules were written for.",
            },
        }


def _refusals(promql: PromQL, signals: dict[str, list[Signal]]) -> Refusals:
    """What the schema cannot say: each signal has a query or is unseen, and each query fits the kind of its signal."""
    for section, names in (("signals", promql.signals), ("unseen", promql.unseen)):
        for name in sorted(names.keys() - signals.keys()):
            advice = f"{did_you_mean(name, signals)}signals: {listed(signals, 40)}"
            yield (section, name), f"no rule has a signal `{name}`", advice
    for name in sorted(signals.keys() - promql.signals.keys() - promql.unseen.keys()):
        yield ("signals",), f"the signal `{name}` is missing", "write its PromQL, or why it is unseen"
    for name in promql.signals.keys() & signals.keys():
        yield from _of_query(("signals", name), promql.signals[name], signals[name][0].kind, promql.helpers)
    yield from _placeholders(("lower",), promql.lower, {"of", "per"}, {"of", "per"})
    for name, text in promql.helpers.items():
        yield from _placeholders(("helpers", name), text, {"job"})


def _of_query(keys: Keys, query: Query, kind: str, helpers: Iterable[str]) -> Refusals:
    if kind in UNLIMITED - {"looks"}:
        yield keys, f"`{keys[-1]}` is a verdict and has no figure", "write under `unseen` where it is found"
        return
    needed = {"of", "per"} if kind in RATIOS else {"value", "n"} if kind in COUNTED else {"value"}
    needed |= {"words"} if kind in STATES | UNLIMITED else set()
    known, window = {"job", *helpers}, {"window"} if kind in WINDOWED else set()
    known |= {"window", "scrapes"} if window else set()
    known |= {"floor"} if kind == "drift" else set()
    for key, text in query:
        if bool(text) != (key in needed):
            found = f"`{key}` is missing" if key in needed else f"`{key}` does not belong to the kind {kind}"
            yield (*keys, key), found, f"the kind {kind} is written by {listed(sorted(needed))}"
        elif text and key != "words":
            yield from _placeholders((*keys, key), text, known, window)


def _placeholders(keys: Keys, text: str, known: set[str], needed: Iterable[str] = ()) -> Refusals:
    """Names of a query that mean nothing here, and those that it has to depend on."""
    written = set(re.findall(r"\$(\w*)", text))
    for name in sorted(written - known):
        yield keys, f"${name} is not known here", f"{did_you_mean(name, known)}known: {listed(sorted(known))}"
    for name in sorted(set(needed) - written):
        yield keys, f"${name} is missing", f"the query has to depend on ${name}"


def _figures(unit: str, limit: float) -> tuple[str, str]:
    """A template for the value, and the limit, with their unit; shares in per cent."""
    if unit in ("share", "share/h"):
        rest = " an hour" if unit.endswith("/h") else ""
        return f"{{{{ $value | humanizePercentage }}}}{rest}", f"{limit * 100:g}%{rest}"
    return f'{{{{ $value | printf "%.4g" }}}} {unit}'.rstrip(), f"{limit:g} {unit}".rstrip()


def camel(name: str) -> str:
    """A rule's name as alerts are called: error_rate -> ErrorRate."""
    return "".join(part.capitalize() for part in name.split("_"))


def _plain(words: str) -> str:
    """Words of ours that are not to be taken for a template."""
    return words.replace("{{", '{{ "{{" }}')
