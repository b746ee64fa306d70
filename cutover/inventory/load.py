"""Loads the inventory of one environment from its directory, or refuses it with everything that is wrong."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cutover.core.errors import Problem, UsageError
from cutover.core.host import Host
from cutover.inventory.connection import connect
from cutover.inventory.declarations import did_you_mean, listed
from cutover.inventory.hosts import (
    Draft,
    Group,
    HostEntry,
    Setting,
    complete,
    find_cycle,
    members,
    read_hosts_file,
    settings,
)
from cutover.inventory.patterns import choose, split
from cutover.inventory.variables import together
from cutover.inventory.yamlfile import read, shown

# Finds the environment that a command means: by `--inventory`, by the pattern, or by the configured default.


def locate(pattern: str, inventory_option: str, root: Path, default: str = "") -> Path:
    """The directory of the inventory; `root` is where inventory/ lies, and where a relative `--inventory` starts."""
    if found := named(pattern, inventory_option, root):
        return found
    if default:
        return given(default, root, "CUTOVER_INVENTORY")
    environments = _environments(root)
    words = _words(pattern)
    found_words = f"`{pattern}` does not say which environment is meant" if words else "no environment is named"
    close = did_you_mean(words[0], environments) if words else ""
    advice = f"{close}begin the pattern with one of {listed(environments)}, or give --inventory DIR"
    raise UsageError(Problem(found_words, advice, path="--hosts"))


def named(pattern: str, inventory_option: str, root: Path) -> Path | None:
    """The directory that the option or the pattern names; None where they name none. UsageError where they name two."""
    if inventory_option:
        return given(inventory_option, root)
    environments = _environments(root)
    meant = list(dict.fromkeys(word for word in _words(pattern) if word in environments))
    if len(meant) > 1:
        found = f"the pattern `{pattern}` spans the environments {' and '.join(meant)}"
        advice = "run it once for each; where one of them is meant as a group, name the environment with --inventory"
        raise UsageError(Problem(found, advice, path="--hosts"))
    return root / "inventory" / meant[0] if meant else None


def _words(pattern: str) -> list[str]:
    return [part.word for part in split(pattern) if part.is_plain and part.operator != "!"]


def given(option: str, root: Path, said_by: str = "--inventory") -> Path:
    """The directory that an option names: a path, its hosts.yml, or just the name of an environment."""
    for path in (root / Path(option).expanduser(), root / "inventory" / option):
        if path.is_dir():
            return path
        if path.is_file() and path.name == "hosts.yml":
            return path.parent
    environments = _environments(root)
    advice = f"{did_you_mean(Path(option).name, environments)}there are {listed(environments)}"
    raise UsageError(Problem(f"no inventory at {option}", advice, path=said_by))


def _environments(root: Path) -> list[str]:
    top = root / "inventory"
    return (
        sorted(path.name for path in top.iterdir() if path.is_dir() and not path.name.startswith("."))
        if top.is_dir()
        else []
    )


# The inventory of one environment, loaded and checked: its hosts, its groups, and what a pattern picks.


@dataclass(frozen=True)
class Inventory:
    """Hosts by name in the order of hosts.yml, and groups with the names of all their hosts in that order."""

    directory: Path
    environment: str
    hosts: Mapping[str, Host]
    groups: Mapping[str, tuple[str, ...]]

    @property
    def known_hosts(self) -> Path:
        """The pinned host keys of this environment."""
        return self.directory / "known_hosts"

    def select(self, pattern: str, limit: str = "") -> tuple[Host, ...]:
        """The hosts of a pattern that are also in the limit, in the order of the file; never none."""
        names = choose(pattern, "--hosts", self.groups, self.hosts)
        if limit:
            within = set(choose(limit, "--limit", self.groups, self.hosts))
            names = tuple(name for name in names if name in within)
        if not names:
            found = f"--hosts {pattern} and --limit {limit} have no host in common"
            raise UsageError(
                Problem(found, "widen one of the two; `./invokew hosts.list` shows the groups", path="--limit")
            )
        return tuple(self.hosts[name] for name in names)


# Reads group_vars/ and host_vars/: `<name>.yml`, or a directory `<name>/`, its files in order of name.

_SUFFIXES = ("", ".yml", ".yaml", ".json")  # as Ansible has it; JSON is YAML


def read_variable_files(draft: Draft) -> None:
    """Add the variables of group_vars/ and host_vars/ to the groups and hosts of the draft."""
    for name, path in _owners(draft, "group_vars"):
        if name in draft.groups:
            found = _variables(draft, path)
            priority = found.pop("ansible_group_priority", None)
            if priority is not None:
                advice = "set it in hosts.yml, below `vars:` of the group; as in Ansible it has no effect here"
                draft.refuse(priority.where, "ansible_group_priority in group_vars/", advice)
            draft.groups[name].files.update(found)
        else:
            _unknown(draft, path, "group", name, draft.groups, draft.hosts)
    for name, path in _owners(draft, "host_vars"):
        if name in draft.hosts:
            draft.hosts[name].files.update(_variables(draft, path))
        else:
            _unknown(draft, path, "host", name, draft.hosts, draft.groups)


def _owners(draft: Draft, folder: str) -> list[tuple[str, Path]]:
    """Each group or host that has variables there, with its file or directory."""
    top = draft.directory / folder
    if not top.is_dir():
        return []
    found: dict[str, Path] = {}
    for path in _readable(top):
        name = path.stem if path.suffix in _SUFFIXES[1:] else path.name
        if name in found:
            advice = "keep one of them, since Ansible reads only one"
            draft.refuse(shown(path), f"{name} has its variables in {found[name].name} as well", advice)
        else:
            found[name] = path
    return list(found.items())


def _readable(folder: Path) -> list[Path]:
    """What Ansible would read there, in order: no hidden files, no editor's copies, no notes."""
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".")
        and not path.name.endswith("~")
        and (path.is_dir() or path.suffix in _SUFFIXES[1:] or "." not in path.name)
    )


