"""`monitor`: find the run that is to be watched, take its watch up where it is, look on, and go back where that is decided."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from cutover.core.errors import (
    CutoverError,
    ExitCode,
    Interrupted,
    OnHold,
    Problem,
    RolledBack,
    Unjudged,
    Unreachable,
    UsageError,
)
from cutover.inventory.targets import Targets
from cutover.journal.journal import Journal, head_of
from cutover.journal.rundir import RunDir, RunDirs
from cutover.monitor.collector import Looker
from cutover.monitor.settings import Settings, settings_of
from cutover.monitor.state import Answers, WatchClock, Watched
from cutover.monitor.watch import End, Ended, Jury, Tell, Watch
from cutover.plan.phases import COMMITTING
from cutover.plan.roles import RunFacts
from cutover.remote.fleet import connect
from cutover.run.history import Known, directory_of, known_run
from cutover.run.rollback import rollback
from cutover.run.session import Session, StopSignal


@dataclass(frozen=True)
class MonitorRequest:
    """What was asked for: which run (the newest on V2, where none is named), one look or all, and who is there.

    `hear` lets console, tables and the like listen to the watch's journal; `teller` gives who tells people of events;
    `back` is the session of a rollback, should there be one.
    """

    run: str
    once: bool
    stays: bool
    hear: Callable[[RunDir, Journal], None]
    teller: Callable[[RunDir, Journal, Settings], Tell]
    back: Session
    stop: StopSignal


def monitor(targets: Targets, runs: RunDirs, asked: MonitorRequest) -> ExitCode:
    """Watch until the end. Raises OnHold, RolledBack, MixedFleet, Interrupted; its code is that of the verdict with `once`."""
    settings = settings_of(targets)
    with ExitStack() as open_things:
        fleet, unreachable = connect(targets)
        open_things.callback(fleet.close)
        if len({problem.host for problem in unreachable}) == len(targets.names):
            raise _nobody(asked, unreachable)
        known, silent = known_run(fleet, asked.run, lambda candidate: candidate.ran([one.name for one in COMMITTING]))
        if known is None and (unreachable or silent):
            raise _nobody(asked, [*unreachable, *silent])
        meant = _on_v2(targets, known)
        hosts = _all_hosts(meant)
        directory = directory_of(runs, meant)
        journal = Journal(directory.watch_file)
        open_things.callback(journal.close)
        heads = {name: entry["heads"] for name in hosts if (entry := meant.entry(name))}
        run = RunFacts(directory.id, directory.id[:16])
        watch = _watch(settings, hosts, journal, Looker.of(targets, fleet, run), directory, heads, asked)
        open_things.callback(watch.tell, "ending", ())
        ended = _ended(watch, asked)
        return _finish(targets, asked, watch, directory, ended)


def _all_hosts(known: Known) -> tuple[str, ...]:
    """The hosts of a run, those included that could not be asked."""
    return tuple(name for batch in known.plan.batches for name in batch)


def _nobody(asked: MonitorRequest, silent: list[Problem]) -> CutoverError:
    """That no host says which run there is to watch: no judgement where a single look was asked for."""
    return Unjudged(silent) if asked.once else Unreachable(silent)


def _on_v2(targets: Targets, known: Known | None) -> Known:
    """The run that is to be watched; UsageError where there is no V2 to watch, or where only a part of the run was named."""
    if known is None:
        next_ = "`./invokew cutover` begins one; its watch begins when it has ended"
        raise UsageError(Problem(path="--hosts", found="the hosts know no cutover", next=next_))
    hosts = _all_hosts(known)
    problems = [
        Problem(
            host=name,
            found=f"it belongs to run {known.run}, and was not named",
            next="name all its hosts: they go back together",
        )
        for name in hosts
        if name not in targets.names
    ]
    if back := [name for name in hosts if name in known.plans and known.is_back(name)]:
        found = f"{', '.join(back)} went back to V1 in run {known.run}: there is no V2 to watch"
        problems.append(Problem(path="--hosts", found=found, next="`./invokew status` says how the hosts are"))
    elif known.unfinished:
        found = f"run {known.run} is under way, or was left in the middle"
        problems.append(Problem(path="--hosts", found=found, next="wait for its end, or `./invokew cutover --resume`"))
    if problems:
        raise UsageError(problems)
    return known


def _watch(
    settings: Settings,
    hosts: tuple[str, ...],
    journal: Journal,
    looker: Looker,
    directory: RunDir,
    heads: Mapping[str, Any],
    asked: MonitorRequest,
) -> Watch:
    """The watch as its journal leaves it, or a new one."""
    watched = Watched.of(journal.records)
    clock = WatchClock(watched.began, watched.scale) if watched.started_at else WatchClock(time.time(), settings.scale)
    if watched.started_at and settings.scale != watched.scale:
        found = f"it is {settings.scale:g}, and the watch of run {directory.id} was begun with {watched.scale:g}"
        next_ = f"set it to {watched.scale:g}: the clock of a watch is fixed when it begins"
        raise UsageError(Problem(path="watch_scale", found=found, next=next_))
    lasting = settings.as_json()
    if asked.once:  # looks are as far apart then as rows are, and windows must hold several of them
        settings = settings.looking_every(max(settings.look_s, settings.cadence.every_at(clock.t)))
    jury = Jury(settings.book, hosts, settings.look_s)
    jury.replay(journal.records)
    journal.listen(watched)
    asked.hear(directory, journal)
    if watched.started_at:
        journal.write("watch.resumed", t=clock.t, once=asked.once, rules=settings.book.digest)
    else:
        journal.write(
            "watch.started", run=directory.id, environment=directory.environment(), hosts=list(hosts), began=clock.began,
            once=asked.once, head=head_of(directory.journal_file), heads=heads, **lasting,
        )  # fmt: skip
    tell = asked.teller(directory, journal, settings)

    def answers(since: str) -> Answers:
        return Answers.since(directory, since)

    return Watch(settings, hosts, journal, watched, jury, clock, looker.look, tell, answers, asked.stop.wait)


def _ended(watch: Watch, asked: MonitorRequest) -> Ended:
    try:
        return watch.run(once=asked.once, stays=asked.stays)
    except Interrupted:
        watch.journal.write("watch.left", t=watch.watched.look_t, why="interrupted")
        found = "the watch is left: nobody looks at the triggers now"
        raise Interrupted(
            Problem(found=found, next="`./invokew monitor` goes on in the same window; the gap is listed")
        ) from None


def _finish(targets: Targets, asked: MonitorRequest, watch: Watch, directory: RunDir, ended: Ended) -> ExitCode:
    """What follows from the end of the looking."""
    if ended.end in (End.TRIGGERED, End.REFUSED):
        _go_back(asked, watch, directory, ended)
    if ended.end is End.GONE:
        code = ExitCode.ROLLED_BACK
        _close(watch, ended, code)
        raise RolledBack(Problem(found=ended.reasons[0], next="see its report"))
    if ended.end is End.HELD:
        named = f"--hosts '{targets.options.hosts}'"
        go_on = f"`./invokew signoff {named} --role ROLE --name NAME --note WHY` lets it go on"
        next_ = f"{go_on}, `./invokew abort {named}` goes back to V1; `./invokew monitor {named}` keeps the triggers armed meanwhile"
        raise OnHold([Problem(found=reason, next=next_) for reason in ended.reasons])
    if ended.end is End.OVER:
        watch.tell("success", ())
        _close(watch, ended, ExitCode.DONE)
    return ended.verdict.exit_code if asked.once else ExitCode.DONE


def _go_back(asked: MonitorRequest, watch: Watch, directory: RunDir, ended: Ended) -> None:
    """Back to V1 on the same path as `rollback`, which tells people as well; raises RolledBack, or what the way back raises."""
    reason = "; ".join(ended.reasons)
    watch.journal.write("rollback.started", reasons=list(ended.reasons), t=watch.watched.look_t)
    code = ExitCode.BUG
    try:
        asked.back.options = replace(asked.back.options, run=directory.id, reason=f"the watch: {reason}")
        rollback(asked.back)
        code = ExitCode.ROLLED_BACK
    except CutoverError as failed:
        code = failed.exit_code
        raise
    finally:
        watch.journal.write("rollback.finished", exit_code=int(code))
        _close(watch, ended, code)
    raise RolledBack(
        [Problem(found=f"rolled back by the watch: {reason}", next="see the report and the incident record")]
    )


def _close(watch: Watch, ended: Ended, code: ExitCode) -> None:
    watch.journal.write("watch.finished", verdict=str(ended.verdict), end=ended.end.value, exit_code=int(code))
