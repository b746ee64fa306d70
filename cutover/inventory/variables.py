"""Gives every declared variable its value for one host: the inventory's, else the default; all errors at once."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any

from cutover.core.errors import Problem, UsageError
from cutover.core.host import Host
from cutover.core.secret import Secret
from cutover.inventory.declarations import (
    BUILT_IN,
    Declaration,
    Declarations,
    NotPlainError,
    did_you_mean,
    expand,
    is_source,
    listed,
)

# Reads a secret on the controller, from the environment or a file, when a plan is made.

SecretReader = Callable[[Mapping[str, str], Path], Secret]


class NoSecretError(LookupError):
    """The secret is not there; the message says what is missing."""


def read_secret(source: Mapping[str, str], start: Path) -> Secret:
    """The secret of `{env: NAME}` or `{file: path}`; a relative path starts at `start`, the inventory's directory."""
    if "env" in source:
        text = os.environ.get(source["env"], "")
        if not text:
            raise NoSecretError(f"the environment variable {source['env']} is unset or empty")
        return Secret(text)
    path = start / Path(source["file"]).expanduser()
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise NoSecretError(f"the file {source['file']} cannot be read: {reason}") from error
    if not text:
        raise NoSecretError(f"the file {source['file']} is empty")
    return Secret(text)


# Puts the same problem of several hosts into one, so that a slip in group_vars/ is told once and not once a host.


def together(problems: Iterable[Problem]) -> list[Problem]:
    """The problems in their order, those that differ only in the host as one that lists the hosts."""
    hosts: dict[Problem, dict[str, None]] = {}
    for problem in problems:
        hosts.setdefault(replace(problem, host=""), {})[problem.host] = None
    return [
        replace(problem, host=next(iter(names)))
        if len(names) == 1
        else replace(problem, found=f"{problem.found} (hosts: {listed(name for name in names if name)})")
        for problem, names in hosts.items()
    ]


OF_DEFAULT = ".default"  # how the origin of a value ends that the inventory does not set


class UndeclaredError(UsageError, KeyError):
    """A role or a template asks for a variable that no role declares; a KeyError too, as a mapping's own."""


@dataclass(frozen=True)
class Variables(Mapping[str, Any]):
    """The variables of one host, by name; `origins` says where each value was written."""

    host: str
    entries: Mapping[str, Any]
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __getitem__(self, name: str) -> Any:
        if name not in self.entries:
            advice = f"{did_you_mean(name, self.entries)}declare it there, or correct who asks for it"
            raise UndeclaredError(
                Problem(f"no role declares `{name}`, and it is asked for", advice, self.host, "roles/*/defaults.yml")
            )
        return self.entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def is_set(self, name: str) -> bool:
        """Whether the inventory sets it; what is not set has the default of its role."""
        return not self.origins.get(name, "").endswith(OF_DEFAULT)

    def masked(self) -> dict[str, Any]:
        """The values as plan and evidence may hold them: each secret as its digest."""
        return {name: mask(value) for name, value in self.entries.items()}


def mask(value: object) -> Any:
    """A value with each secret in it replaced by its digest."""
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, dict):
        return {key: mask(item) for key, item in value.items()}
    return [mask(item) for item in value] if isinstance(value, list) else value


def resolve(host: Host, declared: Declarations, reader: SecretReader = read_secret) -> Variables:
    """The variables of a host, and its own names such as `inventory_hostname`; UsageError with all that is wrong."""
    resolver = _Resolver(host, declared, reader)
    for name in host.variables:
        if name not in declared:
            advice = f"{did_you_mean(name, declared)}correct or remove it; roles/*/defaults.yml declare what there is"
            resolver.refuse(name, f"unknown variable `{name}`", advice)
    values = {name: resolver.value(name) for name in declared}
    if resolver.problems:
        raise UsageError(resolver.problems)
    return Variables(host.name, host.names | values, {name: resolver.where(name) for name in declared})


def resolve_all(hosts: Iterable[Host], declared: Declarations) -> dict[str, Variables]:
    """The variables of every host, by its name; UsageError with what is wrong on any of them."""
    found: dict[str, Variables] = {}
    problems: list[Problem] = []
    for host in hosts:
        try:
            found[host.name] = resolve(host, declared)
        except UsageError as error:
            problems += error.problems
    if problems:
        raise UsageError(together(problems))
    return found


class _Broken(Enum):
    """Stands for a value that has a problem already, so that what refers to it says nothing more."""

    BROKEN = auto()


