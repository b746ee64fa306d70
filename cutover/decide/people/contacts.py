"""Roles of people and the channels on which they are reached."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cutover.decide.people.reading import Reading


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
