"""How the watch of an environment stands, by the journals of this machine alone: how far, since when, whether anybody is at it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cutover.core.errors import Problem, UsageError
from cutover.core.step import State
from cutover.core.verdict import Verdict, worst
from cutover.inventory.targets import Targets
from cutover.journal.journal import is_held, read
from cutover.journal.pending_rollbacks import book_of
from cutover.journal.record import Record
from cutover.journal.rundir import RunDir, RunDirs
from cutover.monitor.collector import look_twice, looks_of
from cutover.monitor.rules.rulebook import Cadence
from cutover.monitor.state import Answers, Hold, WatchClock, Watched
from cutover.monitor.tail import skim
from cutover.plan.phases import READS_FACTS
from cutover.plan.roles import RunFacts, contexts, steps_of
from cutover.remote.agent import HostAgent
from cutover.remote.fleet import failures, reached
from cutover.run.history import owed_by_marks, still_owed

# `status`: what each host runs, who holds it, whether a revert is armed. A host that does not answer does not hide the others.

LOOK_S = 30.0


def look_at_state(targets: Targets) -> tuple[dict[str, State], list[Problem]]:
    """Per host: lease, revert, runs (as the agent says them), what it is owed, `facts` (what the first role reads), `looks` (look_twice).

    And who is silent.
    """
    first = READS_FACTS.name
    probes = {name: steps_of(role, first, "facts") for name, role in contexts(targets, RunFacts("status", "")).items()}
    looks = looks_of(targets)

    def look(agent: HostAgent) -> State:
        return {
            **agent.status(),
            "facts": agent.look(probes[agent.name]),
            "looks": look_twice(agent, looks[agent.name]),
        }

    with reached(targets) as (fleet, problems):
        outcomes = fleet.each(look, deadline=LOOK_S)
    states = {name: one.unwrap() for name, one in outcomes.items() if one.error is None}
    owed = {**owed_by_marks(states, targets.names), **still_owed(book_of(targets.root, targets.environment), states)}
    states = {
        name: {**state, "owed": owed[name].problem().found if name in owed else None} for name, state in states.items()
    }
    unasked = [owed[one.host].problem() if one.host in owed else one for one in (*problems, *failures(outcomes))]
    return states, unasked


LATE = 1.5  # single looks that are further apart than this many rows are no watch any more
COMMITS, GOES_BACK = "batch.started", "rollback.started"


@dataclass(frozen=True)
class Standing:
    """The watch of a run. Times are ISO 8601 UTC, those with `_t` seconds on the watch's clock."""

    run: str
    hosts: tuple[str, ...]
    verdicts: Mapping[str, Verdict]  # of the last look, by host
    look_t: float
    looked_at: str
    live_s: float  # how long it lasts
    clock: WatchClock
    points: tuple[tuple[str, float], ...]  # that have no answer yet, and when they come
    hold: Hold | None
    watched: bool  # whether a process is at it now
    late: bool  # nobody is at it, and no single look came in time
    finished: Mapping[str, Any] | None  # how it ended, and when (`at`)
    went_back: bool  # another command took the run back to V1
    broken: str = ""  # why its journal cannot be read

    @property
    def verdict(self) -> Verdict:
        """Of the fleet, at the last look."""
        return worst(self.verdicts.values())

    @property
    def over(self) -> bool:
        """Whether there is nothing left to watch."""
        return self.went_back or (self.hold is None and self.finished is not None)

    @property
    def until(self) -> str:
        """When the hold's default follows."""
        at = self.clock.at_real(self.hold.deadline_t if self.hold else self.look_t)
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    def as_json(self, host: str) -> dict[str, Any] | None:
        """What `status --json` says of a host; None where it has no part in the watch."""
        if host not in self.hosts:
            return None
        hold = None
        if self.hold is not None:
            hold = {
                "since": self.hold.opened_at,
                "reasons": list(self.hold.reasons),
                "until": self.until,
                "then": self.hold.default,
            }
        return {
            "run": self.run,
            "hour": self.look_t / 3600,
            "verdict": str(self.verdicts[host]) if host in self.verdicts else None,
            "looked_at": self.looked_at or None,
            "hold": hold,
            "watched": self.watched,
            "over": self.over,
            "broken": self.broken or None,
        }


def watch_of(targets: Targets, now: float | None = None) -> Standing | None:
    """The watch of the newest run that these hosts are on, as far as this machine has it; None where there is none."""
    directory = _watched_run(targets)
    if directory is None:
        return None
    watched = is_held(directory.watch_file)
    try:
        records = skim(directory.watch_file, without=["sample"], newest="judged")
        return _standing(directory, records, time.time() if now is None else now, watched=watched)
    except UsageError as unreadable:
        return Standing(
            directory.id, targets.names, {}, 0.0, "", 0.0, WatchClock(0.0), (), None, watched, late=False, finished=None,
            went_back=False, broken=unreadable.problems[0].found,
        )  # fmt: skip


def _watched_run(targets: Targets) -> RunDir | None:
    """The newest run with a watch; one in which hosts have been changed since is what they are on instead."""
    runs = RunDirs(targets.root / ".cutover" / "runs")
    for path in sorted(runs.root.glob("*/"), reverse=True):
        run = RunDir(path)
        try:
            records = read(run.journal_file) if run.journal_file.exists() else []
        except UsageError:  # altered: what it says is no longer believed, and its watch stands for itself
            records = []
        created = next((record for record in records if record.kind == "run.created"), None)
        if created is not None and created.data["environment"] != targets.environment:
            continue
        if run.watch_file.exists():
            return run
        if any(record.kind in (COMMITS, GOES_BACK) for record in records):
            return None
    return None


def _standing(directory: RunDir, records: list[Record], now: float, *, watched: bool) -> Standing | None:
    began = next((record.data for record in records if record.kind == "watch.started"), None)
    if began is None:  # it broke off before its first record
        return None
    state, clock = Watched.of(records), WatchClock(began["began"], began["scale"], lambda: now)
    looks = [record for record in records if record.kind == "judged" and record.data["t"] == state.look_t]
    looked_at = looks[-1].at if looks else state.started_at
    every = Cadence(tuple((until, each) for until, each in began["cadence"])).every_at(state.look_t)
    single = _single(records) and clock.t - state.look_t <= LATE * every
    end = next((record for record in reversed(records) if record.kind == "watch.finished"), None)
    hold = state.hold if end is None or (state.hold is not None and state.hold.opened_at > end.at) else None
    return Standing(
        directory.id,
        tuple(began["hosts"]),
        {record.data["host"]: Verdict(record.data["verdict"]) for record in looks},
        state.look_t,
        looked_at,
        began["live_s"],
        clock,
        tuple(
            (point["name"], state.moved.get(point["name"], point["at"]))
            for point in began["points"]
            if state.points.get(point["name"]) not in ("go_on", "hold")
        ),
        hold,
        watched,
        not (watched or single),
        None if end is None else {"at": end.at, **end.data},
        Answers.since(directory, state.started_at).went_back,
    )


def _single(records: list[Record]) -> bool:
    """Whether the newest looks were asked for one at a time, as from cron."""
    begun = next(record for record in reversed(records) if record.kind in ("watch.started", "watch.resumed"))
    return bool(begun.data.get("once"))
