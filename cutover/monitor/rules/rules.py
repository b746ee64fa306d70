"""Loads rules.yml into a rule book; everything that is wrong with it, with the thresholds or with the overrides is reported at once."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from json import dumps
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, RootModel

from cutover.core.errors import Problem, UsageError
from cutover.core.samples import LEVELS, Level
from cutover.inventory.schema import Duration, ModelT, Refusals, Schema, Text, did_you_mean, listed, validate
from cutover.inventory.yamlfile import Keys, dotted, required
from cutover.monitor.rules.rulebook import (
    COUNTED,
    STATES,
    UNLIMITED,
    WINDOWED,
    DecisionPoint,
    Kind,
    Metric,
    Rule,
    RuleBook,
    Signal,
    SignalEntry,
    Threshold,
    belongs,
)
from cutover.plan.service import ServiceRole, thresholds

FILE = "rules.yml"
TABLE, OVERRIDES = "thresholds", "watch_rules"  # the section with the limits; the variable that changes rules


def load_for(service: ServiceRole, variables: Mapping[str, Any]) -> RuleBook:
    """The book of a service for an environment, whose variables change rows of thresholds and rules; UsageError with all problems."""
    return load(service.file(FILE), thresholds(service, variables["watch_thresholds"]), variables[OVERRIDES])


# The schema: what each entry may hold. What needs the other entries is checked below.


class _Rule(Schema):
    signal: str
    row: str = ""
    over: Literal["above", "below"] = "above"
    window: Duration = 0.0
    least: int = Field(default=0, ge=0)
    bound: Literal["lower", ""] = ""
    floor: str = ""
    for_: dict[str, Duration] = Field(default_factory=dict, alias="for")
    levels: list[str] = Field(default_factory=list)
    fail_after: int = Field(ge=1)
    at_points: Literal["hold", ""] = ""
    words: Text
    next: Text


class _Metric(Schema):
    signal: str
    window: Duration = 0.0
    least: int = Field(default=0, ge=0)
    floor: float | None = Field(default=None, ge=0)


class _Point(Schema):
    at: Duration
    steady_since: str = ""
    steady: str = ""
    below: dict[str, str] = Field(default_factory=dict)
    otherwise: Literal["hold", "extend"] = "hold"
    by: Duration = 0.0
    words: Text

    def refusals(self) -> Refusals:
        """Keys that need one another."""
        if (self.otherwise == "extend") != (self.by > 0):
            next_ = "write otherwise: extend and by: 6h, or neither"
            yield ("by",), "`by` says by how much a watch is extended", next_
        if bool(self.steady) != bool(self.steady_since):
            next_ = "write both: a limit of the table, and an earlier point"
            yield ("steady",), "`steady` and `steady_since` belong together", next_


class _Row(RootModel[Annotated[dict[Literal["warn", "critical", "rollback"], float], Field(min_length=1)]]):
    """A row of the table of thresholds: some levels, each with its limit."""

    model_config = ConfigDict(strict=True)


class _File(Schema):
    thresholds: dict[str, Any] = Field(default_factory=dict)
    epoch: Text
    gap_looks: int = Field(ge=1)
    defaults: dict[str, Any] = Field(default_factory=dict)
    signals: dict[str, Any] = Field(min_length=1)
    rules: dict[str, Any] = Field(min_length=1)
    metrics: dict[str, Any] = Field(min_length=1)
    points: dict[str, Any] = Field(min_length=1)


SECTIONS = ("signals", "rules", "metrics", "points")


def load(file: Path, table: Mapping[str, Any], overrides: Mapping[str, Any]) -> RuleBook:
    """The book from a file, this table of thresholds and these changes to rules; UsageError with all problems."""
    document, problems = required(file), list[Problem]()

    def where(*keys: str | int) -> str:
        """The line in the file, or the variable where that changes the rule."""
        if keys[0] == "rules" and keys[1] in overrides:
            return dotted((OVERRIDES, *keys[1:]))
        return document.where(*keys)

    checked = validate(_File, document.value, document.where, problems)
    if checked is None:
        raise UsageError(problems)
    problems += _misplaced(checked.rules, overrides)
    written = {section: getattr(checked, section) for section in SECTIONS}
    written["rules"] = {
        name: _merged(rule, checked.defaults, overrides.get(name)) for name, rule in checked.rules.items()
    }

    sections = {**written, TABLE: table}

    def entries(section: str, model: type[ModelT]) -> dict[str, ModelT]:
        """Those of a section that fit: one that does not hides no mistake of another."""
        found = {
            name: validate(model, entry, lambda *keys, name=name: where(section, name, *keys), problems)
            for name, entry in sections[section].items()
        }
        return {name: one for name, one in found.items() if one is not None}

    draft = _Draft(
        names={section: list(found) for section, found in sections.items()},
        table={
            name: {str(level): limit for level, limit in row.root.items()} for name, row in entries(TABLE, _Row).items()
        },
        signals=entries("signals", SignalEntry),
        rules=entries("rules", _Rule),
        metrics=entries("metrics", _Metric),
        points=entries("points", _Point),
    )
    problems += [Problem(found, next_, path=where(*keys)) for keys, found, next_ in draft.refusals()]
    if problems:
        raise UsageError(problems)
    judged_by = dumps([written, table], sort_keys=True, default=str)
    return RuleBook(
        source=document.name,
        epoch=checked.epoch,
        gap_looks=checked.gap_looks,
        rules=tuple(draft.rule(name) for name in draft.rules),
        metrics=tuple(Metric(name, draft.signal(one), one.least, one.floor) for name, one in draft.metrics.items()),
        points=tuple(sorted((draft.point(name) for name in draft.points), key=lambda one: one.at)),
        digest=sha256(judged_by.encode()).hexdigest(),
    )


def _misplaced(rules: Mapping[str, Any], overrides: Mapping[str, Any]) -> Iterator[Problem]:
    """Overrides of unknown rules, and those that change nothing."""
    for name, changes in overrides.items():
        path = f"{OVERRIDES}.{name}"
        if name not in rules:
            next_ = f"{did_you_mean(name, rules)}rules: {listed(rules, 40)}"
            yield Problem(f"there is no rule `{name}`", next_, path=path)
        elif not isinstance(changes, dict):
            yield Problem(f"{changes!r} is not a map of changes", "write {window: 5m}", path=path)


def _merged(rule: Any, defaults: Mapping[str, Any], changes: Any) -> Any:
    """A rule with the defaults below and its changes above; of `for` each level by itself."""
    if not isinstance(rule, dict):
        return rule
    changes = changes if isinstance(changes, dict) else {}
    merged = {**defaults, **rule, **changes}
    if isinstance(rule.get("for"), dict) and isinstance(changes.get("for"), dict):
        merged["for"] = {**rule["for"], **changes["for"]}
    return merged


def _keys_of(kind: Kind) -> tuple[set[str], set[str]]:
    """Which keys a rule over this kind of signal needs, and which it may have besides."""
    needed = {"window"} if kind in WINDOWED else set()
    needed |= {"least"} if kind in COUNTED else set()
    needed |= {"levels"} if kind in STATES else set() if kind in UNLIMITED else {"row"}
    allowed = set() if kind in UNLIMITED else {"levels", "for"}
    allowed |= {"bound"} if kind == "share" else {"floor"} if kind == "drift" else set()
    return needed, allowed


@dataclass(frozen=True)
class _Draft:
    """The entries that fit the schema: what is wrong between them, and what they come to."""

    names: Mapping[str, list[str]]  # by section, also of the entries that were refused
    table: Mapping[str, Mapping[str, float]]
    signals: Mapping[str, SignalEntry]
    rules: Mapping[str, _Rule]
    metrics: Mapping[str, _Metric]
    points: Mapping[str, _Point]

    @property
    def limits(self) -> dict[str, float]:
        """Each limit of the table, as `row.level` names it."""
        return {f"{name}.{level}": limit for name, row in self.table.items() for level, limit in row.items()}

    def refusals(self) -> Refusals:
        """What the schema cannot say: references between entries, and what belongs to which kind of signal."""
        for name, rule in self.rules.items():
            yield from self._rule(("rules", name), rule)
        for name, metric in self.metrics.items():
            yield from self._metric(("metrics", name), metric)
        for name, point in self.points.items():
            yield from self._point(("points", name), point)

    def _known(self, keys: Keys, word: str, known: Collection[str], what: str) -> Refusals:
        if word not in known:
            yield keys, f"there is no {what} `{word}`", f"{did_you_mean(word, known)}there are {listed(known, 40)}"

    def _rule(self, keys: Keys, rule: _Rule) -> Refusals:
        yield from self._known((*keys, "signal"), rule.signal, self.names["signals"], "signal")
        signal = self.signals.get(rule.signal)
        if signal is None:
            return
        kind = signal.kind
        if kind == "values":
            yield (*keys, "signal"), "a rule judges one figure, and this signal has many", "name another signal"
        needed, allowed = _keys_of(kind)
        given = {word: getattr(rule, word) for word in ("window", "least", "row", "levels", "bound", "floor")}
        for key, found, next_ in belongs(kind, {**given, "for": rule.for_}, needed, allowed):
            yield (*keys, *key), found, next_
        if rule.for_ and signal.at_rows:
            yield (*keys, "for"), "rows are too far apart for a hold time", "remove it"
        for word, row in (("floor", rule.floor), ("row", rule.row)):
            if row:
                yield from self._known((*keys, word), row, self.names[TABLE], f"row of {TABLE}")
        yield from self._limits(keys, rule, self._row(rule, kind))

    def _limits(self, keys: Keys, rule: _Rule, row: Mapping[str, float]) -> Refusals:
        """Each level that the rule names has a limit, and the graver ones lie beyond the milder."""
        for level in rule.levels if row else ():
            yield from self._known((*keys, "levels"), level, row, "level")
        for level in rule.for_ if row else ():
            yield from self._known((*keys, "for", level), level, rule.levels or row, "level")
        for mild, grave in pairwise(_thresholds(rule, row)):
            if (grave.limit > mild.limit) if rule.over == "below" else (grave.limit < mild.limit):
                found = f"{mild.level} ({mild.limit:g}) lies beyond {grave.level} ({grave.limit:g}): it is never reached alone"
                yield (*keys, "row"), found, f"correct {TABLE}.{rule.row}, or `over` of the rule"

    def _metric(self, keys: Keys, metric: _Metric) -> Refusals:
        yield from self._known((*keys, "signal"), metric.signal, self.names["signals"], "signal")
        signal = self.signals.get(metric.signal)
        if signal is None:
            return
        if signal.kind in UNLIMITED or signal.at_rows:
            yield (*keys, "signal"), f"`{metric.signal}` has no figure in every sample", "name a signal with one"
        needed = _keys_of(signal.kind)[0] & {"window"}
        for key, found, next_ in belongs(signal.kind, {"window": metric.window}, needed, set()):
            yield (*keys, *key), found, next_

    def _point(self, keys: Keys, point: _Point) -> Refusals:
        if point.steady_since and point.steady:
            yield from self._known((*keys, "steady_since"), point.steady_since, self.names["points"], "point")
            yield from self._known((*keys, "steady"), point.steady, self.limits, "limit")
            earlier = self.points.get(point.steady_since)
            if earlier and earlier.at >= point.at:
                yield (*keys, "steady_since"), f"`{point.steady_since}` is not earlier", "name an earlier point"
        for metric, level in point.below.items():
            yield from self._known((*keys, "below", metric), metric, self.names["metrics"], "metric")
            yield from self._known((*keys, "below", metric), level, self.limits, "limit")

    # What was checked, as values of the book.

    def signal(self, user: _Rule | _Metric, floor: float = 0.0) -> Signal:
        """The signal as a rule or a metric uses it."""
        return Signal(user.signal, self.signals[user.signal], user.window, floor)

    def rule(self, name: str) -> Rule:
        """A rule with its limits."""
        one = self.rules[name]
        floor = min(self.table[one.floor].values()) if one.floor else 0.0
        limits = _thresholds(one, self._row(one, self.signals[one.signal].kind))
        return Rule(
            name, self.signal(one, floor), one.over == "below", limits, one.least, bool(one.bound),
            one.fail_after, bool(one.at_points), one.words, one.next,
        )  # fmt: skip

    def point(self, name: str) -> DecisionPoint:
        """A decision point with its limits."""
        one = self.points[name]
        below = tuple((metric, self.limits[written]) for metric, written in one.below.items())
        steady = self.limits[one.steady] if one.steady else 0.0
        return DecisionPoint(name, one.at, one.steady_since, steady, below, one.otherwise, one.by)

    def _row(self, rule: _Rule, kind: Kind) -> Mapping[str, float]:
        """The limits by level: those of the rule's row; a state is exceeded where it is one at all."""
        return dict.fromkeys(LEVELS, 0.0) if kind in STATES else self.table.get(rule.row, {})


def _thresholds(rule: _Rule, row: Mapping[str, float]) -> tuple[Threshold, ...]:
    """The limits of a rule: all levels of its row, or those that it names, the mildest first."""
    named: Iterable[Level] = (level for level in LEVELS if level in row and (not rule.levels or level in rule.levels))
    return tuple(Threshold(level, row[level], rule.for_.get(level, 0.0)) for level in named)
