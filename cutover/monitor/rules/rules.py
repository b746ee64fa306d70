"""Loads rules.yml into a rule book; everything that is wrong with it, with the thresholds or with the overrides is reported at once."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import pairwise
from json import dumps
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from cutover.core.errors import Problem, UsageError
from cutover.core.samples import LEVELS, Level
from cutover.inventory.schema import did_you_mean, listed
from cutover.inventory.yamlfile import dotted, read
from cutover.monitor.rules.rulebook import (
    COUNTED,
    HOW,
    STATES,
    UNLIMITED,
    WINDOWED,
    DecisionPoint,
    DurationError,
    Metric,
    Rule,
    RuleBook,
    Signal,
    SignalEntry,
    Threshold,
    seconds,
)
from cutover.monitor.rules.signals import number
from cutover.plan.service import ServiceRole, thresholds

FILE = "rules.yml"
TABLE, OVERRIDES = "thresholds", "watch_rules"  # the section with the limits; the variable that changes rules


def load_for(service: ServiceRole, variables: Mapping[str, Any]) -> RuleBook:
    """The book of a service for an environment, whose variables change rows of thresholds and rules; UsageError with all problems."""
    return load(service.file(FILE), thresholds(service, variables["watch_thresholds"]), variables[OVERRIDES])


# The schema: what each entry may hold. Paths and references are checked below, since they need the other entries.


def _duration(written: object) -> float:
    try:
        return seconds(written)
    except DurationError as error:
        raise PydanticCustomError("duration", "{found}", {"found": str(error), "next": HOW}) from error


Duration = Annotated[float, BeforeValidator(_duration)]


class StrictModel(BaseModel):
    """Refuses keys that it does not know, and text where a number belongs."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Rule(StrictModel):
    signal: str
    row: str = ""
    over: Literal["above", "below"] = "above"
    window: Duration | None = None
    least: int = Field(default=0, ge=0)
    bound: Literal["lower", ""] = ""
    floor: str = ""
    for_: dict[str, Duration] = Field(default_factory=dict, alias="for")
    levels: list[str] = Field(default_factory=list)
    fail_after: int = Field(ge=1)
    at_points: Literal["hold", ""] = ""
    words: str = Field(min_length=1)
    next: str = Field(min_length=1)


class _Metric(StrictModel):
    signal: str
    window: Duration | None = None
    least: int = Field(default=0, ge=0)
    floor: float | None = Field(default=None, ge=0)


class _Point(StrictModel):
    at: Duration
    steady_since: str = ""
    steady: str = ""
    below: dict[str, str] = Field(default_factory=dict)
    otherwise: Literal["hold", "extend"] = "hold"
    by: Duration = 0.0
    words: str = Field(min_length=1)


class _File(StrictModel):
    thresholds: dict[str, Any] = Field(default_factory=dict)
    epoch: str = Field(min_length=1)
    gap_looks: int = Field(ge=1)
    defaults: dict[str, Any] = Field(default_factory=dict)
    signals: dict[str, SignalEntry] = Field(min_length=1)
    rules: dict[str, _Rule] = Field(min_length=1)
    metrics: dict[str, _Metric] = Field(min_length=1)
    points: dict[str, _Point] = Field(min_length=1)


_ENTRIES: Mapping[str, type[BaseModel]] = {"signals": SignalEntry, "rules": _Rule, "metrics": _Metric, "points": _Point}
Keys = tuple[str | int, ...]


