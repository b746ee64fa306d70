"""`rollback` and `abort`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cutover.cli.announce import announcer_if_possible
from cutover.cli.app import with_ask
from cutover.console.ask import Ask
from cutover.core.errors import ExitCode, JudgedFail, Unjudged
from cutover.run.options import RunOptions
from cutover.run.rollback import give_up
from cutover.run.rollback import rollback as take_back
from cutover.run.rollback_check import foresee
from cutover.run.session import Session, StopSignal

NOTHING = "nothing to roll back: no host of this pattern is on the new release"
NOT_BEGUN = "nothing to resume: no rollback of these hosts was left in the middle"
IDLE = "idle: no run is under way on these hosts; nothing was changed"


@with_ask
def rollback(ask: Ask, options: RunOptions) -> ExitCode:
    """Back to the old release."""
    nothing = NOT_BEGUN if options.resume else NOTHING
    if options.check:
        _foresee(ask, options, nothing)
    elif not _take_back_all(ask, options):
        ask.say(nothing)
    return ExitCode.DONE


@with_ask
def abort(ask: Ask, options: RunOptions) -> ExitCode:
    """Go back where something is to be undone, and release what was only prepared."""
    if options.check:
        _foresee(ask, options)
        return ExitCode.DONE
    back = _take_back_all(ask, replace(options, reason="aborted by a person"))
    released, confirmed = give_up(options.targets(), options)
    for run, hosts in released.items():
        ask.say(f"run {run} is given up: {', '.join(hosts)} released; the old release was not touched")
    if not back and not released:
        ask.say(_stays(confirmed))
    return ExitCode.DONE


def _stays(confirmed: Mapping[str, Sequence[str]]) -> str:
    """What is said where `abort` finds nothing to do."""
    said = []
    for run, hosts in confirmed.items():
        stays, them = ("stays as it is", "it") if len(hosts) == 1 else ("stay as they are", "them")
        said.append(f"run {run} is confirmed: {', '.join(hosts)} {stays}; `./invokew rollback` takes {them} back")
    return "\n".join(said) or IDLE


def _take_back_all(ask: Ask, options: RunOptions) -> list[str]:
    """Undo the newest run that left a host to settle, then the next, until none has; just the one that is named, where one is."""
    targets = options.targets()
    announcer = announcer_if_possible(targets, ask.progress)
    back: list[str] = []
    with StopSignal().watching() as stop:
        while True:
            session = Session(ask, options, targets, announcer, stop)
            try:
                hosts = take_back(session)
            finally:
                from cutover.cli.results import show_end

                show_end(session)
            back += hosts
            if not hosts or options.run:
                return back


def _foresee(ask: Ask, options: RunOptions, nothing: str = "") -> None:
    """What would be done, and whether the backups that it needs are sound; `nothing`: what is said where that is nothing.

    Nothing is changed, nobody is asked.
    """
    ahead = foresee(options.targets(), options)
    ask.run_id = next((one.run for one in ahead.hosts), "")
    ask.hosts = {
        one.host: {"run": one.run, "stands": one.stands, "would": list(one.would)} for one in reversed(ahead.hosts)
    }
    for one in ahead.hosts:
        ask.say(f"{one.host}: run {one.run}, {one.stands}")
        for words in one.would:
            ask.say(f"  < {words}")
    if not ahead.hosts and not ahead.unknown:
        ask.say(nothing or _stays(ahead.confirmed))
    if wrong := [problem for one in ahead.hosts for problem in one.wrong] + [*ahead.leftover]:
        raise JudgedFail([*wrong, *ahead.unknown])
    if ahead.unknown:
        raise Unjudged(ahead.unknown)
