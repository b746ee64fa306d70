"""Loads the inventory of one environment from its directory, or refuses it with everything that is wrong."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cutover.core.errors import Problem, UsageError
from cutover.core.host import Host
from cutover.inventory.connection import connect
from cutover.inventory.hosts import Draft, Group, Owner, Setting, Walk, add_implied_groups, members, read_hosts_file
from cutover.inventory.patterns import choose, split
from cutover.inventory.schema import did_you_mean, listed
from cutover.inventory.yamlfile import read, shown


def locate(pattern: str, inventory_option: str, root: Path, default: str = "") -> Path:
    """The directory of the inventory: by `--inventory`, by the pattern, or by the configured default.

    `root` is where inventory/ lies, and where a relative `--inventory` starts.
    """
    if found := named(pattern, inventory_option, root):
        return found
    if default:
        return given(default, root, "CUTOVER_INVENTORY")
    environments = _environments(root)
    words = _words(pattern)
    found_words = f"`{pattern}` names no environment" if words else "no environment is given"
    close = did_you_mean(words[0], environments) if words else ""
    advice = f"{close}start the pattern with one of {listed(environments)}, or give --inventory DIR"
    raise UsageError(Problem(found_words, advice, path="--hosts"))


def named(pattern: str, inventory_option: str, root: Path) -> Path | None:
    """The directory that the option or the pattern names; None where they name none. UsageError where they name two."""
    if inventory_option:
        return given(inventory_option, root)
    environments = _environments(root)
    meant = list(dict.fromkeys(word for word in _words(pattern) if word in environments))
    if len(meant) > 1:
        found = f"the pattern `{pattern}` spans the environments {' and '.join(meant)}"
        advice = "run it once for each; if one of them is meant as a group, name the environment with --inventory"
        raise UsageError(Problem(found, advice, path="--hosts"))
    return root / "inventory" / meant[0] if meant else None


def _words(pattern: str) -> list[str]:
    return [part.word for part in split(pattern) if part.is_plain and part.operator != "!"]


def given(option: str, root: Path, source: str = "--inventory") -> Path:
    """The directory that an option names: a path, its hosts.yml, or just the name of an environment."""
    for path in (root / Path(option).expanduser(), root / "inventory" / option):
        if path.is_dir():
            return path
        if path.is_file() and path.name == "hosts.yml":
            return path.parent
    environments = _environments(root)
    advice = f"{did_you_mean(Path(option).name, environments)}environments: {listed(environments)}"
    raise UsageError(Problem(f"no inventory at {option}", advice, path=source))


def _environments(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "inventory").glob("[!.]*") if path.is_dir())


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
        """The hosts of a pattern that are also in the limit, in the order of the file; never empty."""
        names = choose(pattern, "--hosts", self.groups, self.hosts)
        if limit:
            within = set(choose(limit, "--limit", self.groups, self.hosts))
            names = tuple(name for name in names if name in within)
        if not names:
            found = f"--hosts {pattern} and --limit {limit} have no host in common"
            advice = "widen one of the two; `./invokew hosts.list` shows the groups"
            raise UsageError(Problem(found, advice, path="--limit"))
        return tuple(self.hosts[name] for name in names)


# group_vars/ and host_vars/ have `<name>.yml`, or a directory `<name>/`, its files in order of name.

_SUFFIXES = (".yml", ".yaml", ".json")  # as Ansible has it, and no suffix at all; JSON is YAML


def read_variable_files(draft: Draft) -> None:
    """Add the variables of group_vars/ and host_vars/ to the groups and hosts of the draft."""
    for name, path in _files(draft, "group", draft.groups).items():
        found = _variables(draft, path)
        if priority := found.pop("ansible_group_priority", None):
            advice = "set it in hosts.yml, below `vars:` of the group; as in Ansible it has no effect here"
            draft.refuse(priority.where, "ansible_group_priority in group_vars/", advice)
        draft.groups[name].files.update(found)
    for name, path in _files(draft, "host", draft.hosts).items():
        draft.hosts[name].files.update(_variables(draft, path))


def _files(draft: Draft, kind: str, known: Iterable[str]) -> dict[str, Path]:
    """The file or directory of each group or host that has variables there."""
    found: dict[str, Path] = {}
    for path in _readable(draft.directory / f"{kind}_vars"):
        name = path.stem if path.suffix in _SUFFIXES else path.name
        if name in found:
            also = f"{name} also has variables in {found[name].name}"
            draft.refuse(shown(path), also, "keep one; Ansible reads only one")
        elif name in known:
            found[name] = path
        else:
            advice = f"{did_you_mean(name, known)}rename, move or remove it; {kind}s: {listed(known)}"
            draft.refuse(shown(path), f"variables of the {kind} `{name}`, which is not in the inventory", advice)
    return found


def _readable(folder: Path) -> list[Path]:
    """What Ansible reads there, in order: no hidden files, editors' copies or notes."""
    return sorted(
        path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if not path.name.startswith(".")
        and not path.name.endswith("~")
        and (path.is_dir() or path.suffix in _SUFFIXES or "." not in path.name)
    )