def schema_problems(
    error: ValidationError, where: Callable[..., str], model: Callable[[Keys], type[BaseModel]]
) -> list[Problem]:
    """Pydantic's errors as problems: `where` gives the place of a key path, `model` what an entry there may hold."""
    problems = []
    for one in error.errors():
        keys = tuple(key for key in one["loc"] if key not in {"str", "int", "float"})  # of a choice of types: noise
        name, context = str(keys[-1]) if keys else "", one.get("ctx", {})
        found, next_ = f"{one['input']!r} does not fit", f"correct it: {one['msg'][0].lower()}{one['msg'][1:]}"
        if one["type"] == "extra_forbidden":
            known = [field.alias or key for key, field in model(keys).model_fields.items()]
            found, next_ = f"unknown key `{name}`", f"{did_you_mean(name, known)}known: {listed(known)}"
        elif one["type"] == "missing":
            found, next_ = f"`{name}` is missing", f"write `{name}: ...`"
        elif one["type"] == "literal_error":
            choices = [word for word in str(context["expected"]).replace(" or ", ", ").split(", ") if word != "''"]
            next_ = f"{did_you_mean(str(one['input']), [word.strip(chr(39)) for word in choices])}write one of {', '.join(choices)}"
        elif "next" in context:
            found, next_ = one["msg"], context["next"]
        problems.append(Problem(found, next_, path=where(*keys)))
    return problems


def load(file: Path, table: Mapping[str, Any], overrides: Mapping[str, Any]) -> RuleBook:
    """The book from a file, this table of thresholds and these changes to rules; UsageError with all problems."""
    problems: list[Problem] = []
    document = read(file, problems)
    if document is None:
        raise UsageError(problems)
    if not isinstance(document.value, dict):
        next_ = f"write a map of {listed(_File.model_fields)}"
        raise UsageError(Problem("it holds no rules", next_, path=document.name))
    rules = document.value.get("rules") or {}

    def where(*keys: str | int) -> str:
        """The line in the file, or the variable where that is what counts."""
        if keys[:1] == ("rules",) and _overridden(overrides, keys[1:]):
            return dotted((OVERRIDES, *keys[1:]))
        return document.where(*keys)

    written = {**document.value, "rules": _merged(document.value, overrides)}
    for name, changes in overrides.items():
        if name not in rules:
            next_ = f"{did_you_mean(name, rules)}rules: {listed(rules, 40)}"
            problems.append(Problem(f"there is no rule `{name}`", next_, path=f"{OVERRIDES}.{name}"))
        elif not isinstance(changes, dict):
            problems.append(
                Problem(f"{changes!r} is not a map of changes", "write {window: 5m}", path=f"{OVERRIDES}.{name}")
            )
    checked = _valid(written, where, problems)
    problems += [
        Problem(found, next_, path=where(*keys)) for keys, found, next_ in _Checks(checked, table, written).all()
    ]
    if problems:
        raise UsageError(problems)
    judged_by = [{section: written[section] for section in _ENTRIES}, table]
    digest = sha256(dumps(judged_by, sort_keys=True, default=str).encode()).hexdigest()
    return _assembled(checked, table, document.name, digest)


def _overridden(overrides: Any, keys: Keys) -> bool:
    """Whether the variable has this key; of a map in it each key by itself."""
    for key in keys:
        if not isinstance(overrides, Mapping):
            return True
        if key not in overrides:
            return False
        overrides = overrides[key]
    return len(keys) > 1


def _merged(written: Mapping[str, Any], overrides: Mapping[str, Any]) -> Any:
    """The rules with the defaults below and the overrides above; of `for` each level by itself."""
    rules, common = written.get("rules"), written.get("defaults", {})
    if not isinstance(rules, dict) or not isinstance(common, dict):
        return rules
    merged = {}
    for name, rule in rules.items():
        changes = overrides.get(name)
        if isinstance(rule, dict) and isinstance(changes, dict):
            merged[name] = {**common, **rule, **changes}
            if isinstance(rule.get("for"), dict) and isinstance(changes.get("for"), dict):
                merged[name]["for"] = {**rule["for"], **changes["for"]}
        else:
            merged[name] = {**common, **rule} if isinstance(rule, dict) else rule
    return merged


