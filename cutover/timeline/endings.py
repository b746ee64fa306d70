"""The verdict of a run in two plain sentences, for somebody who was not there."""

from collections.abc import Iterable
from dataclasses import dataclass

from cutover.core.errors import ExitCode
from cutover.core.times import clock
from cutover.core.verdict import Verdict
from cutover.inventory.schema import listed
from cutover.timeline.host_state import HostState, Labels
from cutover.timeline.outages import Outage, longest
from cutover.timeline.problems import is_consequence, problems_of
from cutover.timeline.timeline import Timeline

SHOWN = 8  # hosts by name in a sentence; of more it says how many


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
    return _by_exit_code(timeline, away, labels)


def _by_exit_code(timeline: Timeline, away: list[Outage], labels: Labels) -> Ending:
    old, back, cause, outage = labels.old, timeline.back()[0], _cause(timeline), _outage(away)
    went = f"{_hosts(back)} went back to {old}, verified"
    match timeline.exit_code:
        case None:
            found = _unfinished(timeline, old)
        case ExitCode.DONE:
            found = _done(timeline, labels, outage)
        case ExitCode.REFUSED:
            shut = [span.title for span in timeline.spans if span.verdict is not None and not span.opens]
            where = f" in phase {shut[-1]}" if shut else ""
            first = f"The run was refused{where}: {old} is in service everywhere, untouched."
            found = Ending("refused", "warn", first, cause)
        case ExitCode.ROLLED_BACK:
            first = f"The cutover failed and {went}: all hosts are on {old}."
            found = Ending("rolled back", "bad", first, f"{cause} {outage}")
        case ExitCode.MIXED:
            left = (HostState.FAILED, HostState.UNKNOWN)
            hosts = timeline.back()[1] or [host for host in timeline.hosts if timeline.state(host) in left]
            first = f"The rollback is incomplete: {listed(hosts, SHOWN) if hosts else 'a host'} needs a person, now."
            found = Ending("a person is needed", "bad", first, cause)
        case ExitCode.INTERRUPTED:
            then = went if back else f"No host had been touched by phases 3-5: {old} is in service"
            second = outage if back else "There is nothing left to do."
            found = Ending("interrupted", "warn", f"The run was interrupted by a person or a signal. {then}.", second)
        case other:
            code = ExitCode(other)
            first = f"{code.meaning[0].upper()}{code.meaning[1:]}."
            found = Ending(code.status, "bad" if code is ExitCode.BUG else "warn", first, cause)
    return found


def _unfinished(timeline: Timeline, old: str) -> Ending:
    last, went = timeline.records[-1], ", ".join(timeline.touched())
    first = f"This run is unfinished: its journal ends at {clock(last.at)} UTC with the record `{last.kind}`."
    second = f"No host had been touched by phases 3-5: {old} is in service."
    if went:
        second = f"Phases 3-5 had begun on {went}; `./invokew status` asks each host which release it is on."
    return Ending("unfinished", "bad", first, second)


def _done(timeline: Timeline, labels: Labels, outage: str) -> Ending:
    old, new = labels.old, labels.new
    if timeline.rolled_back():
        began = timeline.last("rollback.started")
        reason = str(began.data["cause"]).strip().rstrip(".") if began else ""
        first = f"On request, {_hosts(timeline.back()[0])} went back to {old}, verified."
        return Ending(f"back on {old}", "warn", first, f"Reason given: {reason or 'none'}. {outage}")
    confirmed, made = timeline.last("confirmed"), timeline.last("plan.made")
    if confirmed is None and timeline.last("prepared"):
        are = "is" if len(timeline.hosts) == 1 else "are"
        first = f"{_hosts(timeline.hosts)} {are} prepared for {new}: backed up, release in place, judged."
        return Ending("prepared", "good", first, f"{old} is in service, untouched; phases 3-5 have not been run.")
    if confirmed is None:
        first = "Every host runs this release already, healthy."
        return Ending("nothing to do", "good", first, "Nothing was changed.")
    went, release = _hosts(confirmed.data["hosts"]), made.data["release"] if made else "the planned one"
    first = f"{went} went from {old} to {new} (release {release}), confirmed at {clock(confirmed.at)} UTC."
    warned = sum(1 for verdict, _ in problems_of(timeline) if verdict is not Verdict.PASS)
    gates = f"with {warned} warning{'s' if warned > 1 else ''}" if warned else "without a warning"
    status = str(timeline.finish.data["status"]) if timeline.finish else ""
    return Ending(status or "done", "good", first, f"{outage} Every gate opened, {gates}.")


def _outage(away: list[Outage]) -> str:
    most = longest(away)
    if most is None:
        return "The outage was not measured."
    alone = sum(1 for outage in away if outage.intervals) == 1
    return f"The outage was {most.words} on {most.host}{'' if alone else ', where it took longest'}."


def _cause(timeline: Timeline) -> str:
    """The first line of the first thing that shut a gate."""
    serious = [one for verdict, one in problems_of(timeline) if not verdict.lets_pass and not is_consequence(one)]
    if not serious:
        return "The journal names no cause."
    found, where = serious[0].found.splitlines()[0][:240].rstrip(" .;:"), f"{serious[0].host}: {serious[0].path}"
    more = f", and {len(serious) - 1} more" if len(serious) > 1 else ""
    return f"Cause: {found}{f' ({where})' if serious[0].host else ''}{more}."


def _hosts(hosts: Iterable[str]) -> str:
    names = list(hosts)
    return names[0] if len(names) == 1 else f"{len(names)} hosts ({listed(names, SHOWN)})"
