"""Reads hosts.yml: all / children / hosts / vars in Ansible's shape, with every mistake named at its line."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_letters

from cutover.core.errors import Problem
from cutover.inventory.declarations import did_you_mean
from cutover.inventory.yamlfile import Document, Keys, read, shown

# What the files of an inventory say, before anything is worked out from it.


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


# Host ranges as in Ansible: `web[01:10]`, `db[a:c]`, `node[1:9:2]`, several in one name.

MOST = 10_000  # hosts out of one entry; more is a slip of the finger, and would eat the memory
_RANGE = re.compile(r"\[([^\[\]]*)\]")
_PORT = re.compile(r"(?P<name>.+):(?P<port>\d+)\Z")


class BadRangeError(ValueError):
    """A host range that cannot be read; the message says why."""


def expand(entry: str) -> tuple[tuple[str, ...], int | None]:
    """The names that one entry of `hosts:` stands for, and the port where it is written as `name:port`."""
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
        raise BadRangeError(f"it stands for more than {MOST} hosts")
    return [head + one + rest for one in middle for rest in tail]


def _members(inside: str) -> list[str]:
    fields = inside.split(":")
    if len(fields) not in (2, 3) or not fields[1]:
        raise BadRangeError(f"`[{inside}]` is not [first:last] or [first:last:step]")
    first, last = fields[0] or "0", fields[1]
    if len(fields) == 3 and not (fields[2].isdecimal() and int(fields[2]) > 0):
        raise BadRangeError(f"the step of `[{inside}]` is not a whole number above 0")
    step = int(fields[2]) if len(fields) == 3 else 1
    if first.isdecimal() and last.isdecimal() and (first + last).isascii():
        return _numbers(inside, first, last, step)
    if len(first) == len(last) == 1 and first in ascii_letters and last in ascii_letters:
        begin, end = ascii_letters.index(first), ascii_letters.index(last)
        return list(ascii_letters[_upward(inside, begin, end) : end + 1 : step])
    raise BadRangeError(f"the ends of `[{inside}]` are neither two numbers nor two letters")


def _numbers(inside: str, first: str, last: str, step: int) -> list[str]:
    width = len(first) if len(first) > 1 and first.startswith("0") else 0
    if width and len(last) != width:
        raise BadRangeError(f"the ends of `[{inside}]` differ in length, though the first has leading zeros")
    begin, end = int(first), int(last)
    if (end - begin) // step >= MOST:
        raise BadRangeError(f"it stands for more than {MOST} hosts")
    return [str(number).zfill(width) for number in range(_upward(inside, begin, end), end + 1, step)]


def _upward(inside: str, begin: int, end: int) -> int:
    if begin > end:
        raise BadRangeError(f"`[{inside}]` counts downward")
    return begin


# Works out the tree of groups: cycles, depths, the group of the environment's own name, who is in what.


def find_cycle(draft: Draft) -> tuple[str, ...]:
    """A chain of groups that ends where it begins, or nothing."""
    finished: set[str] = set()

    def walk(name: str, chain: tuple[str, ...]) -> tuple[str, ...]:
        if name in chain:
            return (*chain[chain.index(name) :], name)
        if name not in finished:
            for child in draft.groups[name].children:
                if cycle := walk(child, (*chain, name)):
                    return cycle
            finished.add(name)
        return ()

    return next((cycle for name in draft.groups if (cycle := walk(name, ()))), ())


def complete(draft: Draft) -> None:
    """Make `all`, `ungrouped` and the environment's own group, and note how deep each group lies.

    A made environment group stands between `all` and the rest, so its variables are weaker than those of its groups.
    """
    every = draft.group("all", "")
    ungrouped = draft.group("ungrouped", "")
    own = draft.group(draft.environment, "")
    parents = {child for group in draft.groups.values() for child in group.children}
    grouped = {host for name, group in draft.groups.items() if name not in ("all", "ungrouped") for host in group.hosts}
    ungrouped.hosts.update(dict.fromkeys(host for host in draft.hosts if host not in grouped))
    for name in draft.groups:
        if name != "all" and name not in parents:
            every.children[name] = None
    _environment(draft, every, own)
    _depths(draft)


def _environment(draft: Draft, every: Group, own: Group) -> None:
    if own in (every, draft.groups["ungrouped"]):
        return
    if not own.hosts and not own.children and own.name in every.children:
        own.children.update(dict.fromkeys(name for name in every.children if name != own.name))
        every.children = {own.name: None}
    missing = [name for name in draft.hosts if name not in members(draft, own.name)]
    if missing:
        found = f"the group {own.name}, which means the whole environment, lacks {', '.join(missing)}"
        draft.refuse(own.where, found, "add them, or leave the group empty: then it is filled with every host")


def _depths(draft: Draft) -> None:
    """The longest way from `all`, as Ansible counts it."""
    waiting = [("all", 0)]
    while waiting:
        name, depth = waiting.pop()
        group = draft.groups[name]
        if depth >= group.depth:
            group.depth = depth
            waiting += [(child, depth + 1) for child in group.children]


def members(draft: Draft, name: str) -> dict[str, None]:
    """Every host of a group and the groups below it, in the order of the file."""
    seen: set[str] = set()
    hosts: set[str] = set()
    waiting = [name]
    while waiting:
        group = draft.groups[waiting.pop()]
        if group.name not in seen:
            seen.add(group.name)
            hosts.update(group.hosts)
            waiting += group.children
    return dict.fromkeys(host for host in draft.hosts if name == "all" or host in hosts)


_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SECTIONS = ("hosts", "children", "vars")
_SHAPE = "a group holds `hosts:`, `children:` and `vars:`, each a mapping, or nothing"


def read_hosts_file(draft: Draft) -> None:
    """Fill the draft from hosts.yml of its directory."""
    path = draft.directory / "hosts.yml"
    if not path.is_file():
        others = [
            name for name in ("hosts.yaml", "hosts", "hosts.ini", "inventory.yml") if (path.parent / name).exists()
        ]
        advice = f"rename {others[0]} to hosts.yml (YAML only)" if others else "write `all:` with `hosts:` into it"
        draft.refuse(shown(path), "the inventory has no hosts.yml", advice)
        return
    document = read(path, draft.problems)
    if document is None:
        return
    if not isinstance(document.value, dict) or not document.value:
        draft.refuse(
            document.name, f"holds {_kind(document.value)}, no groups", "start with `all:` and `hosts:` below it"
        )
        return
    _HostsFile(draft, document).read(document.value)


def settings(draft: Draft, document: Document, value: object, keys: Keys) -> dict[str, Setting]:
    """The variables of one mapping, with their places; names that no template could use are refused."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        draft.refuse(document.where(*keys), f"holds {_kind(value)}, no variables", "write `name: value` lines")
        return {}
    found: dict[str, Setting] = {}
    for name, item in value.items():
        where = document.where(*keys, name)
        if _VARIABLE.match(name):
            found[name] = Setting(item, where)
        else:
            draft.refuse(where, f"`{name}` is no name for a variable", "use letters, digits and _ only")
    return found


