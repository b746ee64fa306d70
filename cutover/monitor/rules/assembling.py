"""Puts checked entries together: each rule gets its signal and its limits, each point its metrics; what does not fit is named."""

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any

from cutover.core.errors import Problem
from cutover.core.samples import LEVELS
from cutover.inventory.schema import did_you_mean, listed
from cutover.monitor.rules.entries import Places
from cutover.monitor.rules.reading import number
from cutover.monitor.rules.rulebook import (
    COUNTED,
    HOW,
    NEEDS,
    STATES,
    UNLIMITED,
    WINDOWED,
    Limit,
    Metric,
    MetricEntry,
    NoDurationError,
    Point,
    PointEntry,
    Rule,
    RuleEntry,
    Signal,
    SignalEntry,
    seconds,
)

# The table of thresholds as the rules use it: a row's limits in the order of their gravity, each with its hold time.

Refuse = Callable[[tuple[str, ...], str, str], None]


class Table:
    """The one table, the variable that holds it, and who is told what is wrong with its use."""

    def __init__(self, variable: str, rows: Mapping[str, Any], refuse: Refuse) -> None:
        self._variable, self._rows, self._refuse = variable, rows, refuse

    def limits(self, keys: tuple[str, ...], entry: RuleEntry, holds: Mapping[str, float]) -> tuple[Limit, ...]:
        """The limits of a rule: all levels of its row, or those that it names."""
        row = self._row((*keys, "row"), entry.row)
        if row is None:
            return ()
        for level in (*entry.levels, *entry.for_):
            if level not in row:
                where = (*keys, "for", level) if level in entry.for_ else (*keys, "levels")
                found = f"the row `{entry.row}` has no level `{level}`: it would never be reached"
                self._refuse(where, found, f"{did_you_mean(level, row)}levels of the row: {listed(row)}")
        named = [level for level in LEVELS if level in row and (not entry.levels or level in entry.levels)]
        limits = tuple(Limit(level, row[level], holds.get(level, 0.0)) for level in named)
        for mild, grave in pairwise(limits):
            if (grave.limit > mild.limit) if entry.over == "below" else (grave.limit < mild.limit):
                found = f"{mild.level} ({mild.limit:g}) lies beyond {grave.level} ({grave.limit:g}): it is never reached alone"
                self._refuse((*keys, "row"), found, f"correct {self._variable}.{entry.row}, or `over` of the rule")
        return limits

    def single(self, keys: tuple[str, ...], name: str) -> float:
        """The only level of a row that has one."""
        row = self._row(keys, name)
        if row is None:
            return 0.0
        if len(row) != 1:
            self._refuse(keys, f"the row `{name}` has {len(row)} levels", "name a row with one")
        return next(iter(row.values()), 0.0)

    def level(self, keys: tuple[str, ...], written: str) -> float:
        """The limit that `row.level` names."""
        name, _, level = written.partition(".")
        row = self._row(keys, name)
        if row is not None and level not in row:
            self._refuse(
                keys, f"the row `{name}` has no level `{level}`", f"{did_you_mean(level, row)}levels: {listed(row)}"
            )
        return 0.0 if row is None else row.get(level, 0.0)

    def _row(self, keys: tuple[str, ...], name: str) -> dict[str, float] | None:
        row = self._rows.get(name)
        if row is None:
            found = f"{self._variable} has no row `{name}`" if name else "`row` is missing"
            self._refuse(keys, found, f"{did_you_mean(name, self._rows)}rows: {listed(self._rows, 40)}")
            return None
        numbers = {level: number(limit) for level, limit in row.items()} if isinstance(row, dict) else {}
        good = {level: float(limit) for level, limit in numbers.items() if limit is not None and level in LEVELS}
        if not good or len(good) != len(row):
            found = f"{self._variable}.{name} is {row!r}, not levels with numbers"
            self._refuse(keys, found, f"write some of {listed(LEVELS)}, each with a number")
            return None
        return good


