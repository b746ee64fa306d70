"""Sends notices about a run, from the records of its journal: in progress, success, rollback, stopped, incident."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from cutover.core.errors import ExitCode, UsageError
from cutover.core.secret import Secret
from cutover.core.times import between
from cutover.inventory.targets import Targets
from cutover.inventory.variables import NoSecretError, read_secret
from cutover.journal.journal import Journal, read
from cutover.journal.record import Record
from cutover.journal.rundir import RunDirs
from cutover.notify.channels import Message, Sender, Sending, unusable
from cutover.notify.escalation import VARIABLES, Eta, NoticeFacts, People, people
from cutover.plan.phases import COMMITTING, PHASES, phase_named

Compose = Callable[[str, NoticeFacts, str], Message]  # the text of an event, by its facts and severity
NOBODY = "people_channels has no channel: notices are only recorded"
REASONS = 5  # in a notice; the report has all
_COMMITTING = {phase.name for phase in COMMITTING}


def people_of(targets: Targets) -> People:
    """The people of these hosts' environment, the same for the whole run; UsageError with all that is wrong."""
    values = {name: targets.shared(name) for name in VARIABLES}
    return people(values, targets.variables[targets.names[0]].origins)


def addresses_of(known: People, start: Path) -> dict[str, Secret | str]:
    """The address of each channel, or why it cannot be read, which then is how every notice on it fails.

    Addresses are not read with the variables: a token that is missing on this machine must not stop a rollback.
    """
    found: dict[str, Secret | str] = {}
    for name, source in known.channels.items():
        try:
            found[name] = read_secret(source, start)
        except NoSecretError as missing:
            found[name] = f"its address cannot be read: {missing}"
    return found


