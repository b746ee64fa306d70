"""What the SSH configuration says of a host: OpenSSH itself is asked (`ssh -G`), so that Include, Match and tokens mean what they mean."""

import getpass
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover.remote.hop import Hop, SshTarget, unconfigured
from cutover.remote.transport import Deadline

# Whether a file of the SSH configuration says nothing of the route to a host, as the one that Debian ships: then `ssh -G` need not run.

# What may be set for every host without changing where we go, who logs in, with what, or which host key is trusted.
_HARMLESS = {
    "sendenv",
    "setenv",
    "hashknownhosts",
    "gssapiauthentication",
    "gssapidelegatecredentials",
    "forwardx11trusted",
}
_PLAIN = re.compile(r"(/[A-Za-z0-9_.+-]+)*/[A-Za-z0-9_.+*-]+\Z")  # absolute, and a pattern only as its last part
_DEPTH = 8


def says_nothing(path: Path, depth: int = _DEPTH) -> bool:
    """Interprets nothing: any option that is not known to be harmless makes it a file that `ssh -G` must read."""
    if depth == 0:
        return False
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True  # there is none; and what cannot be read here, ssh cannot read either
    lines = (line.strip().replace("=", " ", 1).split() for line in text.splitlines())
    return all(_is_harmless(line, depth) for line in lines if line and not line[0].startswith("#"))


def _is_harmless(line: list[str], depth: int) -> bool:
    option, *values = line
    if option.lower() == "include":
        return all(
            _PLAIN.match(value) and all(says_nothing(file, depth - 1) for file in _matching(Path(value)))
            for value in values
        )
    return option.lower() in _HARMLESS or [option.lower(), *values] == ["host", "*"]


def _matching(pattern: Path) -> list[Path]:
    """The files of an Include, whose last part may be a pattern."""
    return list(pattern.parent.glob(pattern.name))


# Fills in what `ssh -G` leaves as it is written: the tokens (%h, %r) and variables (${NAME}) of file names and of a ProxyCommand.

_TOKEN = re.compile(r"%(?P<token>.)|\$\{(?P<variable>[^}]*)\}", re.DOTALL)


class TokenError(ValueError):
    """A token that is not known here, or a variable that is not set."""


def expand(text: str, tokens: Mapping[str, str], *, variables: bool = True) -> str:
    """The text with its tokens filled in; without `variables` only the given tokens, as a ProxyCommand has it."""
    known = {**tokens, "%": "%"}
    if variables:
        known |= {"d": str(Path.home()), "i": str(os.getuid()), "l": socket.gethostname(), "u": getpass.getuser()}
        known["L"] = known["l"].split(".")[0]

    def fill(match: re.Match[str]) -> str:
        if match["token"] is not None:
            if match["token"] not in known:
                raise TokenError(f"`%{match['token']}` in `{text}`")
            return known[match["token"]]
        if not variables:
            return match[0]
        if match["variable"] not in os.environ:
            raise TokenError(f"`{match[0]}` in `{text}`: the variable is not set")
        return os.environ[match["variable"]]

    return _TOKEN.sub(fill, text)


USER = Path("~/.ssh/config")
SYSTEM_WIDE = Path("/etc/ssh/ssh_config")
# Options that would lead elsewhere, or trust another key, and are not supported; the value that changes nothing.
_REFUSED = {"proxyusefdpass": "no", "bindaddress": "none", "bindinterface": "none", "revokedhostkeys": "none"}
_FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}


class ConfigError(Exception):
    """The configuration cannot be used; the arguments say what was found and what to do next."""


@dataclass(frozen=True)
class _Source:
    """The files that say something (none: `ssh -G` need not run), options for `ssh`, and what it reads from its standard input."""

    files: tuple[Path, ...] = ()
    options: tuple[str, ...] = ()
    text: str = ""


