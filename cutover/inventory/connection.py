"""Ansible's connection variables: those that are supported and what they may hold; every other `ansible_*` is refused."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError

from cutover.core.errors import Problem
from cutover.inventory.declarations import PLAIN, NotPlainError, expand
from cutover.inventory.hosts import Setting
from cutover.inventory.schema import Schema, did_you_mean

_HOP = r"(?:[A-Za-z0-9_][A-Za-z0-9_.@-]*@)?(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_][A-Za-z0-9_.-]*)(?::[0-9]{1,5})?"
_JUMP = re.compile(rf"(?:-J\s*|-o\s*ProxyJump\s*=\s*|-o\s*ProxyJump\s+)(?P<jump>{_HOP}(?:,{_HOP})*)\Z", re.IGNORECASE)


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a boolean")
    return value


def _jump(value: str) -> str:
    """The hosts of `-J` or `-o ProxyJump`; the value may end up in a command line, so nothing else gets through."""
    if match := _JUMP.match(" ".join(shlex.split(value))):
        return match["jump"]
    raise ValueError("other options of ssh")


class Connection(Schema):
    """How a host is reached; None means that `~/.ssh/config` decides. The description says what a value must be."""

    model_config = ConfigDict(strict=False)

    ansible_host: str | None = Field(
        None,
        pattern=r"\A(?:[A-Za-z0-9_]([A-Za-z0-9_.:%-]*[A-Za-z0-9_])?|::1)\z",
        description="an IP address or DNS name",
    )
    ansible_port: Annotated[int, BeforeValidator(_no_boolean)] | None = Field(
        None, ge=1, le=65535, description="a port from 1 to 65535"
    )
    ansible_user: str | None = Field(
        None,
        pattern=r"\A[A-Za-z0-9_][A-Za-z0-9_.@-]*\z",
        description="a login name; it needs `sudo -n`, not to be root",
    )
    ansible_private_key_file: str | None = Field(None, min_length=1, description="the path of a private key")
    ansible_ssh_common_args: Annotated[str, AfterValidator(_jump)] | None = Field(
        None,
        description="only `-J HOST` or `-o ProxyJump=HOST` (USER@HOST:PORT, several with a comma); "
        "other options go into ~/.ssh/config",
    )
    ansible_python_interpreter: str | None = Field(
        None,
        pattern=r"\A/[A-Za-z0-9_./+-]+\z",
        description="the absolute path of a Python, such as /usr/bin/python3; it is not discovered",
    )
    ansible_connection: Literal["ssh"] = Field("ssh", description="ssh, or nothing")
    ansible_become: Literal[True] = Field(True, description="true, or nothing: changes are made through `sudo -n`")
    ansible_become_method: Literal["sudo"] = Field("sudo", description="sudo, or nothing")
    ansible_become_user: Literal["root"] = Field("root", description="root, or nothing")


# Of two names for one thing the older one counts, as with Ansible.
_OLDER = {
    "ansible_ssh_host": "ansible_host",
    "ansible_ssh_port": "ansible_port",
    "ansible_ssh_user": "ansible_user",
    "ansible_ssh_private_key_file": "ansible_private_key_file",
}
_SUPPORTED = sorted({*Connection.model_fields, *_OLDER})
_PASSWORD = re.compile(r"ansible_((ssh_)?password|ssh_pass|become_pass(word)?)\Z")


def connect(host: str, settings: Mapping[str, Setting], directory: Path, problems: list[Problem]) -> dict[str, Any]:
    """The fields of Host that a host's connection variables set; what is wrong with them goes to `problems`."""
    written = {name: name for name in settings if name in Connection.model_fields}
    written |= {newer: older for older, newer in _OLDER.items() if older in settings}
    values: dict[str, object] = {}

    def refuse(name: str, found: str, advice: str) -> None:
        words = f"`{name}: {settings[name].value}`: {found}"
        problems.append(Problem(words, advice, host=host, path=settings[name].where))

    for name, setting in settings.items():
        if name.startswith("ansible_") and name not in _SUPPORTED:
            found = f"the variable `{name}` is not supported"
            problems.append(Problem(found, _instead(name), host=host, path=setting.where))
    for name, source in written.items():
        try:
            filled = _filled(settings[source].value, host, settings)
            values[name] = "" if filled is None else filled  # written and empty is not the same as not written
        except NotPlainError as error:
            refuse(source, str(error), PLAIN)
    try:
        known = Connection.model_validate(values)
    except ValidationError as error:
        for name in dict.fromkeys(str(one["loc"][0]) for one in error.errors()):
            expected = Connection.model_fields[name].description
            refuse(written[name], f"expected {expected}", "correct or remove it")
        return {}
    key = known.ansible_private_key_file
    fields = {
        "address": known.ansible_host,
        "port": known.ansible_port,
        "user": known.ansible_user,
        "identity_file": directory.absolute() / Path(key).expanduser() if key else None,
        "proxy_jump": known.ansible_ssh_common_args,
        "python": known.ansible_python_interpreter,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _filled(value: object, host: str, settings: Mapping[str, Setting]) -> object:
    """The value with `{{ inventory_hostname }}` and plain variables of the host filled in."""
    if not isinstance(value, str) or "{" not in value:
        return value
    known = {"inventory_hostname": host} | {name: setting.value for name, setting in settings.items()}

    def lookup(name: str) -> object:
        if name not in known or "{{" in str(known[name]):
            raise NotPlainError(f"refers to `{name}`, which is not set for this host to a plain value")
        return known[name]

    return expand(value, lookup)


def _instead(name: str) -> str:
    if _PASSWORD.match(name):
        return "remove it: log in with a key (ansible_ssh_private_key_file, or the agent) and give the user `sudo -n`"
    return f"{did_you_mean(name, _SUPPORTED)}remove it; supported are {', '.join(_SUPPORTED)}"