def _variables(draft: Draft, path: Path) -> dict[str, Setting]:
    """The variables of a file, or of all files below a directory, where a later file wins."""
    if path.is_dir():
        merged: dict[str, Setting] = {}
        for below in _readable(path):
            merged.update(_variables(draft, below))
        return merged
    document = read(path, draft.problems)
    return settings(draft, document, document.value, ()) if document else {}


def _unknown(draft: Draft, path: Path, what: str, name: str, known: Iterable[str], other: Iterable[str]) -> None:
    elsewhere = {"group": "host", "host": "group"}[what]
    if name in other:
        advice = f"{name} is a {elsewhere}: move the file to {elsewhere}_vars/"
    else:
        advice = f"{did_you_mean(name, known)}rename or remove it; {what}s: {listed(known)}"
    draft.refuse(shown(path), f"variables of a {what} `{name}` that the inventory does not have", advice)


def load(directory: Path) -> Inventory:
    """The inventory in a directory such as inventory/prod; UsageError with all its problems at once."""
    draft = Draft(directory, directory.absolute().name)
    read_hosts_file(draft)
    if not draft.groups:
        raise UsageError(draft.problems)
    if cycle := find_cycle(draft):
        found = f"the groups hold each other: {' -> '.join(cycle)}"
        draft.refuse(draft.groups[cycle[0]].where, found, "take one of them out of the `children:` of the other")
        raise UsageError(draft.problems)
    complete(draft)
    read_variable_files(draft)
    groups = {name: tuple(members(draft, name)) for name in draft.groups}
    _check_names(draft)
    hosts = _hosts(draft, groups)
    _check_addresses(draft, hosts)
    if draft.problems:
        raise UsageError(together(draft.problems))
    return Inventory(directory, draft.environment, hosts, groups)


def _check_names(draft: Draft) -> None:
    if not draft.hosts and not draft.problems:
        draft.refuse(shown(draft.directory / "hosts.yml"), "the inventory has no host", "list one below `hosts:`")
    for name in draft.hosts:
        if name in draft.groups:
            advice = "rename one of them, so that a pattern means one thing"
            draft.refuse(draft.hosts[name].where, f"`{name}` is the name of a host and of a group", advice)


def _hosts(draft: Draft, groups: dict[str, tuple[str, ...]]) -> dict[str, Host]:
    """Every host with its groups, its variables after precedence, and its connection."""
    within: dict[str, list[Group]] = {name: [] for name in draft.hosts}
    for name, names in groups.items():
        for host in names:
            within[host].append(draft.groups[name])
    hosts = {}
    for name, entry in draft.hosts.items():
        ordered = sorted(within[name], key=lambda group: (group.depth, group.priority, group.name))
        settings = _settings(draft.groups["all"], [group for group in ordered if group.name != "all"], entry)
        own = {key: setting for key, setting in settings.items() if not key.startswith("ansible_")}
        bare = Host(
            name=name,
            address=name,
            environment=draft.environment,
            known_hosts=draft.directory / "known_hosts",
            groups=tuple(group.name for group in ordered if group.name != "all"),
            variables={key: setting.value for key, setting in own.items()},
            origins={key: setting.where for key, setting in own.items()},
        )
        known = connect(bare, settings, draft.directory, draft.problems)
        hosts[name] = replace(bare, **known)  # type: ignore[arg-type]  # connect has checked each value's type by its name
    return hosts


def _settings(every: Group, groups: list[Group], host: HostEntry) -> dict[str, Setting]:
    """Ansible's precedence, weakest first: any file of group_vars/ is stronger than any `vars:` in hosts.yml."""
    layers = [every.inline, *(group.inline for group in groups), every.files, *(group.files for group in groups)]
    merged: dict[str, Setting] = {}
    for layer in (*layers, host.inline, host.files):
        merged.update(layer)
    return merged


def _check_addresses(draft: Draft, hosts: dict[str, Host]) -> None:
    """Two names for one machine would cut it over twice."""
    first: dict[tuple[str, int, str | None], str] = {}
    for host in hosts.values():
        key = (host.address.lower(), host.port or 22, host.proxy_jump)
        other = first.setdefault(key, host.name)
        if other != host.name:
            found = f"duplicate host: {host.name} and {other} are both {host.address}, port {host.port or 22}"
            draft.refuse(draft.hosts[host.name].where, found, "remove one, or correct ansible_host or ansible_port")
