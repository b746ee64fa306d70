"""`monitor`: find the run to watch, take its watch up where it is, sample on, and roll back where that is decided."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
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
from cutover.monitor.collector import collector
from cutover.monitor.settings import settings_of
from cutover.monitor.state import HOUR, Responses, WatchClock, WatchState
from cutover.monitor.watch import EndReason, Judges, Watch, WatchEnd
from cutover.notify.escalation import NoticeFacts
from cutover.notify.listener import Announcer, Notice
from cutover.plan.phases import COMMITTING
from cutover.plan.roles import RunFacts
from cutover.remote.fleet import connect
from cutover.run.history import Known, directory_of, known_run
from cutover.run.rollback import rollback
from cutover.run.session import Session, StopSignal


@dataclass(frozen=True)
class WatchedRun:
    """A run that is to be watched, connected to its hosts, with the journal of its watch open; state and judges follow it."""

    targets: Targets
    directory: RunDir
    watch: Watch
    started: Mapping[str, Any]  # what the journal keeps of a watch that begins
    once: bool

    def run(self, *, stays: bool) -> WatchEnd:
        """Watch until there is an end; Interrupted where a person stops it, which the journal notes."""
        watch = self.watch
        if watch.state.started_at:
            watch.journal.write("watch.resumed", t=watch.clock.t, once=self.once, rules=watch.settings.book.digest)
        else:
            watch.journal.write("watch.started", began=watch.clock.began, once=self.once, **self.started)
        try:
            return watch.run(once=self.once, stays=stays)
        except Interrupted:
            watch.journal.write("watch.left", t=watch.state.look_t, why="interrupted")
            found = "the watch was left: nobody watches the triggers now"
            next_ = "`./invokew monitor` goes on in the same window; the gap is listed"
            raise Interrupted(Problem(found=found, next=next_)) from None

    def finish(self, ended: WatchEnd, back: Session) -> ExitCode:
        """What follows from the end. Raises OnHold, RolledBack, MixedFleet; the code is that of the verdict with `once`.

        `back` is the session of a rollback, where there is one.
        """
        if ended.end in (EndReason.TRIGGERED, EndReason.REFUSED):
            self._roll_back(ended, back)
        if ended.end is EndReason.GONE:
            self._close(ended, ExitCode.ROLLED_BACK)
            raise RolledBack(Problem(found=ended.reasons[0], next="see its report"))
        if ended.end is EndReason.HELD:
            hosts = f"--hosts '{self.targets.options.hosts}'"
            go_on = f"`./invokew signoff {hosts} --role ROLE --name NAME --note WHY` lets it go on"
            next_ = f"{go_on}, `./invokew rollback {hosts}` goes back; `./invokew monitor {hosts}` keeps the triggers armed meanwhile"
            raise OnHold([Problem(found=reason, next=next_) for reason in ended.reasons])
        if ended.end is EndReason.OVER:
            self.watch.notify("success", ())
            self._close(ended, ExitCode.DONE)
        return ExitCode.of(ended.verdict) if self.once else ExitCode.DONE

    def _roll_back(self, ended: WatchEnd, back: Session) -> None:
        """The same path as `rollback`, which notifies people as well; raises RolledBack, or what the rollback raises."""
        reason = "; ".join(ended.reasons)
        self.watch.journal.write("rollback.started", reasons=list(ended.reasons), t=self.watch.state.look_t)
        code = ExitCode.BUG
        try:
            back.options = replace(back.options, run=self.directory.id, reason=f"the watch: {reason}")
            rollback(back)
            code = ExitCode.ROLLED_BACK
        except CutoverError as failed:
            code = failed.exit_code
            raise
        finally:
            self.watch.journal.write("rollback.finished", exit_code=int(code))
            self._close(ended, code)
        raise RolledBack(
            [Problem(found=f"rolled back by the watch: {reason}", next="see the report and the incident record")]
        )

    def _close(self, ended: WatchEnd, code: ExitCode) -> None:
        verdict, end = str(ended.verdict), ended.end.value
        self.watch.journal.write("watch.finished", verdict=verdict, end=end, exit_code=int(code))


@contextmanager
def watched_run(
    targets: Targets, runs: RunDirs, run: str, announcer: Announcer, stop: StopSignal, *, once: bool
) -> Iterator[WatchedRun]:
    """The run to watch: the one named, else the newest that its hosts are on. UsageError, Unreachable or Unjudged where there is none."""
    settings = settings_of(targets)
    nobody = Unjudged if once else Unreachable  # no judgement where a single sample was asked for
    with ExitStack() as open_things:
        fleet, unreachable = connect(targets)
        open_things.callback(fleet.close)
        if len({problem.host for problem in unreachable}) == len(targets.names):
            raise nobody(unreachable)
        known, silent = known_run(
            fleet, targets, run, lambda candidate: candidate.ran([one.name for one in COMMITTING])
        )
        if known is None and (unreachable or silent):
            raise nobody([*unreachable, *silent])
        known = _in_service(targets, known)
        hosts, directory = _all_hosts(known), directory_of(runs, known)
        journal = Journal(directory.watch_file)
        open_things.callback(journal.close)
        journal.goes_on_unwritten = True  # a trigger is acted upon also where it cannot be written
        state = WatchState.of(journal.records)
        if state.started_at and settings.scale != state.scale:
            found = f"it is {settings.scale:g}, and the watch of run {directory.id} was begun with {state.scale:g}"
            next_ = f"set it to {state.scale:g}: the clock of a watch is fixed when it begins"
            raise UsageError(Problem(path="watch_scale", found=found, next=next_))
        heads = {name: list(known.at(name).heads) for name in hosts}
        started = {
            "run": directory.id, "environment": directory.created().environment, "hosts": list(hosts),
            "head": head_of(directory.journal_file), "heads": heads, **settings.as_json(),
        }  # fmt: skip
        clock = WatchClock(state.began if state.started_at else time.time(), settings.scale)
        if once:  # samples are as far apart then as rows are, and windows must hold several of them
            settings = settings.looking_every(max(settings.look_s, settings.cadence.every_at(clock.t)))
        judges = Judges(settings.book, hosts, settings.look_s)
        for record in journal.records:
            judges(record)
        journal.listen(state)
        journal.listen(judges)
        release = directory.plan().release.id if directory.plan_file.exists() else ""
        notices = WatchNotices(
            announcer, journal, state, NoticeFacts(targets.environment, "", directory.id, release, hosts)
        )
        open_things.callback(notices.close)
        collect = collector(targets, fleet, RunFacts(directory.id, directory.id[:16]))
        watch = Watch(
            settings, hosts, journal, state, judges, clock, collect, notices, lambda since: Responses.since(directory, since), stop.wait
        )  # fmt: skip
        yield WatchedRun(targets, directory, watch, started, once)


def _all_hosts(known: Known) -> tuple[str, ...]:
    """The hosts of a run, also those that did not answer."""
    return tuple(name for batch in known.plan.batches for name in batch)


def _in_service(targets: Targets, known: Known | None) -> Known:
    """The run whose release is in service; UsageError where there is none, or where only a part of its hosts was chosen."""
    if known is None:
        next_ = "`./invokew cutover` begins one; its watch begins when it has ended"
        raise UsageError(Problem(path="--hosts", found="the hosts know of no cutover", next=next_))
    hosts = _all_hosts(known)
    problems = [
        Problem(host=name, found=f"it belongs to run {known.run}, and was not chosen", next="choose all its hosts: they go back together")
        for name in hosts
        if name not in targets.names
    ]  # fmt: skip
    if back := [name for name in hosts if name in known.plans and known.at(name).back]:
        found = f"{', '.join(back)} went back in run {known.run}: there is no new release to watch"
        problems.append(Problem(path="--hosts", found=found, next="`./invokew status` shows how the hosts are"))
    elif known.unfinished:
        found = f"run {known.run} is under way, or was left in the middle"
        problems.append(Problem(path="--hosts", found=found, next="wait for its end, or `./invokew cutover --resume`"))
    if problems:
        raise UsageError(problems)
    return known


# Who is notified of what a watch comes to; the watch's journal keeps it.

REASONS = 8  # that a notice names; the report has all
NEXT = (
    "`./invokew signoff --role ROLE --name NAME --decision go_on` lets it go on",
    "`./invokew rollback` takes the fleet back",
)


@dataclass
class WatchNotices:
    """Called for each event of a watch. `looked` comes with every sample: it settles what was sent, and escalates an open hold.

    `about` has what each notice says of the run: environment, run, release, hosts.
    """

    announcer: Announcer
    journal: Journal
    state: WatchState
    about: NoticeFacts
    _hold: Notice | None = None
    _hourly_t: float = field(default=float("-inf"))

    def __call__(self, event: str, reasons: Sequence[str]) -> None:
        """Notify people, in the background."""
        if event == "looked":
            self._escalate()
        elif event == "hourly":  # at most once an hour of the watch
            if self.state.look_t - self._hourly_t >= HOUR:
                self._hourly_t = self.state.look_t
                self.announcer.notify("hourly", self._facts(reasons))
        else:
            notice = self.announcer.notify(event, self._facts(reasons))
            self._hold = notice if event == "hold" else self._hold
        self._record(self.announcer.settled())

    def close(self) -> None:
        """Wait for what is being sent, no longer than a notice may take."""
        self._record(self.announcer.drain())

    def _escalate(self) -> None:
        hold = self.state.hold
        if hold is None or self._hold is None:
            self._hold = None
            return
        waited = self.state.look_t - hold.when.t
        self._hold = self.announcer.escalate(self._hold, self._facts(hold.reasons), waited) or self._hold

    def _facts(self, reasons: Sequence[str]) -> NoticeFacts:
        state, hold = self.state, self.state.hold
        facts = replace(
            self.about, at=state.at(state.look_t), verdict=str(state.verdict), reasons=tuple(reasons[:REASONS]),
            figures=(("hour of the watch", f"{state.look_t / HOUR:.1f}"),),
        )  # fmt: skip
        if hold is None:
            return facts
        return replace(facts, point=hold.point, until=state.at(hold.deadline_t), default=hold.default, next=NEXT)

    def _record(self, records: Sequence[dict[str, object]]) -> None:
        for record in records:
            self.journal.write("notice", **record)
