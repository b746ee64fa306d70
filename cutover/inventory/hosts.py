"""Reads hosts.yml: all / children / hosts / vars in Ansible's shape, and reports every mistake with its line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from string import ascii_letters

from cutover.core.errors import Problem, UsageError
from cutover.inventory.schema import did_you_mean, listed, named
from cutover.inventory.yamlfile import Document, Keys, read, shown


@dataclass(frozen=True)
class Setting:
    """The value of a variable and the place it was written at."""

    value: object
    where: str


@dataclass
class Owner:
    """A host as written: its name, and its variables in hosts.yml (`inline`) and in host_vars/ (`files`)."""

    name: str
    where: str
    inline: dict[str, Setting] = field(default_factory=dict)
    files: dict[str, Setting] = field(default_factory=dict)


@dataclass
class Group(Owner):
    """A group as written: also its own hosts and its child groups, in the order of the file."""

    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)
    priority: int = 1
    depth: int = 0  # the longest way from `all`, as Ansible counts it


@dataclass
class Draft:
    """All groups and hosts of one environment, in the order of the file, and what is wrong with them."""

    directory: Path
    environment: str
    groups: dict[str, Group] = field(default_factory=dict)
    hosts: dict[str, Owner] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def group(self, name: str, where: str = "") -> Group:
        """The group of that name, made on its first mention."""
        return self.groups.setdefault(name, Group(name, where))

    def refuse(self, where: str, found: str, advice: str) -> None:
        """Note a problem at a place; reading goes on, so that all of them are reported at once."""
        self.problems.append(Problem(found, advice, path=where))

    def set_variables(self, target: dict[str, Setting], settings: Mapping[str, Setting], owner: str) -> None:
        """Add variables to a host or group; the same name with another value from elsewhere is refused."""
        for name, setting in settings.items():
            old = target.setdefault(name, setting)
            if old.value != setting.value or type(old.value) is not type(setting.value):
                found = f"{owner} has `{name}` with another value at {old.where}"
                self.refuse(setting.where, found, "keep one, preferably in host_vars/ or group_vars/")


# Host ranges as in Ansible: `web[01:10]`, `db[a:c]`, `node[1:9:2]`, several in one name.

MOST = 10_000  # hosts of one entry; more is a typing error, and would fill the memory
_RANGE = re.compile(r"\[([^\[\]]*)\]")
_ENDS = re.compile(
    r"(?:(?P<first>\d*):(?P<last>\d+)|(?P<a>[A-Za-z]):(?P<z>[A-Za-z]))(?::(?P<step>0*[1-9]\d*))?", re.ASCII
)
_PORT = re.compile(r"(?P<name>.+):(?P<port>\d+)\Z")


class BadRangeError(ValueError):
    """A host range that cannot be read; the message says why."""


def expand(entry: str) -> tuple[tuple[str, ...], int | None]:
    """The names that one entry of `hosts:` means, and the port if it is written as `name:port`."""
    match = _PORT.match(entry)
    name, port = (match["name"], int(match["port"])) if match else (entry, None)
    return tuple(_expand(name)), port


def _expand(name: str) -> list[str]:
    match = _RANGE.search(name)
    if match is None:
        if "[" in name or "]" in name:
            raise BadRangeError("a bracket is not closed or not opened")
        return [name]
    head, tail = name[: match.start()], _expand(name[match.end() :])
    middle = _members(match[1])
    if len(middle) * len(tail) > MOST:
        raise BadRangeError(f"it has more than {MOST} hosts")
    return [head + one + rest for one in middle for rest in tail]


def _members(inside: str) -> list[str]:
    ends = _ENDS.fullmatch(inside)
    if ends is None:
        raise BadRangeError(f"`[{inside}]` is not [first:last] or [first:last:step] of numbers or single letters")
    first, last, step = ends["first"] or "0", ends["last"] or "", int(ends["step"] or 1)
    width = len(first) if first.startswith("0") and len(first) > 1 else 0
    if width and len(last) != width:
        raise BadRangeError(f"the ends of `[{inside}]` differ in length, though the first has leading zeros")
    letters = ends["a"] is not None
    begin, end = (ascii_letters.index(ends[end]) for end in "az") if letters else (int(first), int(last))
    if begin > end:
        raise BadRangeError(f"`[{inside}]` counts downward")
    if (end - begin) // step >= MOST:
        raise BadRangeError(f"it has more than {MOST} hosts")
    return [ascii_letters[one] if letters else str(one).zfill(width) for one in range(begin, end + 1, step)]


def add_implied_groups(draft: Draft) -> None:
    """Make `all`, `ungrouped` and the environment's own group.

    A made environment group is between `all` and the rest, so its variables are weaker than those of its groups.
    """
    every, ungrouped, own = draft.group("all"), draft.group("ungrouped"), draft.group(draft.environment)
    parents = {child for group in draft.groups.values() for child in group.children}
    grouped = {host for name, group in draft.groups.items() if name not in ("all", "ungrouped") for host in group.hosts}
    ungrouped.hosts.update(dict.fromkeys(host for host in draft.hosts if host not in grouped))
    every.hosts.update(dict.fromkeys(draft.hosts))
    every.children.update(dict.fromkeys(name for name in draft.groups if name != "all" and name not in parents))
    if own not in (every, ungrouped) and not own.hosts and not own.children and own.name in every.children:
        own.children.update(dict.fromkeys(name for name in every.children if name != own.name))
        every.children = {own.name: None}


def members(draft: Draft) -> dict[str, tuple[str, ...]]:
    """Every host of each group and of the groups below it, in the order of the file; notes how deep each group lies."""
    try:
        upward = tuple(TopologicalSorter({name: one.children for name, one in draft.groups.items()}).static_order())
    except CycleError as error:
        cycle = error.args[1][::-1]
        found = f"the groups contain each other: {' -> '.join(cycle)}"
        draft.refuse(draft.groups[cycle[0]].where, found, "remove one of them from the `children:` of the other")
        raise UsageError(draft.problems) from None
    for name in reversed(upward):
        for child in draft.groups[name].children:
            draft.groups[child].depth = max(draft.groups[child].depth, draft.groups[name].depth + 1)
    inside: dict[str, set[str]] = {}
    for name in upward:
        inside[name] = set(draft.groups[name].hosts).union(*(inside[child] for child in draft.groups[name].children))
    own = draft.groups[draft.environment]
    if (missing := [name for name in draft.hosts if name not in inside[own.name]]) and own.name != "ungrouped":
        found = f"the group {own.name} must contain the whole environment and lacks {', '.join(missing)}"
        draft.refuse(own.where, found, "add them, or leave the group empty: then it gets every host")
    place = {name: number for number, name in enumerate(draft.hosts)}
    return {name: tuple(sorted(inside[name], key=place.__getitem__)) for name in draft.groups}


_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_SECTIONS = ("hosts", "children", "vars")  # what a group may have
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def read_hosts_file(draft: Draft) -> None:
    """Fill the draft from hosts.yml of its directory."""
    path = draft.directory / "hosts.yml"
    if not path.is_file():
        advice = "write `all:` with `hosts:` into it (YAML only)"
        draft.refuse(shown(path), "the inventory has no hosts.yml", advice)
        return
    document = read(path, draft.problems)
    if document is None:
        return
    if not isinstance(document.value, dict) or not document.value:
        found = f"expected groups, found {named(document.value or None)}"
        draft.refuse(document.name, found, "start with `all:` and `hosts:` below it")
        return
    walk = Walk(draft, document)
    for name, body in document.value.items():
        if name in (*_SECTIONS, "plugin"):
            advice = "put hosts below a group, such as `all:`; a dynamic inventory (`plugin:`) is not supported"
            walk.refuse((name,), f"`{name}:` at the top level", advice)
        else:
            walk.group(name, body, (name,))


class Walk:
    """The walk through a document of the inventory, in its order, which is the order of the hosts; all mistakes go to the draft."""

    def __init__(self, draft: Draft, document: Document) -> None:
        self.draft, self.document = draft, document

    def group(self, name: str, body: object, keys: Keys) -> None:
        """A group with its hosts, variables and children."""
        if not self._name_is_good("group", name, keys):
            return
        group = self.draft.group(name, self.document.where(*keys))
        for section, value in self._map(body, keys).items():
            below = (*keys, section)
            if section == "vars":
                self._group_variables(group, value, below)
            elif section == "hosts":
                for entry, variables in self._map(value, below).items():
                    self._hosts(group, entry, variables, (*below, entry))
            elif section == "children":
                for child, content in self._map(value, below).items():
                    if child == "all":
                        self.refuse((*below, child), "`all` as a child", "remove it; `all` contains every group")
                    else:
                        group.children[child] = None
                        self.group(child, content, (*below, child))
            else:
                close = did_you_mean(section, _SECTIONS)
                self.refuse(below, f"unknown key `{section}`", f"{close}known keys: {listed(_SECTIONS)}")

    def variables(self, value: object, keys: Keys = ()) -> dict[str, Setting]:
        """The variables of one map, with their places; names that no template could use are refused."""
        found = self._map(value, keys)
        for name in found:
            if not _VARIABLE.match(name):
                advice = "use letters, digits and _ only"
                self.refuse((*keys, name), f"`{name}` is not a valid name of a variable", advice)
        return {name: Setting(item, self.document.where(*keys, name)) for name, item in found.items()}

    def refuse(self, keys: Keys, found: str, advice: str) -> None:
        """Note a problem at a place of the document."""
        self.draft.refuse(self.document.where(*keys), found, advice)

    def _group_variables(self, group: Group, value: object, keys: Keys) -> None:
        found = self.variables(value, keys)
        priority = found.pop("ansible_group_priority", None)
        if priority is not None and type(priority.value) is int:
            group.priority = priority.value
        elif priority is not None:
            found_value = f"expected a whole number, found {named(priority.value)}"
            self.draft.refuse(priority.where, found_value, "correct the priority")
        self.draft.set_variables(group.inline, found, f"the group {group.name}")

    def _hosts(self, group: Group, entry: str, body: object, keys: Keys) -> None:
        try:
            names, port = expand(entry)
        except BadRangeError as error:
            self.refuse(keys, f"invalid host range: {error}", "write it as web[01:10], db[a:c] or node[1:9:2]")
            return
        where = self.document.where(*keys)
        variables = self.variables(body, keys)
        if port is not None:
            variables.setdefault("ansible_port", Setting(port, where))
        for name in names:
            if name in group.hosts:
                first = self.draft.hosts[name].where
                found = f"duplicate host: {name} is already in the group {group.name}, see {first}"
                self.refuse(keys, found, f"list it once; its variables belong in host_vars/{name}.yml")
            elif self._name_is_good("host", name, keys):
                group.hosts[name] = None
                host = self.draft.hosts.setdefault(name, Owner(name, where))
                self.draft.set_variables(host.inline, variables, f"duplicate host: {name}")

    def _name_is_good(self, what: str, name: str, keys: Keys) -> bool:
        if _NAME.match(name):
            return True
        advice = "use letters, digits, `.`, `_` and `-`; an address goes into ansible_host"
        self.refuse(keys, f"`{name}` is not a valid name of a {what}", advice)
        return False

    def _map(self, value: object, keys: Keys) -> dict[str, object]:
        if value is not None and not isinstance(value, dict):
            self.refuse(keys, f"expected a map, found {named(value)}", "write `key: value` lines below it")
        return value if isinstance(value, dict) else {}