def _valid(written: dict[str, Any], where: Callable[..., str], problems: list[Problem]) -> _File:
    """What fits the schema. An entry that does not is reported and left out, so that it hides no mistake of another."""
    try:
        return _File.model_validate(written)
    except ValidationError as error:
        problems += schema_problems(error, where, lambda keys: _ENTRIES[str(keys[0])] if len(keys) > 2 else _File)
        wrong = {one["loc"][:2] for one in error.errors()}
    rest = {
        section: {name: entry for name, entry in held.items() if (section, name) not in wrong} if section in _ENTRIES else held
        for section, held in written.items()
        if (section,) not in wrong
    }  # fmt: skip
    try:
        return _File.model_validate(rest)
    except ValidationError:
        raise UsageError(problems) from None


def _levels(row: object) -> dict[str, float]:
    """A row of the table of thresholds; empty where it is not made of levels with numbers."""
    found = {level: number(limit) for level, limit in row.items()} if isinstance(row, dict) else {}
    good = {level: float(limit) for level, limit in found.items() if limit is not None and level in LEVELS}
    return good if len(good) == len(found) else {}


# Which kinds of signals need a key; no other kind has it.
NEEDED_BY = {
    "at": ["value", "values", "differs", "verdict", "busy", "restarts", "growth", "drift", "stuck", "fell"],
    "of": ["count", "mean", "share", "increase", "without"],
    "per": ["mean", "share", "stuck", "without"],
    "from_": ["differs"],
    "against": ["drift"],
}
Refusals = Iterator[tuple[Keys, str, str]]  # key path, what was found, what to do


