"""Reads hosts.yml: all / children / hosts / vars in Ansible's shape, with every mistake named at its line."""

import re
from collections.abc import Callable

from cutover.decide.inventory.draft import Draft, Group, HostEntry, Setting
from cutover.decide.inventory.ranges import BadRangeError, expand
from cutover.decide.suggest import did_you_mean
from cutover.decide.yamlfile import Document, Keys, read, shown

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
