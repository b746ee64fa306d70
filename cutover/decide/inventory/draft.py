"""What the files of an inventory say, before anything is worked out from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cutover.words.errors import Problem


@dataclass(frozen=True)
class Setting:
    """The value of a variable and the place it was written at."""

    value: object
    where: str


@dataclass
class Group:
    """A group as written: its own hosts, its child groups, its variables, each in the order of the file."""

    name: str
    where: str
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)
    inline: dict[str, Setting] = field(default_factory=dict)  # `vars:` in hosts.yml
    files: dict[str, Setting] = field(default_factory=dict)  # group_vars/
    priority: int = 1
    depth: int = 0


@dataclass
class HostEntry:
    """A host as written, wherever in the file it stands."""

    name: str
    where: str
    inline: dict[str, Setting] = field(default_factory=dict)
    files: dict[str, Setting] = field(default_factory=dict)  # host_vars/


@dataclass
class Draft:
    """All groups and hosts of one environment, in the order of the file, and what is wrong with them."""

    directory: Path
    environment: str
    groups: dict[str, Group] = field(default_factory=dict)
    hosts: dict[str, HostEntry] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def group(self, name: str, where: str) -> Group:
        """The group of that name, made on its first mention."""
        return self.groups.setdefault(name, Group(name, where))

    def refuse(self, where: str, found: str, advice: str) -> None:
        """Note a problem at a place; reading goes on, so that all of them are told at once."""
        self.problems.append(Problem(found, advice, path=where))

    def set_variables(self, target: dict[str, Setting], settings: Mapping[str, Setting], owner: str) -> None:
        """Add variables to a host or group; the same name with another value from elsewhere is refused."""
        for name, setting in settings.items():
            old = target.setdefault(name, setting)
            if old.value != setting.value or type(old.value) is not type(setting.value):
                found = f"{owner} has `{name}` with another value at {old.where}"
                self.refuse(setting.where, found, "write it once; host_vars/ and group_vars/ are the places for it")