class Assembly:
    """Makes rules, metrics and points of entries; every problem is added to those that there are."""

    def __init__(
        self,
        places: Places,
        variable: str,
        thresholds: Mapping[str, Any],
        written: Mapping[str, Any],
        entries: Mapping[str, Mapping[str, Any]],
        problems: list[Problem],
    ) -> None:
        self._places, self._written, self._problems = places, written, problems
        self._signals: Mapping[str, SignalEntry] = entries["signals"]
        self._rules: Mapping[str, RuleEntry] = entries["rules"]
        self._metrics: Mapping[str, MetricEntry] = entries["metrics"]
        self._points: Mapping[str, PointEntry] = entries["points"]
        self._table = Table(variable, thresholds, self._refuse)
        for name, signal in self._signals.items():
            self._check_signal(name, signal)

    def rules(self) -> tuple[Rule, ...]:
        """The rules, in the order in which they are written."""
        made = [self._rule(name, entry) for name, entry in self._rules.items()]
        for name in self._signals:
            users: list[RuleEntry | MetricEntry] = [*self._rules.values(), *self._metrics.values()]
            if all(user.signal != name for user in users):
                self._refuse(
                    ("signals", name), "no rule and no metric uses it", "remove it, or write the rule that was meant"
                )
        return tuple(rule for rule in made if rule)

    def metrics(self) -> tuple[Metric, ...]:
        """What points compare."""
        made = []
        for name, entry in self._metrics.items():
            signal = self._signal(("metrics", name), entry.signal, entry.window)
            if signal and (signal.kind in UNLIMITED or signal.rows):
                self._refuse(
                    ("metrics", name, "signal"),
                    f"`{entry.signal}` has no figure in every look",
                    "name a signal with one",
                )
            elif signal:
                made.append(Metric(name, signal, entry.least, entry.floor))
        return tuple(made)

    def points(self) -> tuple[Point, ...]:
        """The decision points, in the order of time."""
        made = [self._point(name, entry) for name, entry in self._points.items()]
        return tuple(sorted((point for point in made if point), key=lambda point: point.at))

    def _refuse(self, keys: tuple[str, ...], found: str, advice: str) -> None:
        self._problems.append(Problem(found, advice, path=self._places.where(*keys)))

    def _known(self, keys: tuple[str, ...], word: str, known: Iterable[str], what: str) -> bool:
        known = list(known)
        if word not in known:
            self._refuse(
                keys, f"there is no {what} `{word}`", f"{did_you_mean(word, known)}there are {listed(known, 40)}"
            )
        return word in known

    def _seconds(self, keys: tuple[str, ...], written: object) -> float:
        try:
            return seconds(written)
        except NoDurationError as error:
            self._refuse(keys, str(error), HOW)
            return 0.0

    def _check_signal(self, name: str, signal: SignalEntry) -> None:
        shown = {key: key.rstrip("_") for key in ("at", "of", "per", "from_", "against")}
        for key, word in shown.items():
            given, needed = bool(getattr(signal, key)), key in NEEDS[signal.kind]
            if needed and not given:
                self._refuse(
                    ("signals", name, word), f"`{word}` is missing", f"a signal of kind {signal.kind} needs it"
                )
            elif given and not needed:
                self._refuse(("signals", name, word), f"`{word}` is not for the kind {signal.kind}", "remove it")
        for key, paths in (("at", [signal.at] if signal.at else []), ("of", signal.of), ("per", signal.per)):
            for path in paths:
                if path.count(".") < 1 or not all(path.split(".")):
                    advice = "write document.key, for instance resources.memory_mb"
                    self._refuse(("signals", name, key), f"`{path}` is no place in a document", advice)

    def _signal(self, keys: tuple[str, ...], name: str, window: object, floor: float = 0.0) -> Signal | None:
        if not self._known((*keys, "signal"), name, self._written["signals"], "signal") or name not in self._signals:
            return None
        entry = self._signals[name]
        wide = 0.0 if window is None else self._seconds((*keys, "window"), window)
        if entry.kind in WINDOWED and window is None:
            self._refuse(
                (*keys, "window"), "`window` is missing", f"the kind {entry.kind} looks back: write window: 10m"
            )
        elif entry.kind not in WINDOWED and window is not None:
            self._refuse((*keys, "window"), f"a window has no meaning for the kind {entry.kind}", "remove it")
        elif entry.kind in WINDOWED and window is not None and wide <= 0.0:
            self._refuse((*keys, "window"), "a window of no length", HOW)
        return Signal(name, entry, wide or 1.0 if entry.kind in WINDOWED else 0.0, floor)

    def _rule(self, name: str, entry: RuleEntry) -> Rule | None:
        keys = ("rules", name)
        floor = self._table.single((*keys, "floor"), entry.floor) if entry.floor else 0.0
        signal = self._signal(keys, entry.signal, entry.window, floor)
        holds = {level: self._seconds((*keys, "for", level), written) for level, written in entry.for_.items()}
        limits: tuple[Limit, ...] = ()
        if signal and signal.kind in UNLIMITED:
            for word, given in (("row", entry.row), ("for", entry.for_), ("levels", entry.levels)):
                if given:
                    self._refuse(
                        (*keys, word),
                        f"`{word}` is not for the kind {signal.kind}",
                        "remove it: it is a verdict already",
                    )
        elif signal and signal.kind in STATES:
            limits = self._states(keys, entry, holds)
        elif signal:
            limits = self._table.limits(keys, entry, holds)
        if signal:
            self._check_fit(keys, entry, signal)
        if signal is None:
            return None
        return Rule(
            name, signal, entry.row, entry.over == "below", limits, entry.least, bool(entry.bound), entry.fail_after,
            bool(entry.at_points), entry.words, entry.next,
        )  # fmt: skip

    def _states(self, keys: tuple[str, ...], entry: RuleEntry, holds: Mapping[str, float]) -> tuple[Limit, ...]:
        """The levels of a rule over a state: it has no number and so no row."""
        if entry.row:
            self._refuse((*keys, "row"), "a state has no number and no row", "remove it, and write levels: [critical]")
        if not entry.levels or not set(entry.levels) <= set(LEVELS):
            found = f"levels are {listed(entry.levels)}"
            self._refuse((*keys, "levels"), found, f"say how grave it is, by one of {listed(LEVELS)}")
        for level in set(entry.for_) - set(entry.levels):
            self._refuse((*keys, "for", level), f"the rule has no level `{level}`", f"levels: {listed(entry.levels)}")
        return tuple(Limit(level, 0.0, holds.get(level, 0.0)) for level in LEVELS if level in entry.levels)

    def _check_fit(self, keys: tuple[str, ...], entry: RuleEntry, signal: Signal) -> None:
        if signal.kind in COUNTED and entry.least < 1:
            found = "a rule over events needs the least number of them that it may rest on"
            self._refuse((*keys, "least"), found, "write least: 10")
        if signal.kind not in COUNTED and entry.least:
            self._refuse((*keys, "least"), f"the kind {signal.kind} counts no events", "remove it")
        if entry.bound and signal.kind != "share":
            self._refuse((*keys, "bound"), "only a share has a bound", "remove it")
        if entry.floor and signal.kind != "drift":
            self._refuse((*keys, "floor"), "only a drift has a floor", "remove it")
        if entry.for_ and signal.rows:
            self._refuse((*keys, "for"), "rows are too far apart for a hold time", "remove it")
        if signal.kind == "values":
            self._refuse((*keys, "signal"), "a rule judges one figure, and this signal has many", "name another signal")

    def _point(self, name: str, entry: PointEntry) -> Point | None:
        keys = ("points", name)
        at = self._seconds((*keys, "at"), entry.at)
        by = 0.0 if entry.by is None else self._seconds((*keys, "by"), entry.by)
        if (entry.otherwise == "extend") != (by > 0):
            self._refuse(
                (*keys, "by"),
                "`by` says by how much a watch is extended",
                "write otherwise: extend and by: 6h, or neither",
            )
        steady = 0.0
        if bool(entry.steady) != bool(entry.steady_since):
            found = "`steady` and `steady_since` belong together"
            self._refuse((*keys, "steady"), found, "write both: by which limit of the table, and since which point")
        if entry.steady_since and self._known((*keys, "steady_since"), entry.steady_since, self._points, "point"):
            steady = self._table.level((*keys, "steady"), entry.steady)
            earlier = self._seconds(keys, self._points[entry.steady_since].at)
            if earlier >= at:
                self._refuse((*keys, "steady_since"), f"`{entry.steady_since}` is not earlier", "name an earlier point")
        below = []
        for metric, where in entry.below.items():
            if self._known((*keys, "below", metric), metric, self._metrics, "metric"):
                below.append((metric, self._table.level((*keys, "below", metric), where)))
        return Point(name, at, entry.words, entry.steady_since, steady, tuple(below), entry.otherwise, by)
