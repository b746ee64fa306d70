"""The verdict of a run in two plain sentences, for somebody who was not there."""

from collections.abc import Callable
from dataclasses import dataclass

from cutover.core.errors import ExitCode
from cutover.core.verdict import Verdict
from cutover.timeline.attention import attention, is_consequence
from cutover.timeline.events import in_words, listed
from cutover.timeline.host_state import Place
from cutover.timeline.moments import clock, phase_title
from cutover.timeline.outages import Outage, longest
from cutover.timeline.timeline import Story


@dataclass(frozen=True)
class Ending:
    """A word for the badge, its tone (good, warn, bad, quiet), and what happened in two sentences."""

    badge: str
    tone: str
    first: str
    second: str


def ending(story: Story, away: list[Outage]) -> Ending:
    """How a run ended, by its journal."""
    if story.integrity.broken or not story.records:
        return _unreadable(story)
    if story.only_planned:
        second = "It is applied with `./invokew cutover --run` and its id."
        return Ending("planned", "quiet", "A plan was made; no host was changed.", second)
    code = story.exit_code
    if code is None:
        return _unfinished(story)
    return _ENDS.get(code, _plain("our own error", "bad", "The run ended by an error of the tool itself."))(story, away)


def _unreadable(story: Story) -> Ending:
    if not story.integrity.broken:
        return Ending("empty", "bad", "The journal of this run is empty.", "Nothing is known of it.")
    return Ending(
        "not to be trusted",
        "bad",
        f"The journal of this run was altered: {story.integrity.broken}.",
        "What follows is taken from the records before the break; compare the journal with the copies on the hosts.",
    )


def _unfinished(story: Story) -> Ending:
    last = story.records[-1]
    went = ", ".join(story.touched())
    touched = (
        f"Phases 3-5 had begun on {went}; on which version each host is now is not known from here: ask with `./invokew status`."
        if went
        else "No host had been touched by phases 3-5, so V1 is as it was."
    )
    torn = " (its last line was cut off while it was written)" if story.integrity.torn else ""
    return Ending(
        "unfinished",
        "bad",
        f"This run is unfinished: its journal ends at {clock(last.at)} UTC{torn} with «{in_words(last)}» and names no end.",
        touched,
    )


def _done(story: Story, away: list[Outage]) -> Ending:
    status = str(story.finish.data["status"]) if story.finish else ""
    if story.rolled_back():
        back, _ = story.back()
        began = story.last("rollback.started")
        reason = str(began.data["cause"]).strip().rstrip(".") if began else ""
        return Ending(
            "back on V1",
            "warn",
            f"On request, {_hosts(back)} went back to V1, verified.",
            f"Reason given: {reason or 'none'}. {_away(away)}",
        )
    confirmed = story.last("confirmed")
    made = story.last("plan.made")
    if confirmed is None:
        if story.last("prepared"):
            return Ending(
                "prepared",
                "good",
                f"{_hosts(story.hosts)} are prepared for V2: backed up, release in place, judged.",
                "V1 is in service and was not touched; phases 3-5 have not been run.",
            )
        return Ending("nothing to do", "good", "Every host runs this release already, healthy.", "Nothing was changed.")
    release = made.data["release"] if made else "the planned release"
    warned = sum(1 for verdict, _ in attention(story) if verdict is not Verdict.PASS)
    gates = f" Every gate opened, {'with ' + str(warned) + ' warning' + ('s' if warned > 1 else '') if warned else 'without a warning'}."
    first = f"{_hosts(confirmed.data['hosts'])} went from V1 to V2 (release {release}), confirmed at {clock(confirmed.at)} UTC."
    return Ending(status or "done", "good", first, _away(away) + gates)


def _refused(story: Story, _lost: list[Outage]) -> Ending:
    shut = next((span for span in reversed(story.spans) if span.verdict is not None and not span.opens), None)
    where = f" in phase {phase_title(shut.name)}" if shut else ""
    return Ending(
        "refused",
        "warn",
        f"The run was refused{where}, before V1 was touched on any host: V1 is in service everywhere, as it was.",
        _cause(story),
    )


def _back(story: Story, away: list[Outage]) -> Ending:
    back, _ = story.back()
    went = f"{_hosts(back)} went back to V1, verified" if back else "no host had been touched"
    first = f"The cutover failed and {went}: all hosts are on V1."
    return Ending("rolled back", "bad", first, f"{_cause(story)} {_away(away)}")


def _mixed(story: Story, _lost: list[Outage]) -> Ending:
    _, failed = story.back()
    left = [host for host in story.hosts if story.where(host) in (Place.LEFT, Place.BETWEEN)]
    hosts = listed(failed or left) or "a host"
    first = f"The way back to V1 is incomplete: {hosts} must be looked after by a person, now."
    return Ending("a person is needed", "bad", first, _cause(story))


def _interrupted(story: Story, away: list[Outage]) -> Ending:
    back, _ = story.back()
    left = (
        f"{_hosts(back)} went back to V1, verified."
        if back
        else "No host had been touched by phases 3-5: V1 is as it was."
    )
    return Ending(
        "interrupted",
        "warn",
        f"The run was interrupted by a person or a signal. {left}",
        _away(away) if back else "Nothing is left to do.",
    )


def _plain(badge: str, tone: str, first: str) -> Callable[[Story, list[Outage]], Ending]:
    return lambda story, _lost: Ending(badge, tone, first, _cause(story))


_ENDS: dict[int, Callable[[Story, list[Outage]], Ending]] = {
    ExitCode.DONE: _done,
    ExitCode.USAGE: _plain(
        "not started", "warn", "The run ended before any host was changed: what it was given is wrong."
    ),
    ExitCode.REFUSED: _refused,
    ExitCode.ROLLED_BACK: _back,
    ExitCode.MIXED: _mixed,
    ExitCode.LOCKED: _plain("locked", "warn", "Another run holds a host; this one changed nothing."),
    ExitCode.ON_HOLD: _plain("on hold", "warn", "The run waits for a person's decision."),
    ExitCode.INTERRUPTED: _interrupted,
}


def _hosts(hosts: object) -> str:
    names = list(hosts) if isinstance(hosts, list | tuple) else []
    return names[0] if len(names) == 1 else f"{len(names)} hosts ({listed(names)})"


def _away(away: list[Outage]) -> str:
    most = longest(away)
    if most is None:
        return "How long the service was away was not measured."
    alone = sum(1 for outage in away if outage.stretches) == 1
    return f"The service was away for {most.seconds:.2f} s on {most.host}{'' if alone else ', where it took longest'}."


def _cause(story: Story) -> str:
    """The first line of the first thing that shut a gate."""
    serious = [
        problem for verdict, problem in attention(story) if not verdict.lets_pass and not is_consequence(problem)
    ]
    if not serious:
        return "The journal names no cause."
    problem, more = serious[0], len(serious) - 1
    where = (
        f" ({problem.host}: {problem.path})"
        if problem.host and problem.path
        else f" ({problem.host})"
        if problem.host
        else ""
    )
    found = problem.found.splitlines()[0][:240].rstrip(" .;:")
    return f"Cause: {found}{where}" + (f", and {more} more." if more else ".")
