"""Holds a reading against the limits of a rule, level by level, with hold times as those of Prometheus' `for:`."""

from typing import NamedTuple

from cutover.core.samples import Level
from cutover.core.verdict import Verdict
from cutover.monitor.rules import bounds
from cutover.monitor.rules.reading import Reading
from cutover.monitor.rules.rulebook import Rule

LEVEL_VERDICT: dict[Level, Verdict] = {
    "": Verdict.PASS,
    "warn": Verdict.WARN,
    "critical": Verdict.FAIL,
    "rollback": Verdict.FAIL,
}
VERDICT_LEVEL: dict[str, Level] = {"PASS": "", "WARN": "warn", "FAIL": "critical"}


class Finding(NamedTuple):
    """What a rule came to, in figures only; `wording` makes it a Judgement.

    `level` is the gravest passed; `since`, where it is pending, the moment since which it is so. `limit` is that of the level,
    or the first one where none is passed. `misses`: for how many looks in a row it could not be measured.
    """

    verdict: Verdict
    reading: Reading
    level: Level = ""
    rolls_back: bool = False
    pending: bool = False
    limit: float | None = None
    bound: float | None = None
    hold: float = 0.0
    since: float = 0.0
    misses: int = 0


class Ladder:
    """The state of one rule on one host: since when each level has been passed, and how often nothing was measured."""

    __slots__ = (
        "_below",
        "_bound",
        "_first",
        "_gap",
        "_last",
        "_least",
        "_limits",
        "_misses",
        "_passed",
        "_rule",
        "_since",
    )

    def __init__(self, rule: Rule, gap: float) -> None:
        self._rule, self._limits, self._least, self._bound = rule, rule.limits, rule.least, rule.bound
        self._gap, self._last = gap, 0.0  # when a level was last seen to be passed
        self._below = rule.below
        self._first = rule.limits[0].limit if rule.limits else None
        self._since: list[float | None] = [None] * len(rule.limits)
        self._misses = 0
        self._passed: Finding | None = None  # the last one below all limits: most looks see what the last one saw

    def _broken(self) -> None:
        """It is not so any more, or is not known to have been so all the time: hold times begin anew."""
        if any(since is not None for since in self._since):
            self._since = [None] * len(self._limits)

    def not_looked(self, why: str) -> Finding:
        """The look itself failed; that it did is judged by a rule of its own."""
        return Finding(Verdict.INCONCLUSIVE, Reading(None, missing=True, why=why), limit=self._first)

    def judge(self, reading: Reading, t: float) -> Finding:
        """The finding on a reading at this moment."""
        passed = self._passed
        if passed is not None and passed.reading == reading:
            return passed
        self._passed = None
        value = reading.value
        if value is None or (reading.n is not None and reading.n < self._least):
            return self._unknown(reading)
        self._misses = 0
        if not self._limits:  # it is a verdict already
            verdict = Verdict(reading.why)
            return Finding(verdict, reading, VERDICT_LEVEL.get(reading.why, ""))
        below, first = self._below, self._first
        if first is not None and not (value < first if below else value > first):  # mild limits come first
            self._broken()
            return self._passed_none(reading)
        return self._climb(reading, value, t)

    def _unknown(self, reading: Reading) -> Finding:
        if not reading.missing:
            self._misses = 0
            return Finding(Verdict.INCONCLUSIVE, reading, limit=self._first)
        self._misses += 1
        late = self._misses >= self._rule.fail_after
        level: Level = "critical" if late else ""
        verdict = Verdict.FAIL if late else Verdict.INCONCLUSIVE
        return Finding(verdict, reading, level, limit=self._first, misses=self._misses)

    def _passed_none(self, reading: Reading) -> Finding:
        """Below all limits. What can only become more has not passed before its window was seen as a whole."""
        open_yet = not reading.full and not self._below
        if open_yet:
            return Finding(Verdict.INCONCLUSIVE, reading, limit=self._first)
        bound = None
        if self._bound and reading.part is not None and reading.n:
            bound = bounds.upper(reading.part, reading.n)
        self._passed = Finding(Verdict.PASS, reading, limit=self._first, bound=bound)
        return self._passed

    def _climb(self, reading: Reading, value: float, t: float) -> Finding:
        if self._below and not reading.full:  # it may still become enough
            return Finding(Verdict.INCONCLUSIVE, reading, limit=self._first)
        if t - self._last > self._gap:
            self._broken()
        self._last = t
        bound = None
        judged = value
        if self._bound and reading.part is not None and reading.n:
            judged = bound = bounds.lower(reading.part, reading.n)
        gravest = held = -1
        for index, limit in enumerate(self._limits):
            if not (judged < limit.limit if self._below else judged > limit.limit):
                self._since[index] = None
                continue
            since = self._since[index]
            if since is None:
                self._since[index] = since = t
            gravest = index
            if t - since >= limit.hold:
                held = index
        if gravest < 0:  # over a limit, and the bound is not: too few events to be sure
            return Finding(Verdict.PASS, reading, limit=self._first, bound=bound)
        return self._finding(reading, bound, gravest, held)

    def _finding(self, reading: Reading, bound: float | None, gravest: int, held: int) -> Finding:
        top = self._limits[gravest]
        verdict = LEVEL_VERDICT[self._limits[held].level] if held >= 0 else Verdict.PASS
        return Finding(
            verdict,
            reading,
            top.level,
            rolls_back=held >= 0 and self._limits[held].level == "rollback",
            pending=held < gravest,
            limit=top.limit,
            bound=bound,
            hold=top.hold,
            since=self._since[gravest] or 0.0,
        )


class Looks:
    """The rule over the looks themselves: one that failed is a finding, several in a row are a failure."""

    __slots__ = ("_misses", "_rule")

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._misses = 0

    def judge(self, error: str) -> Finding:
        """The finding on a look; `error` is why it failed, empty where it did not."""
        self._misses = self._misses + 1 if error else 0
        reading = Reading(float(self._misses), why=error)
        if not error:
            return Finding(Verdict.PASS, reading)
        if self._misses >= self._rule.fail_after:
            return Finding(Verdict.FAIL, reading, "critical", misses=self._misses)
        return Finding(Verdict.WARN, reading, "warn", misses=self._misses)
