"""Turns the records of a run into notices: in progress, success, rollback, stopped, incident. Listens to the journal."""

from collections.abc import Sequence
from typing import Any

from cutover.conduct.people.announcing import Announcer, Notice
from cutover.decide.people.eta import Measured, eta, measured
from cutover.decide.people.events import Facts
from cutover.decide.phases import COMMITTING, PHASES, phase_named
from cutover.words.errors import ExitCode, UsageError
from cutover.words.record import Record
from cutover.words.times import between
from cutover.world.journal import Journal, read
from cutover.world.rundir import RunDirs

EARLIER = 5  # runs that an ETA is measured by, the newest ones
LOOKED_AT = 30  # run directories that are looked into for them
_COMMITTING = {phase.name for phase in COMMITTING}
REASONS = 5  # that a notice names; the report has all


class Notices:
    """Give it to `journal.listen`. It writes a `notice` record for each, from the thread that writes the journal.

    `earlier` are the earlier runs that the ETA is measured by. What the journal holds already is not told again.
    """

    def __init__(self, announcer: Announcer, journal: Journal, environment: str, earlier: Sequence[Measured]) -> None:
        self._announcer, self._journal, self._earlier = announcer, journal, earlier
        self._run, self._release, self._hosts, self._batches = "", "", (), 1
        self._environment = environment
        self._told: set[str] = set()  # titles of the phases of which people were told
        self._cutting = self._going_back = False
        self._began = self._back_began = ""
        self._away: dict[str, float] = {}  # by host, how long it was without service when it changed over
        for record in journal.records:
            self._learn(record)
            if record.kind == "notice" and record.data["event"] == "in_progress":
                self._told.add(record.data["phase"])

    def __call__(self, record: Record) -> None:
        """Take a record in."""
        if record.kind == "notice":
            return
        self._learn(record)
        if record.kind == "phase.started":
            self._phase(record)
        elif record.kind == "rollback.started":
            self._going_back, self._back_began = True, record.at
            self.notify(
                "rollback", self._facts(record, hosts=tuple(record.data["hosts"]), reasons=(record.data["cause"],))
            )
        elif record.kind == "run.finished":
            self._finished(record)
            self._keep(self._announcer.drain())
            return
        self._keep(self._announcer.settled())

    def notify(self, event: str, facts: Facts) -> Notice:
        """Tell people of an event, and record what came of it as soon as that is known."""
        return self._announcer.notify(event, facts)

    def _keep(self, records: list[dict[str, Any]]) -> None:
        for record in records:
            self._journal.write("notice", **record)

    def _learn(self, record: Record) -> None:
        """What later notices speak of."""
        data = record.data
        if record.kind == "run.created":
            self._run = data["run"]
        elif record.kind == "plan.made":
            self._release, self._hosts, self._batches = data["release"], tuple(data["hosts"]), len(data["batches"])
        elif record.kind == "approved":
            self._cutting = data.get("purpose") == "cutover"
        elif record.kind == "run.started":
            self._going_back, self._began = False, record.at
            self._cutting = self._cutting and "purpose" not in data
        elif record.kind == "outcome" and record.phase in _COMMITTING:
            gap = (data["after"] or {}).get("gap_s")
            self._away |= {record.host: gap} if isinstance(gap, float) else {}

    def _phase(self, record: Record) -> None:
        """Once a phase, whichever batch or host began it first."""
        phase = phase_named(record.phase)
        if not self._cutting or phase not in PHASES or phase.title in self._told:
            return
        self._told.add(phase.title)
        left = eta(self._earlier, phase.name, self._batches)
        about = {"phase": phase.number, "phases": len(PHASES), "title": phase.title, "eta": left}
        self.notify("in_progress", self._facts(record, **about))

    def _finished(self, record: Record) -> None:
        code, status = record.data["exit_code"], record.data["status"]
        problems = record.data.get("problems", ())
        reasons = tuple(": ".join(filter(None, [one["host"], one["found"]])) for one in problems[:REASONS])
        if code == ExitCode.MIXED:
            self.notify(
                "incident", self._facts(record, reasons=reasons, next=tuple(one["next"] for one in problems[:1]))
            )
        elif self._going_back:
            figures = [("taken back in", f"{between(self._back_began, record.at):.0f} s")]
            self.notify("rollback", self._facts(record, reasons=reasons, finished=True, figures=tuple(figures)))
        elif self._cutting and status == "on V2":
            self.notify("success", self._facts(record, figures=self._took(record)))
        elif self._cutting and self._told and code != ExitCode.DONE:
            self.notify("stopped", self._facts(record, reasons=reasons))

    def _took(self, record: Record) -> tuple[tuple[str, str], ...]:
        """What was measured of the change itself; nothing is said of what was not."""
        took = [("the run took", f"{between(self._began, record.at):.0f} s")] if self._began else []
        if self._away:
            host = max(self._away, key=lambda name: self._away[name])
            took.append(("longest time without service", f"{self._away[host]:.1f} s, on {host}"))
        return tuple(took)

    def _facts(self, record: Record, **more: Any) -> Facts:
        return Facts(
            **{
                "environment": self._environment, "at": record.at, "run": self._run, "release": self._release,
                "hosts": self._hosts, **more,
            }
        )  # fmt: skip


def earlier_runs(runs: RunDirs, environment: str) -> list[Measured]:
    """What the newest runs of an environment took that went through all phases; a journal that was altered measures nothing."""
    found: list[Measured] = []
    for path in sorted(runs.root.glob("*/journal.jsonl"), reverse=True)[:LOOKED_AT]:
        try:
            records = read(path)
        except UsageError:  # its chain is broken; `report` says so, and nothing is measured by it
            continue
        there = next((record.data["environment"] for record in records if record.kind == "run.created"), "")
        if there == environment and (run := measured(records)) is not None:
            found.append(run)
        if len(found) == EARLIER:
            break
    return found
