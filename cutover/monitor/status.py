"""What `status` reports: what each host runs, and how the watch of the environment is going, by the journals of this machine."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cutover.console.text import MARKS, ago, count, joined, one_line, text
from cutover.core.errors import ExitCode, Problem, UsageError
from cutover.core.step import State
from cutover.inventory.targets import Targets
from cutover.journal.journal import is_held
from cutover.journal.pending_rollbacks import pending_rollbacks
from cutover.journal.record import Record
from cutover.journal.rundir import runs_of
from cutover.monitor.collector import sample_twice, steps_outside_watch
from cutover.monitor.state import HOUR, Hold, Responses, newest_watched
from cutover.monitor.views.story import WatchStory
from cutover.monitor.views.text import called, hour
from cutover.plan.phases import READS_FACTS
from cutover.plan.roles import RunFacts, contexts, steps_of
from cutover.remote.agent import HostAgent
from cutover.remote.fleet import failures, reached
from cutover.run.history import owed

if TYPE_CHECKING:
    from rich.text import Text

LOOK_S = 30.0


def host_states(targets: Targets) -> tuple[dict[str, State], list[Problem]]:
    """Per host: lease, revert, runs (as the agent reports them), what it is owed, `facts` (what is read before a plan), `labels`
    (what its two releases are called), `looks` (sample_twice). And the hosts that did not answer, which do not hide the others.
    """
    first = READS_FACTS.name
    roles = contexts(targets, RunFacts("status", ""))
    probes = {name: steps_of(role, first, "facts") for name, role in roles.items()}
    steps = steps_outside_watch(targets)

    def state_of(agent: HostAgent) -> State:
        facts, samples = agent.look(probes[agent.name]), sample_twice(agent, steps[agent.name])
        labels = {"old": roles[agent.name].old, "new": roles[agent.name].new}
        return {**agent.status(), "facts": facts, "labels": labels, "looks": samples}

    with reached(targets) as (fleet, problems):
        outcomes = fleet.each(state_of, deadline=LOOK_S)
    states = {name: one.unwrap() for name, one in outcomes.items() if one.error is None}
    book = pending_rollbacks(targets.root, targets.environment, targets.service)
    pending = {host: one.problem() for host, one in owed(book, states, targets.names).items()}
    for name, state in states.items():
        state["owed"] = pending[name].found if name in pending else None
    unasked = [pending.get(one.host, one) for one in (*problems, *failures(outcomes))]
    return states, unasked


LATE = 1.5  # single samples that are further apart than this many rows are not a watch any more


@dataclass(frozen=True)
class WatchStatus:
    """The watch of a run, as its journal has it."""

    run: str
    story: WatchStory
    watched: bool  # whether a process is at it now
    late: bool = False  # nobody is at it, and no single sample came in time
    ended: Record | None = None  # how it ended
    went_back: bool = False  # another command rolled the run back
    broken: str = ""  # why its journal cannot be read

    @property
    def hold(self) -> Hold | None:
        """What it waits for, also where that was opened after it had ended."""
        hold = self.story.hold
        return hold if hold is not None and (self.ended is None or hold.when.at > self.ended.at) else None

    @property
    def over(self) -> bool:
        """Whether there is nothing left to watch."""
        return self.went_back or (self.hold is None and self.ended is not None)

    @property
    def looked_at(self) -> str:
        """When the last sample was taken (ISO 8601 UTC)."""
        return self.story.at(self.story.look_t)

    def as_json(self, host: str) -> dict[str, Any] | None:
        """What `status --json` reports for a host; None where it has no part in the watch."""
        story, hold = self.story, self.hold
        if story.hosts and host not in story.hosts:
            return None
        return {
            "run": self.run,
            "hour": story.look_t / HOUR,
            "verdict": str(story.hosts[host].verdict) if story.looks else None,
            "looked_at": self.looked_at if story.looks else None,
            "hold": hold
            and {
                "since": hold.when.at, "reasons": list(hold.reasons), "until": story.at(hold.deadline_t), "then": hold.default,
            },
            "watched": self.watched,
            "over": self.over,
            "broken": self.broken or None,
        }  # fmt: skip


def watch_status(targets: Targets, now: datetime | None = None) -> WatchStatus | None:
    """The watch of the newest run that these hosts are on, as far as this machine has it; None where there is none."""
    run = newest_watched(runs_of(targets.root), targets.environment, targets.service)
    if run is None:
        return None
    story, watched = WatchStory(), is_held(run.watch_file)
    try:
        records = without_samples(run.watch_file)
        for record in records:
            story(record)
        if not story.started_at:  # it broke off before its first record
            return None
        went_back = Responses.since(run, story.started_at).went_back
    except UsageError as unreadable:
        return WatchStatus(run.id, story, watched, broken=unreadable.problems[0].found)
    ended = next((record for record in reversed(records) if record.kind == "watch.finished"), None)
    since = story.clock(now or datetime.now(UTC)) - story.look_t
    in_time = story.once and story.cadence is not None and since <= LATE * story.cadence.every_at(story.look_t)
    return WatchStatus(run.id, story, watched, not (watched or in_time), ended, went_back)


def without_samples(path: Path) -> list[Record]:
    """The records of a watch without its samples, which are most of it; its chain is not verified, which would take seconds for a day.

    Nothing is decided by what is read here: who acts on a journal opens it whole, its chain verified (journal.py).
    """
    with path.open("rb") as file:
        lines = [
            line for line in file if b'"kind":"sample"' not in line[:80] and line.endswith(b"\n")
        ]  # the last may be torn
    try:
        return [Record(**json.loads(line)) for line in lines]
    except (ValueError, TypeError) as unreadable:
        next_ = "the journal was altered: compare it with the copies on the hosts before going on"
        raise UsageError(Problem(path=str(path), found="a line in it is not a record", next=next_)) from unreadable


def watch_status_view(watch: WatchStatus, named: str, now: datetime | None = None) -> "Text":
    """A few lines below the table of `status`; `named` are the options that name the environment (--hosts, --inventory)."""
    if watch.broken:
        found = f"the journal of the watch of run {watch.run} cannot be read: {watch.broken}"
        return text(f"{found}; compare it with the copies on the hosts", "bold red")
    if watch.over:
        return _over(watch, named, now)
    lines = [_progress(watch, now)]
    if watch.hold is not None:
        lines.append(_held(watch.story, watch.hold, named))
    if watch.late:
        lines.append(text(f"NOBODY WATCHES since {_utc(watch.looked_at)}: `./invokew monitor {named}`", "bold red"))
    return joined(lines)


def _utc(at: str) -> str:
    return f"{at[:19].replace('T', ' ')}Z"


def _progress(watch: WatchStatus, now: datetime | None) -> "Text":
    """How far it is, what it saw last, and what comes next."""
    story, coming = watch.story, watch.story.next_point(watch.story.look_t)
    said = f"watch of run {watch.run}: hour {story.look_t / HOUR:.1f} of {story.live_s / HOUR:.4g}"
    if not story.looks:
        return text(f"{said}; no sample yet", "yellow")
    after = f"; next point {called(coming[0])} at {hour(coming[1])}" if coming else ""
    return text(f"{said}, last sample {ago(watch.looked_at, now)}: {story.verdict}{after}", MARKS[story.verdict][1])


def _held(story: WatchStory, hold: Hold, named: str) -> "Text":
    more = f" (and {count(len(hold.reasons) - 1, 'reason')} more)" if len(hold.reasons) > 1 else ""
    decide = f"`./invokew signoff {named} --role ROLE --name NAME --decision go_on --note WHY`"
    until = f"until {_utc(story.at(hold.deadline_t))}: then: {called(hold.default)}"
    why = f"ON HOLD since {_utc(hold.when.at)}: {one_line(hold.reasons[0])}{more}"
    return text(f"{why}; decide with {decide} (or --decision rollback) {until}", "bold yellow")


def _over(watch: WatchStatus, named: str, now: datetime | None) -> "Text":
    """One quiet line; a loud one where its rollback is not complete."""
    over, ended = f"the watch of run {watch.run} is over", watch.ended
    if ended is None:
        return text(f"{over}: another command rolled the run back", "dim")
    at, code = ago(ended.at, now), ExitCode(ended.data["exit_code"])
    if code is ExitCode.ROLLED_BACK:
        return text(f"{over}, {at}: it rolled the fleet back", "dim")
    if code is not ExitCode.DONE:
        return text(f"{over}, {at}: its rollback is NOT complete: `./invokew rollback {named}`", "bold red")
    later = watch.story.next_point(watch.story.look_t)
    then = f"; {called(later[0])} is decided by `./invokew monitor {named} --once`" if later else ""
    return text(f"{over}, {at}: {ended.data['verdict']}{then}", "dim")
