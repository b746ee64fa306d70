"""Who is notified of an event, how severe it is, and who is next when nobody reacts. All of it is data (role `people`)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from cutover.core.errors import Problem, UsageError
from cutover.core.verdict import Verdict
from cutover.inventory.schema import Names, Refusals, Schema, Text, listed, misfit, one_of, unique, validate
from cutover.inventory.yamlfile import dotted

EVENTS = (
    "announcement",  # a cutover is planned
    "in_progress",  # a cutover is in progress, at the start of each of its phases
    "success",  # the new release is in service
    "stopped",  # a cutover ended before the old release was touched
    "hold",  # the watch waits for a person's decision
    "rollback",  # hosts are being rolled back, or have been rolled back, to the old release
    "hourly",  # the state of the watch
    "extended",  # the watch lasts longer than planned
    "signoff_wanted",  # a role is asked to sign off
    "incident",  # hosts need a person now
)


@dataclass(frozen=True)
class Eta:
    """How long the rest takes, by the median of `runs` earlier ones."""

    seconds: float
    runs: int


@dataclass(frozen=True)
class NoticeFacts:
    """What a notice can say; what is empty is left out of it. Times are ISO 8601 in UTC.

    `at` is when it happened, or for an announcement when it will begin. `phase` counts from 0, of `phases`.
    `eta` None: there is no earlier run to measure by. `reasons` are findings, each with its host.
    `point` is a decision point of the watch, `until` the deadline of a decision, `default` what is done when nobody decides
    by then. `figures` are names and values to show. `finished`: a rollback is over, not beginning.
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
    figures: tuple[tuple[str, str], ...] = ()
    finished: bool = False
    message: str = ""
    next: tuple[str, ...] = ()


class TeamRole(Schema):
    """A role: its title, the names of who holds it, and the channels on which they are notified."""

    title: Text
    names: Names = ()
    channels: Annotated[tuple[Annotated[str, one_of("channel")], ...], Field(strict=False), AfterValidator(unique)] = ()


class Severity(Schema):
    """What a severity means for its reader, and the events and verdicts that are that severe."""

    meaning: Text
    events: Annotated[tuple[Annotated[str, one_of("event", EVENTS)], ...], Field(strict=False)] = ()
    verdicts: Annotated[tuple[Annotated[str, one_of("verdict", Verdict)], ...], Field(strict=False)] = ()


class Level(Schema):
    """The roles that are notified when nobody has reacted for so many seconds; the first level is notified at once."""

    after_s: float = Field(0.0, ge=0)
    roles: Annotated[tuple[Annotated[str, one_of("role")], ...], Field(strict=False), AfterValidator(unique)]


def _in_order(levels: tuple[Level, ...]) -> tuple[Level, ...]:
    if not levels:
        raise misfit("has no level", "write [{roles: [...]}, {after_s: 900, roles: [...]}]")
    if levels[0].after_s:
        raise misfit(f"the first level waits {levels[0].after_s:g} s", "remove its `after_s`; it is notified at once")
    if any(later.after_s <= level.after_s for level, later in pairwise(levels)):
        raise misfit("a level is not later than the one before it", "write a larger `after_s`")
    return levels


Levels = Annotated[tuple[Level, ...], Field(strict=False), AfterValidator(_in_order)]


class People(Schema):
    """The people of an environment: channels, roles, severities (mildest first), and the matrix: event or severity to levels.

    A channel has the place where its address is read from (`{env: NAME}`, `{file: path}`), never the address.
    """

    channels: dict[str, dict[str, str]]
    roles: dict[str, TeamRole]
    severities: dict[str, Severity]
    matrix: dict[Annotated[str, one_of("event or severity")], Levels]

    def channels_of(self, roles: Iterable[str]) -> tuple[str, ...]:
        """The channels of any of these roles, each once."""
        return tuple(dict.fromkeys(channel for role in roles for channel in self.roles[role].channels))

    def severity(self, event: str, verdict: str = "") -> str:
        """The severity of an event; a verdict that came with it can raise it, never lower it."""
        return [name for name, one in self.severities.items() if event in one.events or verdict in one.verdicts][-1]

    def levels(self, event: str, severity: str) -> tuple[Level, ...]:
        """Who is notified: by the event's own entry, unless a verdict has raised its severity."""
        return self.matrix[event if event in self.matrix and severity == self.severity(event) else severity]

    def refusals(self) -> Refusals:
        """Channels, severities and levels that nobody uses, or that lead to nobody."""
        used = self.channels_of(self.roles)
        for name in self.channels:
            if name not in used:
                yield ("channels", name), f"no role uses the channel `{name}`", "add it to people_roles, or remove it"
        yield from self._not_once()
        for name in self.severities:
            if name not in self.matrix:
                yield ("matrix",), f"the severity `{name}` is missing", f"add `{name}: [{{roles: [...]}}]`"
        for name, levels in self.matrix.items():
            for number, level in enumerate(levels):
                if not level.roles or (self.channels and not self.channels_of(level.roles)):
                    at = ("matrix", name, number, "roles")
                    yield at, "this level reaches nobody", "add a role that has a channel"

    def _not_once(self) -> Refusals:
        """Events and verdicts that have no severity, or several."""
        held = {"event": (EVENTS, "events"), "verdict": (Verdict, "verdicts")}
        for what, (known, key) in held.items():
            for one in known:
                severities = [name for name, severity in self.severities.items() if one in getattr(severity, key)]
                if len(severities) != 1:
                    found = f"the {what} `{one}` has {f'several severities: {listed(severities)}' if severities else 'no severity'}"
                    yield ("severities",), found, f"name it in the `{key}` of one of them"


VARIABLES = tuple(f"people_{name}" for name in People.model_fields)


def people(values: Mapping[str, Any], origins: Mapping[str, str]) -> People:
    """The people that the variables describe; UsageError with all that does not fit. `origins`: where each was written."""
    problems: list[Problem] = []
    sections = {name: values[f"people_{name}"] for name in People.model_fields}
    keys = {name: list(value) if isinstance(value, dict) else [] for name, value in sections.items()}
    context = {
        "channel": keys["channels"], "role": keys["roles"], "event or severity": [*keys["severities"], *EVENTS],
    }  # fmt: skip

    def where(section: str, *inner: str | int) -> str:
        name = f"people_{section}"
        origin = origins.get(name, "")
        whole = origin if name in origin else f"{origin}: {name}" if origin else name
        below = dotted(inner)
        return f"{whole}{'' if not below or below.startswith('[') else '.'}{below}"

    found = validate(People, sections, where, problems, context)
    if found is None:
        raise UsageError(problems)
    return found
