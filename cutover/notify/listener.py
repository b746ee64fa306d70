"""Turns the records of a run into notices: in progress, success, rollback, stopped, incident. Listens to the journal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cutover.core.errors import ExitCode, UsageError
from cutover.core.secret import Secret
from cutover.core.times import between
from cutover.inventory.targets import Targets
from cutover.inventory.variables import NoSecretError, read_secret
from cutover.journal.journal import Journal, read
from cutover.journal.record import Record
from cutover.journal.rundir import RunDirs
from cutover.notify.channels import Kind, Message, Outcome, Sender, Sending, unusable
from cutover.notify.escalation import VARIABLES, Facts, People, Severity, Text, people
from cutover.notify.eta import Measured, eta, measured
from cutover.plan.phases import COMMITTING, PHASES, phase_named

# Tells people: who is told of an event, on which channels, and what came of it, as the journal keeps it.

Compose = Callable[[str, Facts, Severity], Text]  # the text of an event
NOBODY = "no channel is set (people_channels): notices are only recorded"
KINDS: Mapping[str, Kind] = {"success": "success", "hold": "warning", "rollback": "failure", "incident": "failure"}


def people_of(targets: Targets) -> People:
    """The people of these hosts' environment; UsageError with all that is wrong. They concern the run as a whole."""
    values = {name: targets.shared(name) for name in VARIABLES}
    origins = targets.variables[targets.names[0]].origins
    return people(values, origins)


def addresses_of(known: People, start: Path) -> dict[str, Secret | str]:
    """The address of each channel, or why it cannot be read, which then is how every notice on it fails.

    It is read here and not with the variables, so that a token which is missing on this machine keeps no rollback from going.
    """
    found: dict[str, Secret | str] = {}
    for name, source in known.contacts.channels.items():
        try:
            found[name] = read_secret(source, start)
        except NoSecretError as missing:
            found[name] = f"its address cannot be read: {missing}"
    return found


@dataclass
class Notice:
    """One notice that was sent to some roles, and how it went so far."""

    event: str
    severity: Severity
    level: int
    roles: tuple[str, ...]
    channels: tuple[str, ...]
    text: Text
    about: dict[str, str]
    sendings: list[Sending] = field(default_factory=list)
    failed: list[Outcome] = field(default_factory=list)  # on channels on which nothing could be sent

    def outcomes(self) -> list[Outcome] | None:
        """How it went on each channel; None while one of them is open."""
        ended = [sending.outcome() for sending in self.sendings]
        done = [one for one in ended if one is not None]
        return None if len(done) < len(ended) else [*self.failed, *done]

    def record(self, outcomes: list[Outcome]) -> dict[str, Any]:
        """The notice as a journal keeps it. `why` says why nobody was told, where that is so."""
        sent = [one for one in outcomes if one.ok]
        nobody = {} if self.channels else {"why": NOBODY}
        return {
            "event": self.event, "severity": self.severity.name, "level": self.level, "roles": list(self.roles),
            "channels": list(self.channels), "sent": {one.channel: one.seconds for one in sent},
            "failed": {one.channel: one.why for one in outcomes if not one.ok}, **nobody,
            "subject": self.text.subject, "body": self.text.body, **self.about,
        }  # fmt: skip


class Announcer:
    """Sends notices in the background and keeps account of them. Use it from one thread; only sending has others."""

    def __init__(
        self,
        known: People,
        addresses: Mapping[str, Secret | str],
        compose: Compose,
        sender: Sender,
        say: Callable[[str], None],
    ) -> None:
        self.people = known
        self._addresses, self._compose, self._sender, self._say = addresses, compose, sender, say
        self._open: list[Notice] = []
        self._said_nobody = False

    def notify(self, event: str, facts: Facts) -> Notice:
        """Tell the first level of who is to be told; returns at once."""
        return self._tell(event, facts, 0)

    def escalate(self, notice: Notice, facts: Facts, waited_s: float) -> Notice | None:
        """Tell the next level, when nobody has reacted to a notice for so long (on the caller's clock) that its time has come.

        Gives what was sent, to be asked about next time; None where nobody is due.
        """
        due = self.people.escalation.due(notice.event, notice.severity, waited_s, notice.level + 1)
        return self._tell(notice.event, facts, notice.level + 1) if due else None

    def preview(self, event: str, facts: Facts, level: int = 0) -> Notice:
        """What would be sent to whom; sends nothing."""
        severity = self.people.escalation.severity(event, facts.verdict)
        roles = self.people.escalation.levels(event, severity)[level].roles
        about = {name: value for name, value in (("phase", facts.title), ("point", facts.point)) if value}
        channels = self.people.contacts.channels_of(roles)
        return Notice(event, severity, level, roles, channels, self._compose(event, facts, severity), about)

    def unusable(self, channels: Sequence[str]) -> dict[str, str]:
        """Why channels cannot be used, as far as that shows without sending anything."""
        why = {name: one if isinstance(one, str) else unusable(one) for name, one in self._addresses.items()}
        return {name: why[name] for name in channels if why[name]}

    def settled(self) -> list[dict[str, Any]]:
        """Records of the notices that have ended since this was last asked."""
        ended = [(notice, notice.outcomes()) for notice in self._open]
        self._open = [notice for notice, outcomes in ended if outcomes is None]
        return [notice.record(outcomes) for notice, outcomes in ended if outcomes is not None]

    def drain(self) -> list[dict[str, Any]]:
        """Records of all that is still open, waited for; no longer than the deadline of the youngest notice."""
        for notice in self._open:
            for sending in notice.sendings:
                sending.wait(sending.deadline)
        return self.settled()

    def _tell(self, event: str, facts: Facts, level: int) -> Notice:
        notice = self.preview(event, facts, level)
        message = Message(notice.text.subject, notice.text.body, KINDS.get(event, "info"))
        for channel in notice.channels:
            address = self._addresses[channel]
            if isinstance(address, Secret):
                notice.sendings.append(self._sender.send(channel, address, message))
            else:
                notice.failed.append(Outcome(channel, ok=False, why=address))
        self._open.append(notice)
        if not notice.channels and not self._said_nobody:
            self._said_nobody = True
            self._say(NOBODY)
        return notice


def announcer(targets: Targets, compose: Compose, say: Callable[[str], None]) -> Announcer:
    """Who tells the people of these hosts; UsageError with all that is wrong with what the variables say of them."""
    known = people_of(targets)
    sender = Sender(float(str(targets.shared("people_notice_deadline_s"))))
    return Announcer(known, addresses_of(known, targets.inventory.directory), compose, sender, say)


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