class _HostsFile:
    """The walk through the document, in its order, which is the order of the hosts."""

    def __init__(self, draft: Draft, document: Document) -> None:
        self.draft = draft
        self.document = document

    def read(self, top: dict[str, object]) -> None:
        for name, body in top.items():
            if name in _SECTIONS:
                self._refuse((name,), f"`{name}:` stands at the top level", "put it below a group, such as `all:`")
            elif name == "plugin":
                self._refuse((name,), "a dynamic inventory", "write the hosts down; plugins are not run")
            else:
                self._group(name, body, (name,))

    def _group(self, name: str, body: object, keys: Keys) -> None:
        if not self._name_is_good("group", name, keys):
            return
        group = self.draft.group(name, self.document.where(*keys))
        if body is None:
            return
        if not isinstance(body, dict):
            self._refuse(keys, f"the group holds {_kind(body)}", _SHAPE)
            return
        readers: dict[str, Callable[[Group, str, object, Keys], None]] = {"hosts": self._hosts, "children": self._child}
        for section, value in body.items():
            below = (*keys, section)
            if section == "vars":
                self._group_variables(group, value, below)
            elif section not in readers:
                self._refuse(below, f"`{section}` is not known in a group", did_you_mean(section, _SECTIONS) + _SHAPE)
            elif value is not None and not isinstance(value, dict):
                self._refuse(below, f"`{section}:` holds {_kind(value)}", "write each name with a colon: `name:`")
            else:
                for entry, content in (value or {}).items():
                    readers[section](group, entry, content, (*below, entry))

    def _child(self, group: Group, name: str, body: object, keys: Keys) -> None:
        if name == "all":
            self._refuse(keys, "`all` as a child", "`all` holds every group already; remove it here")
            return
        group.children[name] = None
        self._group(name, body, keys)

    def _group_variables(self, group: Group, value: object, keys: Keys) -> None:
        found = settings(self.draft, self.document, value, keys)
        priority = found.pop("ansible_group_priority", None)
        if priority is not None:
            if isinstance(priority.value, int) and not isinstance(priority.value, bool):
                group.priority = priority.value
            else:
                self.draft.refuse(priority.where, f"a priority of {priority.value!r}", "give a whole number")
        self.draft.set_variables(group.inline, found, f"the group {group.name}")

    def _hosts(self, group: Group, entry: str, body: object, keys: Keys) -> None:
        try:
            names, port = expand(entry)
        except BadRangeError as error:
            self._refuse(
                keys, f"the host range is malformed: {error}", "write it as web[01:10], db[a:c] or node[1:9:2]"
            )
            return
        variables = settings(self.draft, self.document, body, keys)
        if port is not None:
            variables.setdefault("ansible_port", Setting(port, self.document.where(*keys)))
        for name in names:
            if self._name_is_good("host", name, keys):
                self._host(group, name, variables, keys)

    def _host(self, group: Group, name: str, variables: dict[str, Setting], keys: Keys) -> None:
        where = self.document.where(*keys)
        if name in group.hosts:
            found = f"duplicate host: {name} is already in the group {group.name}, see {self.draft.hosts[name].where}"
            self.draft.refuse(where, found, f"list it once; its variables belong in host_vars/{name}.yml")
            return
        group.hosts[name] = None
        host = self.draft.hosts.setdefault(name, HostEntry(name, where))
        self.draft.set_variables(host.inline, variables, f"duplicate host: {name}")

    def _name_is_good(self, what: str, name: str, keys: Keys) -> bool:
        if _NAME.match(name):
            return True
        advice = "use letters, digits, `.`, `_` and `-`; an address goes into ansible_host"
        self._refuse(keys, f"`{name}` is no name for a {what}", advice)
        return False

    def _refuse(self, keys: Keys, found: str, advice: str) -> None:
        self.draft.refuse(self.document.where(*keys), found, advice)


def _kind(value: object) -> str:
    names = {list: "a list", dict: "a mapping", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    return "nothing" if value is None else names[type(value)]
