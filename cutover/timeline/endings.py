"""The verdict of a run in two plain sentences, for somebody who was not there."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cutover.core.errors import ExitCode
from cutover.core.times import clock
from cutover.core.verdict import Verdict
from cutover.timeline.host_state import HostState, Labels
from cutover.timeline.outages import Outage, longest
from cutover.timeline.problems import is_consequence, problems_of
from cutover.timeline.timeline import Timeline


@dataclass(frozen=True)
class Ending:
    """A word for the badge, its tone (good, warn, bad, quiet), and what happened in two sentences."""

    badge: str
    tone: str
    first: str
    second: str


def ending(timeline: Timeline, away: list[Outage], labels: Labels) -> Ending:
    """How a run ended, by its journal."""
    if timeline.integrity.broken:
        first = f"The journal of this run was altered: {timeline.integrity.broken}."
        second = "This page shows the records before the break; compare the journal with the copies on the hosts."
        return Ending("not to be trusted", "bad", first, second)
    if not timeline.records:
        return Ending("empty", "bad", "The journal of this run is empty.", "Nothing is known about it.")
    if timeline.only_planned:
        second = "Apply it with `./invokew cutover --run` and its id."
        return Ending("planned", "quiet", "A plan was made; no host was changed.", second)
    known = _Known(timeline, away, labels)
    code = timeline.exit_code
    if code is None:
        return known.unfinished()
    if code in _ENDINGS:
        return _ENDINGS[code](known)
    return Ending(*_PLAIN.get(code, _PLAIN[ExitCode.BUG]), known.cause())


@dataclass(frozen=True)
class _Known:
    """What is known of a run, and each way in which one ends."""

    timeline: Timeline
    away: list[Outage]
    labels: Labels

    def unfinished(self) -> Ending:
        last, went = self.timeline.records[-1], ", ".join(self.timeline.touched())
        torn = " (its last line was cut off while it was written)" if self.timeline.integrity.torn else ""
        about = f" of {last.host}" if last.host else ""
        first = f"This run is unfinished: its journal ends at {clock(last.at)} UTC with the record `{last.kind}`{about}{torn}."
        touched = (
            f"Phases 3-5 had begun on {went}; `./invokew status` asks each host which release it is on."
            if went
            else f"No host had been touched by phases 3-5: {self.labels.old} is in service."
        )
        return Ending("unfinished", "bad", first, touched)

    def done(self) -> Ending:
        old, new = self.labels.old, self.labels.new
        if self.timeline.rolled_back():
            began = self.timeline.last("rollback.started")
            reason = str(began.data["cause"]).strip().rstrip(".") if began else ""
            first = f"On request, {_hosts(self.timeline.back()[0])} went back to {old}, verified."
            return Ending(f"back on {old}", "warn", first, f"Reason given: {reason or 'none'}. {self._away()}")
        confirmed, made = self.timeline.last("confirmed"), self.timeline.last("plan.made")
        if confirmed is None and self.timeline.last("prepared"):
            first = f"{_hosts(self.timeline.hosts)} are prepared for {new}: backed up, release in place, judged."
            return Ending("prepared", "good", first, f"{old} is in service, untouched; phases 3-5 have not been run.")
        if confirmed is None:
            return Ending(
                "nothing to do", "good", "Every host runs this release already, healthy.", "Nothing was changed."
            )
        went, release = _hosts(confirmed.data["hosts"]), made.data["release"] if made else "the planned one"
        first = f"{went} went from {old} to {new} (release {release}), confirmed at {clock(confirmed.at)} UTC."
        warned = sum(1 for verdict, _ in problems_of(self.timeline) if verdict is not Verdict.PASS)
        gates = f"with {warned} warning{'s' if warned > 1 else ''}" if warned else "without a warning"
        status = str(self.timeline.finish.data["status"]) if self.timeline.finish else ""
        return Ending(status or "done", "good", first, f"{self._away()} Every gate opened, {gates}.")

    def refused(self) -> Ending:
        shut = next(
            (span for span in reversed(self.timeline.spans) if span.verdict is not None and not span.opens), None
        )
        where = f" in phase {shut.title}" if shut else ""
        first = f"The run was refused{where}: {self.labels.old} is in service everywhere, untouched."
        return Ending("refused", "warn", first, self.cause())

    def back(self) -> Ending:
        hosts = self.timeline.back()[0]
        went = f"{_hosts(hosts)} went back to {self.labels.old}, verified" if hosts else "no host had been touched"
        first = f"The cutover failed and {went}: all hosts are on {self.labels.old}."
        return Ending("rolled back", "bad", first, f"{self.cause()} {self._away()}")

    def mixed(self) -> Ending:
        left = (HostState.FAILED, HostState.UNKNOWN)
        hosts = self.timeline.back()[1] or [one for one in self.timeline.hosts if self.timeline.state(one) in left]
        first = f"The rollback is incomplete: {listed(hosts) or 'a host'} needs a person, now."
        return Ending("a person is needed", "bad", first, self.cause())

    def interrupted(self) -> Ending:
        hosts = self.timeline.back()[0]
        went = (
            f"{_hosts(hosts)} went back to {self.labels.old}, verified"
            if hosts
            else f"No host had been touched by phases 3-5: {self.labels.old} is in service"
        )
        second = self._away() if hosts else "There is nothing left to do."
        return Ending("interrupted", "warn", f"The run was interrupted by a person or a signal. {went}.", second)

    def _away(self) -> str:
        most = longest(self.away)
        if most is None:
            return "The outage was not measured."
        alone = sum(1 for outage in self.away if outage.intervals) == 1
        where = most.host if alone else f"{most.host}, where it took longest"
        return f"The outage was {most.words} on {where}."

    def cause(self) -> str:
        """The first line of the first thing that shut a gate."""
        problems = problems_of(self.timeline)
        serious = [one for verdict, one in problems if not verdict.lets_pass and not is_consequence(one)]
        if not serious:
            return "The journal names no cause."
        where = ": ".join(part for part in (serious[0].host, serious[0].path) if part and serious[0].host)
        found = serious[0].found.splitlines()[0][:240].rstrip(" .;:") + (f" ({where})" if where else "")
        return f"Cause: {found}{f', and {len(serious) - 1} more' if len(serious) > 1 else ''}."


_ENDINGS: dict[int, Callable[[_Known], Ending]] = {
    ExitCode.DONE: _Known.done,
    ExitCode.REFUSED: _Known.refused,
    ExitCode.ROLLED_BACK: _Known.back,
    ExitCode.MIXED: _Known.mixed,
    ExitCode.INTERRUPTED: _Known.interrupted,
}
_PLAIN: dict[int, tuple[str, str, str]] = {  # badge, tone, first sentence; the second is the cause
    ExitCode.USAGE: ("not started", "warn", "The run ended before any host was changed: its input is wrong."),
    ExitCode.LOCKED: ("locked", "warn", "Another run holds a host; this one changed nothing."),
    ExitCode.ON_HOLD: ("on hold", "warn", "The run waits for a person's decision."),
    ExitCode.BUG: ("our own error", "bad", "The run ended by a bug of this tool."),
}


def listed(hosts: Iterable[str]) -> str:
    """Host names as a list, cut short where there are many."""
    names = list(hosts)
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:6])} and {len(names) - 6} more"


def _hosts(hosts: Iterable[str]) -> str:
    names = list(hosts)
    return names[0] if len(names) == 1 else f"{len(names)} hosts ({listed(names)})"
