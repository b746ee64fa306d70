"""Meters of what is there now, and of what changed since: values, counts, states, verdicts, standstills, drifts."""

from cutover.core.verdict import Verdict
from cutover.monitor.rules.reading import Moment, Reading, getter, missing, number, summed, too_little
from cutover.monitor.rules.rulebook import Signal

_VERDICTS = frozenset(map(str, Verdict))


class Value:
    """The figure as it stands there."""

    def __init__(self, signal: Signal) -> None:
        self._get, self._scale, self._at = getter(signal.entry.at), signal.entry.scale, signal.entry.at

    def take(self, moment: Moment) -> Reading:
        """The figure as it stands there."""
        found = number(self._get(moment.documents))
        return missing(f"{self._at} is not there") if found is None else Reading(found * self._scale)


class Count:
    """How many there are: numbers, or the lengths of lists, added up."""

    def __init__(self, signal: Signal) -> None:
        self._of = [(path, getter(path)) for path in signal.entry.of]

    def take(self, moment: Moment) -> Reading:
        """How many there are."""
        total = 0.0
        for path, get in self._of:
            found = get(moment.documents)
            counted = float(len(found)) if isinstance(found, list) else number(found)
            if counted is None:
                return missing(f"{path} is not there")
            total += counted
        return Reading(total)


class Differs:
    """1 where a state is none of those that it should be, else 0."""

    def __init__(self, signal: Signal) -> None:
        self._get, self._good, self._at = getter(signal.entry.at), tuple(signal.entry.from_), signal.entry.at
        self._found: object = None
        self._reading = missing("no look yet")

    def take(self, moment: Moment) -> Reading:
        """1 where the state is none of those that it should be."""
        found = self._get(moment.documents)
        if found is None:
            return missing(f"{self._at} is not there")
        if found != self._found:
            self._found, self._reading = found, Reading(float(found not in self._good), why=f"{self._at} is {found}")
        return self._reading


class Verdicts:
    """A verdict that the host's own code came to, as it stands there; `why` is the verdict."""

    def __init__(self, signal: Signal) -> None:
        self._get, self._at = getter(signal.entry.at), signal.entry.at

    def take(self, moment: Moment) -> Reading:
        """The verdict as it stands there."""
        found = self._get(moment.documents)
        if not isinstance(found, str) or found not in _VERDICTS:
            return missing(f"{self._at} is {'not there' if found is None else f'{found}, which is no verdict'}")
        return Reading(0.0, why=found)


class Stuck:
    """For how long something has waited while nothing went on: its age, and never more than since progress was last seen.

    Both are real seconds. A long queue that moves is no standstill.
    """

    def __init__(self, signal: Signal) -> None:
        self._age, self._progress, self._at = getter(signal.entry.at), summed(signal.entry.per), signal.entry.at
        self._scale = signal.entry.scale
        self._last: float | None = None
        self._since: float | None = None

    def take(self, moment: Moment) -> Reading:
        """The age, or the real time since progress was last seen where that is shorter."""
        progress = self._progress(moment.documents)
        if self._since is None or (progress is not None and progress != self._last):
            self._since = moment.at
        if progress is not None:
            self._last = progress
        age = number(self._age(moment.documents))
        if age is None:
            return missing(f"{self._at} is not there")
        return Reading(min(age, moment.at - self._since) * self._scale)


class Without:
    """By how much one thing grew since another, which should go with it, last moved."""

    def __init__(self, signal: Signal) -> None:
        self._of, self._by = summed(signal.entry.of), summed(signal.entry.per)
        self._words = " and ".join((*signal.entry.of, *signal.entry.per))
        self._grown = 0.0
        self._last: tuple[float, float] | None = None

    def take(self, moment: Moment) -> Reading:
        """The growth of the one since the other last moved."""
        of, by = self._of(moment.documents), self._by(moment.documents)
        if of is None or by is None:
            return missing(f"of {self._words} one is not there")
        if self._last is not None:
            # A counter that fell has started anew: what it shows now has grown since.
            grown = of - self._last[0] if of >= self._last[0] else of
            self._grown = 0.0 if by != self._last[1] else self._grown + grown
        self._last = (of, by)
        return Reading(self._grown)


class Fell:
    """How far something is below the highest that it ever was in this watch; it may only grow, also over restarts."""

    def __init__(self, signal: Signal) -> None:
        self._get, self._at = getter(signal.entry.at), signal.entry.at
        self._highest = float("-inf")

    def take(self, moment: Moment) -> Reading:
        """How far below its highest it is."""
        found = number(self._get(moment.documents))
        if found is None:
            return missing(f"{self._at} is not there")
        self._highest = max(self._highest, found)
        return Reading(self._highest - found)


class Drift:
    """The largest change of any of several values, as a share, since the row before or since the first row.

    A change below the floor does not count: 5 % of next to nothing is nothing.
    """

    def __init__(self, signal: Signal) -> None:
        self._get, self._at = getter(signal.entry.at), signal.entry.at
        self._floor, self._moves = signal.floor, signal.entry.against == "previous"
        self._then: dict[str, float] | None = None

    def take(self, moment: Moment) -> Reading:
        """The largest change, and whose it is."""
        now = numbers(self._get(moment.documents))
        if not now:
            return missing(f"{self._at} is not there")
        then, self._then = self._then, now if self._moves or self._then is None else self._then
        if then is None:
            return too_little("nothing earlier to compare with", 1)
        gone = sorted(set(then) - set(now))
        if gone:
            return missing(f"{', '.join(gone)} had a value before and has none now")
        drifts = [(share(then[name], value, self._floor), name) for name, value in now.items() if name in then]
        drift, name = max(drifts)
        why = f"{name} was {then[name]:.6g} and is {now[name]:.6g}" if drift else ""
        return Reading(drift, n=len(drifts), why=why)


def share(then: float, now: float, floor: float) -> float:
    """A change as a share of what was before; 0.0 up to the floor."""
    change = abs(now - then)
    if change <= floor:
        return 0.0
    return change / abs(then) if then else float("inf")


def numbers(found: object) -> dict[str, float]:
    """The finite numbers of a mapping."""
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in ((name, number(one)) for name, one in found.items()) if value is not None}