class _Checks:
    """What the schema cannot say: references between entries, and what belongs to which kind of signal."""

    def __init__(self, file: _File, table: Mapping[str, Any], written: Mapping[str, Any]) -> None:
        self.file, self.table = file, table
        self.names = {section: list(written[section]) for section in _ENTRIES}  # also of entries that were refused

    def all(self) -> Refusals:
        """Every refusal."""
        for name, signal in self.file.signals.items():
            yield from self._signal(("signals", name), name, signal)
        for name, rule in self.file.rules.items():
            yield from self._rule(("rules", name), rule)
        for name, metric in self.file.metrics.items():
            yield from self._metric(("metrics", name), metric)
        for name, point in self.file.points.items():
            yield from self._point(("points", name), point)

    def _signal(self, keys: Keys, name: str, signal: SignalEntry) -> Refusals:
        for key, kinds in NEEDED_BY.items():
            given, needed, word = getattr(signal, key), signal.kind in kinds, key.rstrip("_")
            if needed and not given:
                yield (*keys, word), f"`{word}` is missing", f"a signal of kind {signal.kind} needs it"
            elif given and not needed:
                yield (*keys, word), f"`{word}` does not belong to the kind {signal.kind}", "remove it"
        for key, paths in (("at", [signal.at] if signal.at else []), ("of", signal.of), ("per", signal.per)):
            for path in paths:
                if "." not in path or not all(path.split(".")):
                    yield (
                        (*keys, key),
                        f"`{path}` is not a path into a document",
                        "write document.key, such as resources.memory_mb",
                    )
        users: list[_Rule | _Metric] = [*self.file.rules.values(), *self.file.metrics.values()]
        if all(user.signal != name for user in users):
            yield keys, "no rule and no metric uses it", "remove it, or write the rule that was meant"

    def _known(self, keys: Keys, word: str, known: Collection[str], what: str) -> Refusals:
        if word not in known:
            yield keys, f"there is no {what} `{word}`", f"{did_you_mean(word, known)}there are {listed(known, 40)}"

    def _window(self, keys: Keys, user: _Rule | _Metric) -> Refusals:
        """The signal is known, and has a window where it needs one."""
        yield from self._known((*keys, "signal"), user.signal, self.names["signals"], "signal")
        signal = self.file.signals.get(user.signal)
        if signal is None:
            return
        keys = (*keys, "window")
        if signal.kind in WINDOWED and user.window is None:
            yield keys, "`window` is missing", f"the kind {signal.kind} looks back: write window: 10m"
        elif signal.kind not in WINDOWED and user.window is not None:
            yield keys, f"a window has no meaning for the kind {signal.kind}", "remove it"
        elif signal.kind in WINDOWED and not user.window:
            yield keys, "a window of no length", HOW

    def _row(self, keys: Keys, name: str) -> Refusals:
        row = self.table.get(name)
        if row is None:
            found = f"{TABLE} has no row `{name}`" if name else "`row` is missing"
            yield keys, found, f"{did_you_mean(name, self.table)}rows: {listed(self.table, 40)}"
        elif not _levels(row):
            yield (
                keys,
                f"{TABLE}.{name} is {row!r}, not levels with numbers",
                f"write some of {listed(LEVELS)}, each with a number",
            )

    def _level(self, keys: Keys, written: str) -> Refusals:
        """`row.level` names a limit."""
        name, _, level = written.partition(".")
        yield from self._row(keys, name)
        row = _levels(self.table.get(name))
        if row and level not in row:
            yield keys, f"the row `{name}` has no level `{level}`", f"{did_you_mean(level, row)}levels: {listed(row)}"

    def _rule(self, keys: Keys, rule: _Rule) -> Refusals:
        yield from self._window(keys, rule)
        signal = self.file.signals.get(rule.signal)
        if rule.floor:
            yield from self._row((*keys, "floor"), rule.floor)
            if len(row := _levels(self.table.get(rule.floor))) > 1:
                yield (*keys, "floor"), f"the row `{rule.floor}` has {len(row)} levels", "name a row with one"
        if signal is None:
            return
        if signal.kind in UNLIMITED:
            for word, given in (("row", rule.row), ("for", rule.for_), ("levels", rule.levels)):
                if given:
                    yield (
                        (*keys, word),
                        f"`{word}` does not belong to the kind {signal.kind}",
                        "remove it: it is a verdict already",
                    )
        else:
            yield from self._state(keys, rule) if signal.kind in STATES else self._limits(keys, rule)
        misfits = (
            ("least", signal.kind in COUNTED and not rule.least, "a rule over events needs a least number of them", "write least: 10"),
            ("least", signal.kind not in COUNTED and rule.least, f"the kind {signal.kind} counts no events", "remove it"),
            ("bound", rule.bound and signal.kind != "share", "only a share has a bound", "remove it"),
            ("floor", rule.floor and signal.kind != "drift", "only a drift has a floor", "remove it"),
            ("for", rule.for_ and (signal.rows or signal.kind == "drift"), "rows are too far apart for a hold time", "remove it"),
            ("signal", signal.kind == "values", "a rule judges one figure, and this signal has many", "name another signal"),
        )  # fmt: skip
        for word, wrong, found, next_ in misfits:
            if wrong:
                yield (*keys, word), found, next_

    def _state(self, keys: Keys, rule: _Rule) -> Refusals:
        if rule.row:
            yield (*keys, "row"), "a state has no number and so no row", "remove it, and write levels: [critical]"
        if not rule.levels or not set(rule.levels) <= set(LEVELS):
            yield (
                (*keys, "levels"),
                f"levels are {listed(rule.levels)}",
                f"write how grave it is, by one of {listed(LEVELS)}",
            )
        for level in set(rule.for_) - set(rule.levels):
            yield (*keys, "for", level), f"the rule has no level `{level}`", f"levels: {listed(rule.levels)}"

    def _limits(self, keys: Keys, rule: _Rule) -> Refusals:
        yield from self._row((*keys, "row"), rule.row)
        row = _levels(self.table.get(rule.row))
        if not row:
            return
        for where, level in [((*keys, "levels"), one) for one in rule.levels] + [
            ((*keys, "for", one), one) for one in rule.for_
        ]:
            if level not in row:
                found = f"the row `{rule.row}` has no level `{level}`: it would never be reached"
                yield where, found, f"{did_you_mean(level, row)}levels of the row: {listed(row)}"
        for mild, grave in pairwise(_thresholds(rule, row)):
            if (grave.limit > mild.limit) if rule.over == "below" else (grave.limit < mild.limit):
                found = f"{mild.level} ({mild.limit:g}) lies beyond {grave.level} ({grave.limit:g}): it is never reached alone"
                yield (*keys, "row"), found, f"correct {TABLE}.{rule.row}, or `over` of the rule"

    def _metric(self, keys: Keys, metric: _Metric) -> Refusals:
        yield from self._window(keys, metric)
        signal = self.file.signals.get(metric.signal)
        if signal and (signal.kind in UNLIMITED or signal.rows or signal.kind == "drift"):
            yield (*keys, "signal"), f"`{metric.signal}` has no figure in every sample", "name a signal with one"

    def _point(self, keys: Keys, point: _Point) -> Refusals:
        if (point.otherwise == "extend") != (point.by > 0):
            yield (
                (*keys, "by"),
                "`by` says by how much a watch is extended",
                "write otherwise: extend and by: 6h, or neither",
            )
        if bool(point.steady) != bool(point.steady_since):
            yield (
                (*keys, "steady"),
                "`steady` and `steady_since` belong together",
                "write both: a limit of the table, and an earlier point",
            )
        if point.steady_since:
            yield from self._known((*keys, "steady_since"), point.steady_since, self.names["points"], "point")
            yield from self._level((*keys, "steady"), point.steady)
            earlier = self.file.points.get(point.steady_since)
            if earlier and earlier.at >= point.at:
                yield (*keys, "steady_since"), f"`{point.steady_since}` is not earlier", "name an earlier point"
        for metric, level in point.below.items():
            yield from self._known((*keys, "below", metric), metric, self.names["metrics"], "metric")
            yield from self._level((*keys, "below", metric), level)


