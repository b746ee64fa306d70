"""How grave an event is, who is told of it, and who is told next when nobody reacts. The matrix is data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cutover.core.errors import Problem, UsageError
from cutover.core.verdict import Verdict
from cutover.inventory.declarations import did_you_mean, listed
from cutover.inventory.reading import Reading

# Roles of people and the channels on which they are reached.


@dataclass(frozen=True)
class Role:
    """A role: what it is called, who holds it, and the channels on which it is told."""

    name: str
    words: str
    names: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contacts:
    """All roles, and for each channel where its address is read from (`{env: NAME}`, `{file: path}`); never the address."""

    roles: Mapping[str, Role]
    channels: Mapping[str, Mapping[str, str]]

    def channels_of(self, roles: Iterable[str]) -> tuple[str, ...]:
        """The channels on which any of these roles is told, each once."""
        return tuple(dict.fromkeys(channel for role in roles for channel in self.roles[role].channels))


def contacts(roles: Reading, roles_value: object, channels: Reading, channels_value: object) -> Contacts:
    """Roles and channels; whatever does not fit is noted."""
    sources = {
        name: {str(key): str(place) for key, place in source.items()}
        for name, source in channels.entries(channels_value).items()
        if isinstance(source, dict)
    }
    found = {name: _role(roles, name, body, sources) for name, body in roles.entries(roles_value).items()}
    used = {channel for role in found.values() for channel in role.channels}
    for name in sources:
        if name not in used:
            channels.refuse((name,), f"nobody is told on the channel `{name}`", "name it in people_roles, or remove it")
    return Contacts(found, sources)


def _role(reading: Reading, name: str, body: object, channels: Iterable[str]) -> Role:
    at = (name,)
    fields = reading.fields(body, at, ("words", "names", "channels"), needed=("words",))
    return Role(
        name,
        reading.words(fields["words"], (*at, "words")) if "words" in fields else "",
        reading.names(fields["names"], (*at, "names")) if "names" in fields else (),
        reading.names(fields["channels"], (*at, "channels"), channels, "channel") if "channels" in fields else (),
    )


# The events that people are told about, and what is known of one when it is told.

EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "announcement": "a cutover is going to take place",
        "in_progress": "a cutover is under way, at the start of each of its phases",
        "success": "the new version is in service",
        "stopped": "a cutover ended before the old version was touched",
        "hold": "the watch waits for a person's decision",
        "rollback": "hosts are taken back, or have been taken back, to the old version",
        "hourly": "how the watch stands",
        "extended": "the watch goes on for longer than was planned",
        "signoff_wanted": "a role is asked to sign off",
        "incident": "a person must look after hosts now",
    }
)


@dataclass(frozen=True)
class Eta:
    """How long the rest takes, by the median of `runs` earlier ones."""

    seconds: float
    runs: int


@dataclass(frozen=True)
class Facts:
    """What a notice can say; what is empty is not spoken of. Times are ISO 8601 in UTC.

    `at` is when it happened, or for an announcement when it will begin. `phase` counts from 0, of `phases`.
    `eta` None: there is no earlier run to measure by. `reasons` are findings in words, each with its host.
    `point` is a decision point of the watch, `until` the deadline of a decision, `default` what is done when nobody decides
    by then. `figures` are names and values to show. `finished` tells a rollback that is over from one that begins.
    """

    environment: str
    at: str
    run: str = ""
    release: str = ""
    hosts: tuple[str, ...] = ()
    phase: int | None = None
    phases: int = 0
    title: str = ""
    eta: Eta | None = None
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    point: str = ""
    until: str = ""
    default: str = ""
    role: str = ""
    figures: tuple[tuple[str, str], ...] = ()
    finished: bool = False
    message: str = ""
    next: tuple[str, ...] = ()


@dataclass(frozen=True)
class Text:
    """A notice as people read it."""

    subject: str
    body: str


@dataclass(frozen=True)
class Severity:
    """How grave something is, in words for whoever is told, and the events and verdicts that are that grave."""

    name: str
    words: str
    rank: int
    events: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Level:
    """The roles that are told once nobody has reacted for so many seconds; the first level is told at once."""

    after_s: float
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Escalation:
    """Severities, mildest first, and the matrix: by event, else by severity, the levels."""

    severities: tuple[Severity, ...]
    matrix: Mapping[str, tuple[Level, ...]]

    def severity(self, event: str, verdict: str = "") -> Severity:
        """How grave an event is; a verdict that came with it can make it graver, never milder."""
        meant = [one for one in self.severities if event in one.events or (verdict and verdict in one.verdicts)]
        return max(meant, key=lambda one: one.rank)

    def levels(self, event: str, severity: Severity) -> tuple[Level, ...]:
        """Who is told: by the event's own entry, where there is one that was not made for something milder."""
        usual = self.severity(event)
        return self.matrix[event if event in self.matrix and severity == usual else severity.name]

    def due(self, event: str, severity: Severity, waited_s: float, told: int) -> tuple[Level, ...]:
        """The levels after the first `told` whose time has come, `waited_s` after the event."""
        return tuple(level for level in self.levels(event, severity)[told:] if level.after_s <= waited_s)


