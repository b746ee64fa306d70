"""Reads group_vars/ and host_vars/: `<name>.yml`, or a directory `<name>/`, its files in order of name."""

from collections.abc import Iterable
from pathlib import Path

from cutover.decide.inventory.draft import Draft, Setting
from cutover.decide.inventory.hostsfile import settings
from cutover.decide.suggest import did_you_mean, listed
from cutover.decide.yamlfile import read, shown

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