def _thresholds(rule: _Rule, row: Mapping[str, float]) -> tuple[Threshold, ...]:
    """The limits of a rule: all levels of its row, or those that it names, the mildest first."""
    named: Iterable[Level] = (level for level in LEVELS if level in row and (not rule.levels or level in rule.levels))
    return tuple(Threshold(level, row[level], rule.for_.get(level, 0.0)) for level in named)


def _assembled(file: _File, table: Mapping[str, Any], source: str, digest: str) -> RuleBook:
    """The book of what was checked."""

    def level(written: str) -> float:
        name, _, level = written.partition(".")
        return float(table[name][level])

    def signal(user: _Rule | _Metric, floor: float = 0.0) -> Signal:
        return Signal(user.signal, file.signals[user.signal], user.window or 0.0, floor)

    def rule(name: str, one: _Rule) -> Rule:
        floor = next(iter(_levels(table[one.floor]).values())) if one.floor else 0.0
        kind = file.signals[one.signal].kind
        row = dict.fromkeys(one.levels, 0.0) if kind in STATES else {} if kind in UNLIMITED else _levels(table[one.row])
        return Rule(
            name, signal(one, floor), one.row, one.over == "below", _thresholds(one, row), one.least, bool(one.bound), one.fail_after,
            bool(one.at_points), one.words, one.next,
        )  # fmt: skip

    def point(name: str, one: _Point) -> DecisionPoint:
        below = tuple((metric, level(written)) for metric, written in one.below.items())
        steady = level(one.steady) if one.steady else 0.0
        return DecisionPoint(name, one.at, one.words, one.steady_since, steady, below, one.otherwise, one.by)

    return RuleBook(
        source=source,
        epoch=file.epoch,
        gap_looks=file.gap_looks,
        rules=tuple(rule(name, one) for name, one in file.rules.items()),
        metrics=tuple(Metric(name, signal(one), one.least, one.floor) for name, one in file.metrics.items()),
        points=tuple(sorted((point(name, one) for name, one in file.points.items()), key=lambda one: one.at)),
        digest=digest,
    )