class SshConfig:
    """The configuration of the user who runs this, over that of the machine; or just the given file."""

    def __init__(self, given: Path | None = None) -> None:
        self._source = _source(given)
        self._answers: dict[tuple[str, ...], Mapping[str, list[str]]] = {}

    def hop(self, target: SshTarget, deadline: Deadline) -> Hop:
        """How `ssh` would go there; ConfigError where that cannot be known, or not be done here."""
        if not self._source.files:
            return unconfigured(target, os.environ.get("SSH_AUTH_SOCK", ""))
        options = ("-G", "-T", *self._source.options, *_options(target), "--", target.name)
        if options not in self._answers:
            self._answers[options] = self._ask(options, target.name, deadline)
        answer, files = self._answers[options], self._files
        for option, harmless in _REFUSED.items():
            if answer.get(option, [harmless]) != [harmless]:
                found = f"the SSH configuration sets `{option} {' '.join(answer[option])}` for {target.name}"
                raise ConfigError(f"{found}, which is not supported here", f"remove it for {target.name}: {files}")
        try:
            return _read(answer, target)
        except TokenError as error:
            found = f"the SSH configuration for {target.name} cannot be filled in: {error}"
            raise ConfigError(found, f"write it without that: {files}") from error

    @property
    def _files(self) -> str:
        return " and ".join(map(str, self._source.files))

    def _ask(self, options: Sequence[str], name: str, deadline: Deadline) -> Mapping[str, list[str]]:
        program = shutil.which("ssh")
        if program is None:
            raise ConfigError(
                f"{self._files} says how hosts are reached, and there is no `ssh` on this machine to read it",
                "install openssh-client (Debian, Ubuntu) or openssh-clients (Fedora, Red Hat)",
            )
        code, stdout, stderr = _run([program, *options], self._source.text, deadline)
        if code:
            complaint = " ".join(stderr.split()) or f"exit status {code}"
            raise ConfigError(f"`ssh -G {name}` refuses the SSH configuration: {complaint}", f"correct {self._files}")
        answer: dict[str, list[str]] = {}
        for line in stdout.splitlines():
            option, _, value = line.partition(" ")
            answer.setdefault(option, []).append(value)
        return answer


def _run(argv: Sequence[str], text: str, deadline: Deadline) -> tuple[int, str, str]:
    """Exit status and both outputs. What a `Match exec` has started is killed with it where the time is up."""
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        try:
            stdout, stderr = process.communicate(text, timeout=deadline.left)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            raise TimeoutError(f"`{' '.join(argv)}` did not end (a `Match exec`, or the resolver)") from error
    return process.returncode, stdout, stderr


def _source(given: Path | None) -> _Source:
    if given is not None:
        return _Source(() if says_nothing(given) else (given,), ("-F", str(given)))
    user = USER.expanduser()
    files = tuple(file for file in (user, SYSTEM_WIDE) if not says_nothing(file))
    if Path.home() == _login_home():
        return _Source(files)
    # By itself ssh takes `~` from the password file; a user who sets HOME to something else means that.
    text = "".join(f'Include "{file}"\n' for file in (user, SYSTEM_WIDE) if file.is_file())
    return _Source(files, ("-F", "/dev/stdin"), text)


def _login_home() -> Path | None:
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return None


def _options(target: SshTarget) -> list[str]:
    """What stands on the command line overrides the configuration, as with Ansible's variables."""
    options = ["-p", str(target.port)] if target.port else []
    options += ["-l", target.user] if target.user else []
    options += ["-o", f"ProxyJump={target.jump}"] if target.jump else []
    # Stands for the key that the inventory names, so that ssh adds none of its default ones.
    return options + (["-o", "IdentityFile=none"] if target.own_key else [])


def _read(answer: Mapping[str, list[str]], target: SshTarget) -> Hop:
    def one(option: str, default: str = "") -> str:
        value = answer.get(option, [default])[0]
        return "" if value == "none" else value

    address, port, user = one("hostname", target.name), int(one("port", "22")), one("user")
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
        agent=_agent(answer.get("identityagent", ["SSH_AUTH_SOCK"])[0], tokens),
        known_hosts=tuple(_at_home(file) for file in known),
        jump=one("proxyjump"),
        proxy_command=expand(one("proxycommand"), tokens, variables=False),
        family=_FAMILIES[one("addressfamily", "any")],
    )


def _agent(value: str, tokens: Mapping[str, str]) -> str:
    if value == "none":
        return ""
    if value == "SSH_AUTH_SOCK" or value.startswith("$"):
        return os.environ.get(value.lstrip("$").strip("{}"), "")
    return str(Path(expand(value, tokens)).expanduser())


def _at_home(file: str) -> Path:
    """Put HOME in the place of what ssh has filled in for `~`; see `_source`."""
    home = _login_home()
    path = Path(file)
    return Path("~") / path.relative_to(home) if home and path.is_relative_to(home) else path