def _variables(draft: Draft, path: Path) -> dict[str, Setting]:
    """The variables of a file, or of all files below a directory, where a later file wins."""
    if path.is_dir():
        return {name: one for below in _readable(path) for name, one in _variables(draft, below).items()}
    document = read(path, draft.problems)
    return Walk(draft, document).variables(document.value) if document else {}


def load(directory: Path) -> Inventory:
    """The inventory in a directory such as inventory/prod; UsageError with all its problems at once."""
    draft = Draft(directory, directory.absolute().name)
    read_hosts_file(draft)
    if not draft.groups:
        raise UsageError(draft.problems)
    add_implied_groups(draft)
    groups = members(draft)
    read_variable_files(draft)
    if not draft.hosts and not draft.problems:
        draft.refuse(shown(directory / "hosts.yml"), "the inventory has no host", "list one below `hosts:`")
    for name in draft.hosts:
        if name in draft.groups:
            advice = "rename one of them, so that a pattern means one thing"
            draft.refuse(draft.hosts[name].where, f"`{name}` is the name of a host and of a group", advice)
    hosts = _hosts(draft, groups)
    _check_addresses(draft, hosts)
    if draft.problems:
        raise UsageError(draft.problems)
    return Inventory(directory, draft.environment, hosts, groups)


def _hosts(draft: Draft, groups: dict[str, tuple[str, ...]]) -> dict[str, Host]:
    """Every host with its groups, its variables after precedence, and its connection."""
    within: dict[str, list[Group]] = {name: [] for name in draft.hosts}
    for group in sorted(draft.groups.values(), key=lambda group: (group.depth, group.priority, group.name)):
        for host in groups[group.name]:
            if group.name != "all":
                within[host].append(group)
    hosts = {}
    for name, owner in draft.hosts.items():
        merged = _settings(draft.groups["all"], within[name], owner)
        own = {key: setting for key, setting in merged.items() if not key.startswith("ansible_")}
        hosts[name] = Host(
            **{"name": name, "address": name, **connect(name, merged, draft.directory, draft.problems)},
            environment=draft.environment,
            known_hosts=draft.directory / "known_hosts",
            groups=tuple(group.name for group in within[name]),
            variables={key: setting.value for key, setting in own.items()},
            origins={key: setting.where for key, setting in own.items()},
        )
    return hosts


def _settings(every: Group, groups: list[Group], host: Owner) -> dict[str, Setting]:
    """Ansible's precedence, weakest first: any file of group_vars/ is stronger than any `vars:` in hosts.yml."""
    layers = [every.inline, *(group.inline for group in groups), every.files, *(group.files for group in groups)]
    return {name: setting for layer in (*layers, host.inline, host.files) for name, setting in layer.items()}


def _check_addresses(draft: Draft, hosts: dict[str, Host]) -> None:
    """Two names for one machine would cut it over twice."""
    first: dict[tuple[str, int, str | None], str] = {}
    for host in hosts.values():
        other = first.setdefault((host.address.lower(), host.port or 22, host.proxy_jump), host.name)
        if other != host.name:
            found = f"duplicate host: {host.name} and {other} are both {host.address}, port {host.port or 22}"
            draft.refuse(draft.hosts[host.name].where, found, "remove one, or correct ansible_host or ansible_port")