class _BrokenReferenceError(Exception):
    """A reference leads to a broken value."""


class _Resolver:
    """Works the values out, each once, following references."""

    def __init__(self, host: Host, declared: Declarations, reader: SecretReader) -> None:
        self.host = host
        self.declared = declared
        self.reader = reader
        self.problems: list[Problem] = []
        self._done: dict[str, object] = {}
        self._open: list[str] = []

    def where(self, name: str) -> str:
        if name in self.host.variables:
            return self.host.origins.get(name, "")
        return f"{self.declared[name].where}{OF_DEFAULT}"

    def refuse(self, name: str, found: str, advice: str) -> None:
        self.problems.append(Problem(found, advice, host=self.host.name, path=self.where(name)))

    def value(self, name: str) -> object:
        if name not in self._done:
            self._open.append(name)
            self._done[name] = self._work_out(self.declared[name])
            self._open.pop()
        return self._done[name]

    def _work_out(self, entry: Declaration) -> object:
        if entry.name in self.host.variables:
            raw: object = self.host.variables[entry.name]
        elif entry.required:
            places = f"group_vars/{self.host.environment}.yml or host_vars/{self.host.name}.yml"
            advice = f"set it in {places}: {entry.wanted()}, for example {entry.example}"
            found = f"`{entry.name}` is required by the role {entry.role} and not set: {entry.doc}"
            self.problems.append(Problem(found, advice, host=self.host.name, path=entry.where))
            return _Broken.BROKEN
        else:
            raw = entry.default
        if entry.secret:
            return self._secret(entry, raw)
        return self._plain(entry, raw)

    def _secret(self, entry: Declaration, raw: object) -> object:
        if raw == "":
            return Secret("")  # none; a template asks `{% if name %}`
        if isinstance(raw, dict) and is_source(raw):
            try:
                return self.reader(raw, self.host.known_hosts.parent)
            except NoSecretError as error:
                self.refuse(entry.name, f"the secret `{entry.name}`: {error}", "provide it where this command runs")
                return _Broken.BROKEN
        if isinstance(raw, str) and "{{" in raw:
            value = self._filled(entry.name, raw)
            if value is _Broken.BROKEN or isinstance(value, Secret):
                return value
        found = f"the secret `{entry.name}` is written out in the inventory"  # and is not shown here either
        self.refuse(entry.name, found, "replace it, and write {env: NAME} or {file: path}")
        return _Broken.BROKEN

    def _plain(self, entry: Declaration, raw: object) -> object:
        value = self._filled(entry.name, raw)
        if value is _Broken.BROKEN:
            return value
        if isinstance(value, Secret):
            advice = "declare it with `secret: true` in its role, or take the reference out"
            self.refuse(entry.name, f"`{entry.name}` takes in a secret without being one", advice)
            return _Broken.BROKEN
        if reason := entry.misfit(value):
            self.refuse(entry.name, f"`{entry.name}` {reason}", f"make it {entry.wanted()}")
            return _Broken.BROKEN
        return value

    def _filled(self, name: str, raw: object) -> object:
        try:
            return self._fill(raw)
        except _BrokenReferenceError:
            return _Broken.BROKEN
        except NotPlainError as error:
            advice = "use plain `{{ name }}` references, or {% raw %}...{% endraw %} around literal braces"
            self.refuse(name, f"`{name}`: {error}", advice)
            return _Broken.BROKEN

    def _fill(self, raw: object) -> object:
        if isinstance(raw, str):
            return expand(raw, self._lookup)
        if isinstance(raw, dict):
            return {key: self._fill(item) for key, item in raw.items()}
        return [self._fill(item) for item in raw] if isinstance(raw, list) else raw

    def _lookup(self, name: str) -> object:
        user = self._open[-1]
        if name in self.host.names:
            return self.host.names[name]
        if name not in self.declared:
            advice = f"{did_you_mean(name, [*self.declared, *BUILT_IN])}refer to a declared variable"
            self.refuse(user, f"`{user}` refers to `{name}`, which no role declares", advice)
            raise _BrokenReferenceError
        if name in self._open:
            chain = " -> ".join([*self._open[self._open.index(name) :], name])
            self.refuse(user, f"variables refer to each other in a circle: {chain}", "write one of them out")
            raise _BrokenReferenceError
        value = self.value(name)
        if value is _Broken.BROKEN:
            raise _BrokenReferenceError
        return value
