"""Loads the inventory of one environment from its directory, or refuses it with everything that is wrong."""

from dataclasses import replace
from pathlib import Path

from cutover.decide.inventory.connection import connect
from cutover.decide.inventory.draft import Draft, Group, HostEntry, Setting
from cutover.decide.inventory.hostsfile import read_hosts_file
from cutover.decide.inventory.model import Inventory
from cutover.decide.inventory.tree import complete, find_cycle, members
from cutover.decide.inventory.varsfiles import read_variable_files
from cutover.decide.together import together
from cutover.decide.yamlfile import shown
from cutover.words.errors import UsageError
from cutover.words.host import Host


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
