"""What `status` reports: what each host runs, and how the watch of the environment is going, by the journals of this machine."""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cutover.console.text import MARKS, ago, count, joined, one_line, text
from cutover.core.errors import ExitCode, Problem, UsageError
from cutover.core.step import State
from cutover.core.verdict import Verdict, worst
from cutover.inventory.targets import Targets
from cutover.journal.journal import is_held, read
from cutover.journal.pending_rollbacks import pending_rollbacks
from cutover.journal.record import Record
from cutover.journal.rundir import RunDir, RunDirs
from cutover.monitor.collector import sample_twice, steps_outside_watch
from cutover.monitor.rules.rulebook import Cadence
from cutover.monitor.state import HOUR, Hold, Responses, WatchClock, WatchState
from cutover.monitor.views.text import called, hour, next_point
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
    states = {
        name: {**state, "owed": pending[name].found if name in pending else None} for name, state in states.items()
    }
    unasked = [pending.get(one.host, one) for one in (*problems, *failures(outcomes))]
    return states, unasked


LATE = 1.5  # single samples that are further apart than this many rows are not a watch any more
COMMITS, GOES_BACK = "batch.started", "rollback.started"


@dataclass(frozen=True)
class WatchStatus:
    """The watch of a run. Times are ISO 8601 UTC, those with `_t` seconds on the watch's clock."""

    run: str
    hosts: tuple[str, ...]
    watched: bool  # whether a process is at it now
    state: WatchState
    clock: WatchClock
    verdicts: Mapping[str, Verdict]  # of the last samples, by host
    looked_at: str = ""
    live_s: float = 0.0  # how long it lasts
    points: tuple[tuple[str, float], ...] = ()  # that have no answer yet, and when they come
    hold: Hold | None = None
    late: bool = False  # nobody is at it, and no single sample came in time
    finished: Mapping[str, Any] | None = None  # how it ended, and when (`at`)
    went_back: bool = False  # another command rolled the run back
    broken: str = ""  # why its journal cannot be read

    @property
    def verdict(self) -> Verdict:
        """Of the fleet, at the last samples."""
        return worst(self.verdicts.values())

    @property
    def over(self) -> bool:
        """Whether there is nothing left to watch."""
        return self.went_back or (self.hold is None and self.finished is not None)

    def until(self, hold: Hold) -> str:
        """When the default of a hold follows."""
        at = datetime.fromtimestamp(self.clock.at_real(hold.deadline_t), UTC)
        return at.isoformat(timespec="seconds").replace("+00:00", "Z")

    def as_json(self, host: str) -> dict[str, Any] | None:
        """What `status --json` reports for a host; None where it has no part in the watch."""
        if host not in self.hosts:
            return None
        hold = self.hold
        return {
            "run": self.run,
            "hour": self.state.look_t / HOUR,
            "verdict": str(self.verdicts[host]) if host in self.verdicts else None,
            "looked_at": self.looked_at or None,
            "hold": hold
            and {"since": hold.when.at, "reasons": list(hold.reasons), "until": self.until(hold), "then": hold.default},
            "watched": self.watched,
            "over": self.over,
            "broken": self.broken or None,
        }


def watch_status(targets: Targets, now: float | None = None) -> WatchStatus | None:
    """The watch of the newest run that these hosts are on, as far as this machine has it; None where there is none."""
    directory = _watched_run(targets)
    if directory is None:
        return None
    watched = is_held(directory.watch_file)
    try:
        records = without_samples(directory.watch_file)
        return _status(directory, records, time.time() if now is None else now, watched=watched)
    except UsageError as unreadable:
        found = unreadable.problems[0].found
        return WatchStatus(directory.id, targets.names, watched, WatchState(), WatchClock(0.0), {}, broken=found)


def _watched_run(targets: Targets) -> RunDir | None:
    """The newest run with a watch; one in which hosts have been changed since is what they are on instead."""
    runs = RunDirs(targets.root / ".cutover" / "runs")
    for path in sorted(runs.root.glob("*/"), reverse=True):
        run = RunDir(path)
        try:
            records = read(run.journal_file) if run.journal_file.exists() else []
        except UsageError:  # altered: what it says is not believed any more, and its watch stands for itself
            records = []
        created = next((record for record in records if record.kind == "run.created"), None)
        if created is not None and (created.data["environment"], created.data["service"]) != (
            targets.environment,
            targets.service,
        ):
            continue
        if run.watch_file.exists():
            return run
        if any(record.kind in (COMMITS, GOES_BACK) for record in records):
            return None
    return None