def severities(reading: Reading, value: object) -> tuple[Severity, ...]:
    """The severities; every event and every verdict has exactly one."""
    found = tuple(
        _severity(reading, name, body, rank) for rank, (name, body) in enumerate(reading.entries(value).items())
    )
    _each_once(reading, "event", list(EVENTS), [(one.name, one.events) for one in found])
    _each_once(reading, "verdict", [str(verdict) for verdict in Verdict], [(one.name, one.verdicts) for one in found])
    for one in found:
        if one.name in EVENTS:
            reading.refuse((one.name,), f"a severity is called as the event `{one.name}`", "give it another name")
    return found


def _severity(reading: Reading, name: str, body: object, rank: int) -> Severity:
    fields = reading.fields(body, (name,), ("words", "events", "verdicts"), needed=("words",))
    return Severity(
        name,
        reading.words(fields["words"], (name, "words")) if "words" in fields else "",
        rank,
        reading.names(fields["events"], (name, "events"), EVENTS, "event") if "events" in fields else (),
        reading.names(fields["verdicts"], (name, "verdicts"), list(Verdict), "verdict") if "verdicts" in fields else (),
    )


def _each_once(reading: Reading, what: str, known: Iterable[str], held: list[tuple[str, tuple[str, ...]]]) -> None:
    for one in known:
        holders = [name for name, those in held if one in those]
        if not holders:
            reading.refuse((), f"no severity has the {what} `{one}`", f"add it to `{what}s` of one of them")
        elif len(holders) > 1:
            reading.refuse((), f"the {what} `{one}` has several severities: {listed(holders)}", "keep one of them")


def matrix(
    reading: Reading, value: object, known: tuple[Severity, ...], contacts: Contacts
) -> dict[str, tuple[Level, ...]]:
    """The matrix; every severity has an entry, and where there are channels at all, every level reaches one."""
    names = [one.name for one in known]
    found: dict[str, tuple[Level, ...]] = {}
    for name, body in reading.entries(value).items():
        if name not in (*names, *EVENTS):
            advice = f"{did_you_mean(name, [*names, *EVENTS])}severities: {listed(names)}; events: {listed(EVENTS)}"
            reading.refuse((name,), f"`{name}` is neither an event nor a severity", advice)
        found[name] = _levels(reading, name, body, contacts)
    for name in names:
        if name not in found:
            reading.refuse((), f"says nothing of the severity `{name}`", "say who is told: [{roles: [...]}]")
    return found


def _levels(reading: Reading, name: str, body: object, contacts: Contacts) -> tuple[Level, ...]:
    if not isinstance(body, list) or not body:
        reading.refuse((name,), "is no list of levels", "write [{roles: [...]}, {after_s: 900, roles: [...]}]")
        return ()
    levels: list[Level] = []
    for number, one in enumerate(body):
        at = (name, number)
        fields = reading.fields(one, at, ("after_s", "roles"), needed=("roles",))
        after = reading.seconds(fields["after_s"], (*at, "after_s")) if "after_s" in fields else 0.0
        roles = reading.names(fields["roles"], (*at, "roles"), contacts.roles, "role") if "roles" in fields else ()
        if number == 0 and after:
            reading.refuse((*at, "after_s"), f"the first level waits {after:g} s", "leave it away: it is told at once")
        if number and after <= levels[-1].after_s:
            reading.refuse(at, "does not come later than the level before it", "give a larger `after_s`")
        if fields.get("roles") == [] or (roles and contacts.channels and not contacts.channels_of(roles)):
            reading.refuse((*at, "roles"), "this level reaches nobody", "name a role that has a channel")
        levels.append(Level(after, roles))
    return tuple(levels)


# The people of an environment, from the variables of the role `people`; everything that is wrong with them at once.

VARIABLES = ("people_channels", "people_roles", "people_severities", "people_matrix")


@dataclass(frozen=True)
class People:
    """Who there is, and who is told what."""

    contacts: Contacts
    escalation: Escalation


def people(values: Mapping[str, object], origins: Mapping[str, str]) -> People:
    """The people that the variables name; UsageError with all that does not fit together. `origins`: where each was written."""
    problems: list[Problem] = []
    reading = {name: Reading.of_variable(name, origins.get(name, ""), problems) for name in VARIABLES}
    known = contacts(
        reading["people_roles"], values["people_roles"], reading["people_channels"], values["people_channels"]
    )
    grave = severities(reading["people_severities"], values["people_severities"])
    told = matrix(reading["people_matrix"], values["people_matrix"], grave, known)
    if problems:
        raise UsageError(problems)
    return People(known, Escalation(grave, told))
