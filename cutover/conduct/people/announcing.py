"""Tells people: who is told of an event, on which channels, and what came of it, as the journal keeps it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cutover.conduct.targets import Targets
from cutover.decide.people.escalation import Severity
from cutover.decide.people.events import Facts, Text
from cutover.decide.people.people import VARIABLES, People, people
from cutover.decide.secretsources import NoSecretError, read_secret
from cutover.words.secret import Secret
from cutover.world.notifying import Kind, Message, Outcome, Sender, Sending, unusable

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
