"""Ansible's connection variables: those that are honoured, what they may say; every other `ansible_*` is refused."""

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

from cutover.core.errors import Problem
from cutover.core.host import Host
from cutover.inventory.declarations import NotPlainError, did_you_mean, expand
from cutover.inventory.hosts import Setting

_ADDRESS = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.:%-]*[A-Za-z0-9_])?\Z|::1\Z")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*\Z")
_HOP = r"(?:[A-Za-z0-9_][A-Za-z0-9_.@-]*@)?(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_][A-Za-z0-9_.-]*)(?::[0-9]{1,5})?"
_JUMP = re.compile(rf"(?:-J\s*|-o\s*ProxyJump\s*=\s*|-o\s*ProxyJump\s+)(?P<jump>{_HOP}(?:,{_HOP})*)\Z", re.IGNORECASE)
_KEY_NOTE = "log in with a key (ansible_ssh_private_key_file, or the agent) and give the user `sudo -n`"
_PASSWORDS = {
    "ansible_password",
    "ansible_ssh_pass",
    "ansible_ssh_password",
    "ansible_become_pass",
    "ansible_become_password",
}


class _RefusedError(ValueError):
    """The value cannot be honoured; the arguments say what was found and what to do next."""


def _address(value: object) -> str:
    if isinstance(value, str) and _ADDRESS.match(value):
        return value
    raise _RefusedError("is no address or host name", "write an IP address or a DNS name")


def _port(value: object) -> int:
    text = str(value)
    if not isinstance(value, bool) and text.isascii() and text.isdecimal() and 1 <= int(text) <= 65535:
        return int(text)
    raise _RefusedError("is no port", "write a whole number from 1 to 65535")


def _user(value: object) -> str:
    if isinstance(value, str) and _USER.match(value):
        return value
    raise _RefusedError("is no user name", "write the login name; it needs `sudo -n`, not to be root")


def _python(value: object) -> str:
    if isinstance(value, str) and re.match(r"/[A-Za-z0-9_./+-]+\Z", value):
        return value
    raise _RefusedError("is no path of a Python", "write an absolute path such as /usr/bin/python3; nothing is guessed")


def _jump(value: object) -> str:
    try:
        match = _JUMP.match(" ".join(shlex.split(str(value))))
    except ValueError:
        match = None
    if match:
        return match["jump"]
    raise _RefusedError(
        "is not honoured",
        "only `-J HOST` or `-o ProxyJump=HOST` (USER@HOST:PORT, several with a comma); put other options into ~/.ssh/config",
    )


def _only(*allowed: object) -> Callable[[object], object]:
    def check(value: object) -> object:
        if any(value == one and type(value) is type(one) for one in allowed):
            return value
        raise _RefusedError(
            "is not what is done", f"remove it, or say {allowed[0]!r}: hosts are reached by SSH, then `sudo -n`"
        )

    return check


# variable -> (field of Host, or "" where it may only confirm what is done anyway; reader). Of two names for one thing
# the later here counts, as with Ansible.
_HONOURED: dict[str, tuple[str, Callable[[object], object]]] = {
    "ansible_host": ("address", _address),
    "ansible_ssh_host": ("address", _address),
    "ansible_port": ("port", _port),
    "ansible_ssh_port": ("port", _port),
    "ansible_user": ("user", _user),
    "ansible_ssh_user": ("user", _user),
    "ansible_private_key_file": ("identity_file", lambda value: value),
    "ansible_ssh_private_key_file": ("identity_file", lambda value: value),
    "ansible_ssh_common_args": ("proxy_jump", _jump),
    "ansible_python_interpreter": ("python", _python),
    "ansible_connection": ("", _only("ssh")),
    "ansible_become": ("", _only(True)),
    "ansible_become_method": ("", _only("sudo")),
    "ansible_become_user": ("", _only("root")),
}


def connect(bare: Host, settings: Mapping[str, Setting], directory: Path, problems: list[Problem]) -> dict[str, object]:
    """The fields of Host that its connection variables set; what is wrong with them goes to `problems`."""
    fields: dict[str, object] = {}
    for name, setting in settings.items():
        if name.startswith("ansible_") and name not in _HONOURED:
            problems.append(Problem(f"`{name}` is not honoured", _instead(name), host=bare.name, path=setting.where))
    for name in (known for known in _HONOURED if known in settings):
        field, reader = _HONOURED[name]
        setting = settings[name]
        try:
            value = reader(_filled(setting.value, bare, settings))
            if field == "identity_file":
                value = _key_file(value, directory)
        except _RefusedError as error:
            found, advice = error.args
            problems.append(Problem(f"`{name}: {setting.value}` {found}", advice, host=bare.name, path=setting.where))
            continue
        if field:
            fields[field] = value
    return fields


def _key_file(value: object, directory: Path) -> Path:
    """The private key; `~` is the home of who runs this, and a relative path starts at the inventory's directory."""
    if not isinstance(value, str) or not value:
        raise _RefusedError("is no path", "write the path of a private key")
    return directory.absolute() / Path(value).expanduser()


def _filled(value: object, bare: Host, settings: Mapping[str, Setting]) -> object:
    """The value with `{{ inventory_hostname }}` and plain variables of the host filled in."""
    if not isinstance(value, str):
        return value

    def lookup(name: str) -> object:
        known = {"inventory_hostname": bare.name} | {key: setting.value for key, setting in settings.items()}
        if name not in known:
            raise _RefusedError(
                f"refers to `{name}`, which this host does not have", did_you_mean(name, known) + "set it"
            )
        if isinstance(known[name], str) and "{{" in str(known[name]):
            raise _RefusedError(f"refers to `{name}`, which is a reference itself", "refer to a plain value")
        return known[name]

    try:
        return expand(value, lookup)
    except NotPlainError as error:
        raise _RefusedError(
            f"cannot be filled in: {error}", "use plain `{{ name }}` references to text or numbers"
        ) from error


def _instead(name: str) -> str:
    if name in _PASSWORDS:
        return f"remove it: {_KEY_NOTE}"
    honoured = ", ".join(sorted(_HONOURED))
    return f"{did_you_mean(name, _HONOURED)}remove it; honoured are {honoured}"
