"""The route to a host: OpenSSH itself is asked for its configuration (`ssh -G`), so that Include, Match and tokens mean what they mean."""

import getpass
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cutover.core.host import Host
from cutover.remote.transport import Deadline

USER = Path("~/.ssh/config")
SYSTEM_WIDE = Path("/etc/ssh/ssh_config")
# Options that would lead elsewhere, or trust another key, and are not supported; the value that changes nothing.
_REFUSED = {"proxyusefdpass": "no", "bindaddress": "none", "bindinterface": "none", "revokedhostkeys": "none"}
_FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
_JUMP = re.compile(r"(?:(?P<user>[^@]+)@)?(?:\[(?P<literal>[^\]]+)\]|(?P<name>[^:\[\]]+))(?::(?P<port>\d+))?\Z")
_TOKEN = re.compile(r"%(?P<token>.)|\$\{(?P<variable>[^}]*)\}", re.DOTALL)

Answer = Mapping[str, Sequence[str]]  # of `ssh -G`: the values of each option, in lower case


class ConfigError(Exception):
    """The configuration cannot be used; the arguments say what was found and what to do next."""


@dataclass(frozen=True)
class SshTarget:
    """What is asked for before any configuration is read: the arguments of `ssh [-l user] [-p port] [-J jump] name`."""

    name: str
    user: str | None = None
    port: int | None = None
    jump: str | None = None
    own_key: Path | None = None


@dataclass(frozen=True)
class Hop:
    """A login on a jump host or on the host itself: where, with which keys, and which files know the host key under which name."""

    name: str  # as the inventory or a ProxyJump writes it
    address: str
    port: int
    user: str
    alias: str = ""  # HostKeyAlias
    keys: tuple[Path, ...] = ()
    only_these_keys: bool = False
    agent: str = ""  # the socket of an agent; empty: none
    known_hosts: tuple[Path, ...] = ()
    jump: str = ""  # the jump hosts that lead there
    proxy_command: str = ""
    family: socket.AddressFamily = socket.AF_UNSPEC
    is_jump: bool = False

    @property
    def entry(self) -> str:
        """Its name in known_hosts."""
        return self.alias or entry_name(self.address, self.port)

    @property
    def at(self) -> str:
        """Address and port, for people."""
        return f"{self.address}:{self.port}"


Route = tuple[Hop, ...]  # the outermost jump host first, the host itself last


def entry_name(address: str, port: int) -> str:
    """How known_hosts names a host: `address`, or `[address]:port` for another port than 22."""
    return address if port == 22 else f"[{address}]:{port}"


def route_to(host: Host, deadline: Deadline) -> Route:
    """All hops to `host`, as ssh itself would go; ConfigError where the configuration gives none."""
    own = configured(SshTarget(host.address, host.user, host.port, host.proxy_jump, host.identity_file), deadline)
    return (*_before(own, (), deadline), own)


def _before(hop: Hop, passed: tuple[str, ...], deadline: Deadline) -> Route:
    """The jump hosts before a hop. Only the first may have a route of its own: ssh reaches the others through the one before."""
    route: Route = ()
    for wanted in jump_hosts(hop.jump):
        if route:
            jump = configured(replace(wanted, jump="none"), deadline)
            route = (*route, replace(jump, is_jump=True, jump="", proxy_command=""))
            continue
        jump = replace(configured(wanted, deadline), is_jump=True)
        chain = (*passed, f"{jump.user}@{jump.name}:{jump.port}")
        if chain[-1] in passed:
            raise ConfigError(
                f"the jump hosts go in a circle: {' -> '.join(chain)}",
                f"write `ProxyJump none` for {jump.name} in the SSH configuration, above what is meant for every host",
            )
        route = (*_before(jump, chain, deadline), jump)
    return route


def jump_hosts(jump: str) -> list[SshTarget]:
    """The jump hosts of a ProxyJump, in the order in which they are passed; none for `none`."""
    return [_jump_host(text.strip()) for text in jump.split(",")] if jump.lower() not in ("", "none") else []


def _jump_host(text: str) -> SshTarget:
    match = _JUMP.match(text)
    if match is None:
        raise ConfigError(
            f"ProxyJump has {text!r}, expected [USER@]HOST[:PORT]",
            "put it right in the SSH configuration or the inventory",
        )
    return SshTarget(match["literal"] or match["name"], match["user"], int(match["port"]) if match["port"] else None)