def _status(directory: RunDir, records: list[Record], now: float, *, watched: bool) -> WatchStatus | None:
    begun = [record for record in records if record.kind in ("watch.started", "watch.resumed")]
    if not begun:  # it broke off before its first record
        return None
    start, state = begun[0].data, WatchState.of(records)
    clock = WatchClock(start["began"], start["scale"], lambda: now)
    last = [record for record in records if record.kind == "judged" and record.data["t"] == state.look_t]
    every = Cadence(tuple((until, each) for until, each in start["cadence"])).every_at(state.look_t)
    in_time = (
        bool(begun[-1].data.get("once")) and clock.t - state.look_t <= LATE * every
    )  # single samples, as from cron
    end = next((record for record in reversed(records) if record.kind == "watch.finished"), None)
    return WatchStatus(
        directory.id,
        tuple(start["hosts"]),
        watched,
        state,
        clock,
        {record.data["host"]: Verdict(record.data["verdict"]) for record in last},
        last[-1].at if last else state.started_at,
        start["live_s"],
        tuple(
            (point["name"], state.moved.get(point["name"], point["at"]))
            for point in start["points"]
            if not state.settled(point["name"])
        ),
        state.hold if end is None or (state.hold is not None and state.hold.when.at > end.at) else None,
        late=not (watched or in_time),
        finished=None if end is None else {"at": end.at, **end.data},
        went_back=Responses.since(directory, state.started_at).went_back,
    )


# Most of a watch's journal are samples, and a day of them takes seconds to verify. Nothing is decided by what is read here: who
# acts on a journal opens it whole, its chain verified (journal.py).

KIND = re.compile(rb'\{"seq":\d+,"at":"[^"]*","kind":"([^"]*)"')


def without_samples(path: Path) -> list[Record]:
    """The records of a watch without its samples; of what was judged only the newest, one after the other."""
    kept: list[bytes] = []
    judged: list[bytes] = []
    follows = False
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):  # torn while it was written
                break
            found = KIND.match(line)
            kind = found.group(1) if found else b""
            if kind == b"judged":
                judged = [*judged, line] if follows else [line]
            elif kind != b"sample":
                kept.append(line)
            follows = kind == b"judged"
    try:
        records = [Record(**json.loads(line)) for line in (*kept, *judged)]
    except (ValueError, TypeError) as unreadable:
        next_ = "the journal was altered: compare it with the copies on the hosts before going on"
        raise UsageError(Problem(path=str(path), found="a line in it is not a record", next=next_)) from unreadable
    return sorted(records, key=lambda record: record.seq)


THEN = {"stay": "it goes on waiting", "rollback": "the fleet is rolled back", "go_on": "it goes on"}


def watch_status_view(watch: WatchStatus, named: str, now: datetime | None = None) -> "Text":
    """A few lines below the table of `status`; `named` are the options that name the environment (--hosts, --inventory)."""
    if watch.broken:
        found = f"the journal of the watch of run {watch.run} cannot be read: {watch.broken}"
        return text(f"{found}; compare it with the copies on the hosts", "bold red")
    if watch.over:
        return _over(watch, named, now)
    lines = [_progress(watch, now)]
    if watch.hold is not None:
        lines.append(_held(watch, watch.hold, named))
    if watch.late:
        since = f"{watch.looked_at[:19].replace('T', ' ')}Z"
        lines.append(text(f"NOBODY WATCHES since {since}: `./invokew monitor {named}`", "bold red"))
    return joined(lines)


def _progress(watch: WatchStatus, now: datetime | None) -> "Text":
    """How far it is, what it saw last, and what comes next."""
    said = f"watch of run {watch.run}: hour {watch.state.look_t / HOUR:.1f} of {watch.live_s / HOUR:.4g}"
    if not watch.verdicts:
        return text(f"{said}; no sample yet", "yellow")
    coming = next_point(watch.points, watch.state.look_t)
    after = f"; next point {called(coming[0])}" if coming else ""
    if coming and called(coming[0]) != hour(coming[1]):  # it was put off
        after += f" at {hour(coming[1])}"
    return text(f"{said}, last sample {ago(watch.looked_at, now)}: {watch.verdict}{after}", MARKS[watch.verdict][1])


def _held(watch: WatchStatus, hold: Hold, named: str) -> "Text":
    first = one_line(hold.reasons[0]) if hold.reasons else "no reason is recorded"
    more = f" (and {count(len(hold.reasons) - 1, 'reason')} more)" if len(hold.reasons) > 1 else ""
    decide = f"`./invokew signoff {named} --role ROLE --name NAME --decision go_on --note WHY`"
    until = f"until {watch.until(hold)[:19].replace('T', ' ')}Z: then {THEN.get(hold.default, hold.default)}"
    since = f"{hold.when.at[:19].replace('T', ' ')}Z"
    return text(
        f"ON HOLD since {since}: {first}{more}; decide with {decide} (or --decision rollback) {until}", "bold yellow"
    )


def _over(watch: WatchStatus, named: str, now: datetime | None) -> "Text":
    """One quiet line; a loud one where its rollback is not complete."""
    over = f"the watch of run {watch.run} is over"
    if watch.finished is None:
        return text(f"{over}: another command rolled the run back", "dim")
    at, code = ago(str(watch.finished["at"]), now), ExitCode(int(watch.finished["exit_code"]))
    if code is ExitCode.ROLLED_BACK:
        return text(f"{over}, {at}: it rolled the fleet back", "dim")
    if code is not ExitCode.DONE:
        return text(f"{over}, {at}: its rollback is NOT complete: `./invokew rollback {named}`", "bold red")
    later = next_point(watch.points, watch.state.look_t)
    then = f"; {called(later[0])} is decided by `./invokew monitor {named} --once`" if later else ""
    return text(f"{over}, {at}: {watch.finished['verdict']}{then}", "dim")