@dataclass
class Notice:
    """One notice to some roles, and how it went so far."""

    event: str
    severity: str
    level: int
    roles: tuple[str, ...]
    channels: tuple[str, ...]
    text: Message
    about: dict[str, str]
    sendings: list[Sending] = field(default_factory=list)

    def record(self) -> dict[str, Any] | None:
        """The notice as a journal keeps it; None while it is on its way. Where nobody was notified, `why` has the reason."""
        outcomes = [one for sending in self.sendings if (one := sending.outcome()) is not None]
        if len(outcomes) < len(self.sendings):
            return None
        return {
            "event": self.event, "severity": self.severity, "level": self.level, "roles": list(self.roles),
            "channels": list(self.channels), "sent": {one.channel: one.seconds for one in outcomes if one.ok},
            "failed": {one.channel: one.why for one in outcomes if not one.ok},
            **({} if self.channels else {"why": NOBODY}),
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

    def notify(self, event: str, facts: NoticeFacts, level: int = 0) -> Notice:
        """Notify the roles of a level; returns at once."""
        notice = self.preview(event, facts, level)
        for channel in notice.channels:
            notice.sendings.append(self._sender.send(channel, self._addresses[channel], notice.text))
        self._open.append(notice)
        if not notice.channels and not self._said_nobody:
            self._said_nobody = True
            self._say(NOBODY)
        return notice

    def escalate(self, notice: Notice, facts: NoticeFacts, waited_s: float) -> Notice | None:
        """Notify the next level, if nobody has reacted to a notice for so long (on the caller's clock) that it is due.

        Gives what was sent, to be asked about next time; None where nobody is due.
        """
        later = self.people.levels(notice.event, notice.severity)[notice.level + 1 :]
        return self.notify(notice.event, facts, notice.level + 1) if later and later[0].after_s <= waited_s else None

    def preview(self, event: str, facts: NoticeFacts, level: int = 0) -> Notice:
        """What would be sent to whom; sends nothing."""
        severity = self.people.severity(event, facts.verdict)
        roles = self.people.levels(event, severity)[level].roles
        about = {name: value for name, value in (("phase", facts.title), ("point", facts.point)) if value}
        text = self._compose(event, facts, self.people.severities[severity].meaning)
        return Notice(event, severity, level, roles, self.people.channels_of(roles), text, about)

    def unusable(self, channels: Sequence[str]) -> dict[str, str]:
        """Why channels cannot be used, as far as that shows without sending anything."""
        why = {name: one if isinstance(one, str) else unusable(one) for name, one in self._addresses.items()}
        return {name: why[name] for name in channels if why[name]}

    def settled(self) -> list[dict[str, Any]]:
        """Records of the notices that have ended since the last call."""
        ended = [(notice, notice.record()) for notice in self._open]
        self._open = [notice for notice, record in ended if record is None]
        return [record for _, record in ended if record is not None]

    def drain(self) -> list[dict[str, Any]]:
        """Wait for all notices on their way, no longer than their deadlines; their records."""
        for notice in self._open:
            for sending in notice.sendings:
                sending.wait()
        return self.settled()


class Notices:
    """Give it to `journal.listen`. It writes a `notice` record for each, from the thread that writes the journal.

    `earlier` are the runs that the ETA is measured by. What the journal already has is not sent again.
    """

    def __init__(
        self, announcer: Announcer, journal: Journal, environment: str, earlier: "Sequence[RunDurations]"
    ) -> None:
        self._announcer, self._journal, self._environment, self._earlier = announcer, journal, environment, earlier
        sent = (record.data for record in journal.of("notice"))
        self._announced = {data["phase"] for data in sent if data["event"] == "in_progress"}  # titles

    def __call__(self, record: Record) -> None:
        """Take a record in."""
        if record.kind == "notice":
            return
        if record.kind == "phase.started":
            self._phase(record)
        elif record.kind == "rollback.started":
            self._notify("rollback", record, hosts=tuple(record.data["hosts"]), reasons=(record.data["cause"],))
        elif record.kind == "run.finished":
            self._finished(record)
        for one in self._announcer.drain() if record.kind == "run.finished" else self._announcer.settled():
            self._journal.write("notice", **one)

    def _newest(self, kind: str) -> Record | None:
        return next(iter(reversed(self._journal.of(kind))), None)

    def _notify(self, event: str, record: Record, **more: Any) -> None:
        about: dict[str, Any] = {"environment": self._environment, "at": record.at}
        if created := self._newest("run.created"):
            about["run"] = created.data["run"]
        if plan := self._newest("plan.made"):
            about |= {"release": plan.data["release"], "hosts": tuple(plan.data["hosts"])}
        self._announcer.notify(event, NoticeFacts(**{**about, **more}))

    def _is_cutover(self) -> bool:
        """Whether what goes on is a cutover, and not its preparation, its rollback or its end."""
        approved, started = self._newest("approved"), self._newest("run.started")
        other = started is not None and "purpose" in started.data
        return approved is not None and approved.data.get("purpose") == "cutover" and not other

    def _phase(self, record: Record) -> None:
        """Once a phase, whichever batch or host began it first."""
        phase = phase_named(record.phase)
        if phase in PHASES and phase.title not in self._announced and self._is_cutover():
            self._announced.add(phase.title)
            plan = self._newest("plan.made")
            left = eta(self._earlier, phase.name, len(plan.data["batches"]) if plan else 1)
            self._notify("in_progress", record, phase=phase.number, phases=len(PHASES), title=phase.title, eta=left)

    def _finished(self, record: Record) -> None:
        code, problems = record.data["exit_code"], record.data.get("problems", ())
        reasons = tuple(": ".join(filter(None, [one["host"], one["found"]])) for one in problems[:REASONS])
        started, back = self._newest("run.started"), self._newest("rollback.started")
        if code == ExitCode.MIXED:
            self._notify("incident", record, reasons=reasons, next=tuple(one["next"] for one in problems[:1]))
        elif back and (started is None or back.seq > started.seq):
            figures = (("rolled back in", f"{between(back.at, record.at):.0f} s"),)
            self._notify("rollback", record, reasons=reasons, finished=True, figures=figures)
        elif self._is_cutover() and code == ExitCode.DONE and self._newest("confirmed"):
            self._notify("success", record, figures=self._took(started, record))
        elif self._is_cutover() and code != ExitCode.DONE and self._announced:
            self._notify("stopped", record, reasons=reasons)

    def _took(self, started: Record | None, ended: Record) -> tuple[tuple[str, str], ...]:
        """What was measured of the change itself."""
        took = [("the run took", f"{between(started.at, ended.at):.0f} s")] if started else []
        away = {
            one.host: gap
            for one in self._journal.of("outcome")
            if one.phase in _COMMITTING and isinstance(gap := (one.data["after"] or {}).get("gap_s"), float)
        }
        if away:
            host = max(away, key=lambda name: away[name])
            took.append(("longest time without service", f"{away[host]:.1f} s, on {host}"))
        return tuple(took)


# How long the rest of a run takes, by the median of earlier runs of the environment; unknown where there was none.

MEASURED = 5  # runs that an ETA is measured by, the newest ones
SEARCHED = 30  # run directories that are searched for them


@dataclass(frozen=True)
class RunDurations:
    """What one confirmed run took: the number of its batches, and for each phase the seconds from its first start to the end."""

    batches: int
    rest: dict[str, float]


def measured(records: Sequence[Record]) -> RunDurations | None:
    """What a run took; None where it did not go through all phases at once and to its end."""
    kinds = [record.kind for record in records]
    if kinds.count("run.started") != 1 or "confirmed" not in kinds or "resumed" in kinds:
        return None
    end = [record.at for record in records if record.kind == "confirmed"][-1]
    rest: dict[str, float] = {}
    for record in records:
        if record.kind == "phase.started":
            rest.setdefault(record.phase, between(record.at, end))
    whole = all(phase.name in rest for phase in PHASES)
    return RunDurations(kinds.count("batch.started"), rest) if whole else None


def eta(earlier: "Sequence[RunDurations]", phase: str, batches: int) -> Eta | None:
    """How long a run of so many batches takes from the first start of a phase on; None: no run to measure by."""
    alike = [run.rest[phase] for run in earlier if run.batches == batches]
    return Eta(median(alike), len(alike)) if alike else None


def earlier_runs(runs: RunDirs, environment: str, service: str) -> list[RunDurations]:
    """What the newest runs of a service in an environment took that went through all phases."""
    found: list[RunDurations] = []
    for path in sorted(runs.root.glob("*/journal.jsonl"), reverse=True)[:SEARCHED]:
        try:
            records = read(path)
        except UsageError:  # its chain is broken: `report` says so, and nothing is measured by it
            continue
        created = next((record.data for record in records if record.kind == "run.created"), {})
        if (created.get("environment"), created.get("service")) == (environment, service):
            found += filter(None, [measured(records)])
        if len(found) == MEASURED:
            break
    return found
