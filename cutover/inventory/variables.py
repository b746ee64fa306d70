"""Gives every declared variable its value for one host: the inventory's, else the default; all errors at once."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from cutover.core.errors import Problem, UsageError
from cutover.core.host import Host
from cutover.core.secret import Secret
from cutover.inventory.declarations import (
    BUILT_IN,
    PLAIN,
    Declaration,
    Declarations,
    NotPlainError,
    expand,
    is_source,
    mask,
)
from cutover.inventory.schema import did_you_mean

SecretReader = Callable[[Mapping[str, str], Path], Secret]


class NoSecretError(LookupError):
    """The secret cannot be read; the message says why."""


class UndeclaredError(UsageError, KeyError):
    """A role or a template uses a variable that no role declares; a KeyError too, as a mapping's own."""


def read_secret(source: Mapping[str, str], start: Path) -> Secret:
    """The secret of `{env: NAME}` or `{file: path}`; a relative path starts at `start`, the inventory's directory."""
    if "env" in source:
        if text := _taken(source["env"]):
            return Secret(text)
        raise NoSecretError(f"the environment variable {source['env']} is unset or empty")
    try:
        text = (start / Path(source["file"]).expanduser()).read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise NoSecretError(f"the file {source['file']} cannot be read: {reason}") from error
    if not text:
        raise NoSecretError(f"the file {source['file']} is empty")
    return Secret(text)


_TAKEN: dict[str, str] = {}


def _taken(name: str) -> str:
    """The value of an environment variable, taken out of this process's environment: what it starts would inherit the secret."""
    if name in os.environ:
        _TAKEN[name] = os.environ.pop(name)
    return _TAKEN.get(name, "")


class Variables(dict[str, Any]):
    """The variables of one host, by name; `origins` says where each value was written."""

    def __init__(self, host: str, values: Mapping[str, Any], origins: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(values)
        self.host, self.origins = host, origins

    def __missing__(self, name: str) -> NoReturn:
        advice = f"{did_you_mean(name, self)}declare it there, or correct the role or template that uses it"
        raise UndeclaredError(Problem(f"no role declares `{name}`", advice, self.host, "roles/*/defaults.yml"))

    def masked(self) -> dict[str, Any]:
        """The values as plan and evidence may hold them: each secret as its digest."""
        return {name: mask(value) for name, value in self.items()}


def resolve(host: Host, declared: Declarations, reader: SecretReader = read_secret) -> Variables:
    """The variables of a host, and its own names such as `inventory_hostname`; UsageError with all that is wrong."""
    resolver = _Resolver(host, declared, reader)
    for name in host.variables:
        if name not in declared:
            advice = f"{did_you_mean(name, declared)}correct or remove it; roles/*/defaults.yml declare the variables"
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
        raise UsageError(problems)
    return found


class _BrokenError(Exception):
    """The value has a problem that is noted already, so that what refers to it reports nothing more."""


_BROKEN = object()


class _Resolver:
    """Works the values out, each once, following references."""

    def __init__(self, host: Host, declared: Declarations, reader: SecretReader) -> None:
        self.host, self.declared, self.reader = host, declared, reader
        self.problems: list[Problem] = []
        self._done: dict[str, object] = {}
        self._open: list[str] = []

    def where(self, name: str) -> str:
        return self.host.origins.get(name, "") if name in self.host.variables else self.declared[name].where

    def refuse(self, name: str, found: str, advice: str) -> _BrokenError:
        self.problems.append(Problem(found, advice, host=self.host.name, path=self.where(name)))
        return _BrokenError()

    def value(self, name: str) -> object:
        """The value; _BROKEN where it has a problem."""
        if name not in self._done:
            self._open.append(name)
            try:
                self._done[name] = self._work_out(self.declared[name])
            except _BrokenError:
                self._done[name] = _BROKEN
            self._open.pop()
        return self._done[name]

    def _work_out(self, entry: Declaration) -> object:
        name = entry.name
        if name in self.host.variables:
            raw: object = self.host.variables[name]
        elif entry.required:
            places = f"group_vars/{self.host.environment}.yml or below host_vars/"
            advice = f"set it in {places}: {entry.expected}, for example {entry.example}"
            raise self.refuse(name, f"`{name}` is required by the role {entry.role} and not set: {entry.doc}", advice)
        else:
            raw = entry.default
        if entry.secret:
            return self._secret(entry, raw)
        value = self._filled(name, raw)
        if isinstance(value, Secret):
            advice = "declare it with `secret: true` in its role, or remove the reference"
            raise self.refuse(name, f"`{name}` refers to a secret and is not declared as one", advice)
        if reason := entry.misfit(value):
            advice = "correct the value" + ("" if entry.required else ", or remove it to use the default")
            raise self.refuse(name, f"`{name}`: {reason}", advice)
        return value

    def _secret(self, entry: Declaration, raw: object) -> object:
        if raw == "":
            return Secret("")  # none; a template asks `{% if name %}`
        if isinstance(raw, dict) and is_source(raw):
            try:
                return self.reader(raw, self.host.known_hosts.parent)
            except NoSecretError as error:
                found = f"the secret `{entry.name}`: {error}"
                raise self.refuse(entry.name, found, "provide it where this command runs") from None
        if isinstance(raw, str) and "{{" in raw and isinstance(value := self._filled(entry.name, raw), Secret):
            return value
        kind = "a map" if isinstance(raw, dict) else "a value in plain text (not shown)"
        found = f"the secret `{entry.name}`: expected {{env: NAME}} or {{file: path}}, found {kind}"
        raise self.refuse(entry.name, found, "change the secret where it is used, and write where to read it from")

    def _filled(self, name: str, raw: object) -> object:
        """The value with its references filled in."""
        try:
            if isinstance(raw, str):
                return expand(raw, self._lookup)
            if isinstance(raw, dict):
                return {key: self._filled(name, item) for key, item in raw.items()}
            return [self._filled(name, item) for item in raw] if isinstance(raw, list) else raw
        except NotPlainError as error:
            raise self.refuse(name, f"`{name}`: {error}", PLAIN) from None

    def _lookup(self, name: str) -> object:
        user = self._open[-1]
        if name in self.host.names:
            return self.host.names[name]
        if name not in self.declared:
            advice = f"{did_you_mean(name, [*self.declared, *BUILT_IN])}refer to a declared variable"
            raise self.refuse(user, f"`{user}` refers to `{name}`, which is not declared", advice)
        if name in self._open:
            chain = " -> ".join([*self._open[self._open.index(name) :], name])
            raise self.refuse(user, f"variables refer to each other in a cycle: {chain}", "set one of them to a value")
        if (value := self.value(name)) is _BROKEN:
            raise _BrokenError
        return value