def configured(target: SshTarget, deadline: Deadline) -> Hop:
    """How `ssh` would go there; ConfigError where that cannot be known, or not be done here."""
    files = [file for file in (USER.expanduser(), SYSTEM_WIDE) if file.is_file()]
    named = " and ".join(map(str, files))
    program = shutil.which("ssh")
    if program is None:
        found = "there is no `ssh` on this machine, which is asked how hosts are reached"
        raise ConfigError(found, "install openssh-client (Debian, Ubuntu) or openssh-clients (Fedora, Red Hat)")
    answer = _ask(program, target, files, deadline)
    for option, harmless in _REFUSED.items():
        if answer.get(option, [harmless]) != [harmless]:
            found = f"the SSH configuration sets `{option} {' '.join(answer[option])}` for {target.name}"
            raise ConfigError(f"{found}, which is not supported here", f"remove it for {target.name}: {named}")
    return _read(answer, target)


def _ask(program: str, target: SshTarget, files: Sequence[Path], deadline: Deadline) -> Answer:
    options, text = [program, "-G", "-T"], ""
    if Path.home() != _login_home():
        # By itself ssh takes `~` from the password file; a user who sets HOME to something else means that.
        known = Path("~/.ssh/known_hosts").expanduser()
        text = "".join(f'Include "{file}"\n' for file in files) + f'Host *\n  UserKnownHostsFile "{known}"\n'
        options += ["-F", "/dev/stdin"]
    # What stands on the command line overrides the configuration, as with Ansible's variables.
    options += ["-p", str(target.port)] if target.port else []
    options += ["-l", target.user] if target.user else []
    options += ["-o", f"ProxyJump={target.jump}"] if target.jump else []
    # Stands for the key that the inventory names, so that ssh adds none of its default ones.
    options += ["-o", "IdentityFile=none"] if target.own_key else []
    code, stdout, stderr = _run([*options, "--", target.name], text, deadline)
    if code:
        complaint = " ".join(stderr.split()) or f"exit status {code}"
        found = f"`ssh -G {target.name}` refuses the SSH configuration: {complaint}"
        raise ConfigError(found, f"correct {' and '.join(map(str, files))}")
    answer: dict[str, list[str]] = {}
    for line in stdout.splitlines():
        option, _, value = line.partition(" ")
        answer.setdefault(option, []).append(value)
    return answer


def _login_home() -> Path | None:
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return None


def _run(argv: Sequence[str], text: str, deadline: Deadline) -> tuple[int, str, str]:
    """Exit status and both outputs. What a `Match exec` has started is killed with it where the time is up."""
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        try:
            stdout, stderr = process.communicate(text, timeout=deadline.left)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            found = f"`{' '.join(argv)}` did not end (a `Match exec`, or the resolver)"
            raise ConfigError(found, "see what it waits for in the SSH configuration") from error
    return process.returncode, stdout, stderr


def _read(answer: Answer, target: SshTarget) -> Hop:
    def one(option: str, default: str = "") -> str:
        value = answer.get(option, [default])[0]
        return "" if value == "none" else value

    address, port, user = one("hostname", target.name), int(one("port")), one("user")
    tokens = {"h": address, "n": target.name, "p": str(port), "r": user}
    files = (Path(expand(file, tokens)) for file in answer.get("identityfile", []) if file != "none")
    known = f"{one('userknownhostsfile')} {one('globalknownhostsfile')}".split()
    return Hop(
        name=target.name,
        address=address,
        port=port,
        user=user,
        alias=one("hostkeyalias"),
        keys=(*((target.own_key,) if target.own_key else ()), *files),
        only_these_keys=one("identitiesonly") == "yes",
        agent=_agent(one("identityagent", "SSH_AUTH_SOCK"), tokens),
        known_hosts=tuple(map(Path, known)),
        jump=one("proxyjump"),
        proxy_command=expand(one("proxycommand"), tokens, variables=False),
        family=_FAMILIES[one("addressfamily", "any")],
    )


def _agent(value: str, tokens: Mapping[str, str]) -> str:
    if value == "SSH_AUTH_SOCK" or value.startswith("$"):
        return os.environ.get(value.lstrip("$").strip("{}"), "")
    return str(Path(expand(value, tokens)).expanduser()) if value else ""


def expand(text: str, tokens: Mapping[str, str], *, variables: bool = True) -> str:
    """Fill in what `ssh -G` leaves as it is written: tokens (%h) and variables (${NAME}); a ProxyCommand has only the given tokens."""
    known = {**tokens, "%": "%"}
    if variables:
        known |= {"d": str(Path.home()), "i": str(os.getuid()), "l": socket.gethostname(), "u": getpass.getuser()}
        known["L"] = known["l"].split(".")[0]

    def fill(match: re.Match[str]) -> str:
        if match["variable"] is not None and not variables:
            return match[0]
        values, name = (known, match["token"]) if match["token"] is not None else (os.environ, match["variable"])
        if name not in values:
            found = f"the SSH configuration has `{match[0]}` in `{text}`, which cannot be filled in here"
            raise ConfigError(found, "set the variable, or write it without that")
        return values[name]

    return _TOKEN.sub(fill, text)
