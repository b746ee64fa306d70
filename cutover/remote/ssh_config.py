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

from cutover.remote.deadline import Deadline
from cutover.remote.hop import Asked, Leg, unconfigured

# Whether a file of the SSH configuration says nothing of the way to a host, as the one that Debian ships: then nobody is asked.

# What may be said for every host without changing where we go, who logs in, with what, or which host key is believed.
_HARMLESS = {
    "sendenv",
    "setenv",
    "hashknownhosts",
    "gssapiauthentication",
    "gssapidelegatecredentials",
    "forwardx11trusted",
}
_PLAIN = re.compile(
    r"(/[A-Za-z0-9_.+-]+)*/[A-Za-z0-9_.+*-]+\Z"
)  # an absolute path, and a pattern only as its last part
_DEPTH = 8


def says_nothing(path: Path, depth: int = _DEPTH) -> bool:
    """Reads no meaning into it: any word that is not known to be harmless makes it a file that must be asked about."""
    if depth == 0:
        return False
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True  # there is none; and what cannot be read here, ssh cannot read either
    lines = (line.strip().replace("=", " ", 1).split() for line in text.splitlines())
    return all(_is_harmless(words, depth) for words in lines if words and not words[0].startswith("#"))


def _is_harmless(words: list[str], depth: int) -> bool:
    option, *values = words
    if option.lower() == "include":
        return all(_PLAIN.match(value) and _are_silent(Path(value), depth - 1) for value in values)
    return option.lower() in _HARMLESS or [option.lower(), *values] == ["host", "*"]


def _are_silent(pattern: Path, depth: int) -> bool:
    """The files of an Include, whose last part may be a pattern."""
    return all(says_nothing(file, depth) for file in pattern.parent.glob(pattern.name))


# Fills in what `ssh -G` leaves as it is written: the tokens (%h, %r) and variables (${NAME}) of file names and of a ProxyCommand.

_TOKEN = re.compile(r"%(?P<token>.)|\$\{(?P<variable>[^}]*)\}", re.DOTALL)


class TokenError(ValueError):
    """A token that is not known here, or a variable that is not set."""


def expand(text: str, tokens: Mapping[str, str], *, only: str = "") -> str:
    """The text with its tokens filled in; `only` is for what takes no more than those, and no variables (ProxyCommand)."""
    known = {**tokens, "%": "%"}
    if not only:
        known |= {"d": str(Path.home()), "i": str(os.getuid()), "l": socket.gethostname(), "u": getpass.getuser()}
        known["L"] = known["l"].split(".")[0]

    def fill(match: re.Match[str]) -> str:
        if match["token"] is not None:
            if match["token"] not in known:
                raise TokenError(f"`%{match['token']}` in `{text}`")
            return known[match["token"]]
        if only:
            return match[0]
        if match["variable"] not in os.environ:
            raise TokenError(f"`{match[0]}` in `{text}`: the variable is not set")
        return os.environ[match["variable"]]

    return _TOKEN.sub(fill, text)


USER = Path("~/.ssh/config")
SYSTEM_WIDE = Path("/etc/ssh/ssh_config")
# Options that would lead elsewhere, or believe another key, and are not honoured; the value that changes nothing.
_REFUSED = {"proxyusefdpass": "no", "bindaddress": "none", "bindinterface": "none", "revokedhostkeys": "none"}
_FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}


class ConfigError(Exception):
    """The configuration cannot be used; the arguments say what was found and what to do next."""


@dataclass(frozen=True)
class _Source:
    """The files that say something (none: nobody needs to be asked), words for `ssh`, and what it reads from its standard input."""

    files: tuple[Path, ...] = ()
    words: tuple[str, ...] = ()
    text: str = ""


class SshConfig:
    """The configuration of who runs this, over that of the machine; or just the file that is given."""

    def __init__(self, given: Path | None = None) -> None:
        self._source = _source(given)
        self._answers: dict[tuple[str, ...], Mapping[str, list[str]]] = {}

    def leg(self, asked: Asked, deadline: Deadline) -> Leg:
        """How `ssh` would go there; ConfigError where that cannot be known, or not be done here."""
        if not self._source.files:
            return unconfigured(asked, os.environ.get("SSH_AUTH_SOCK", ""))
        said = self._ask(asked, deadline)
        for option, harmless in _REFUSED.items():
            if said.get(option, [harmless]) != [harmless]:
                found = f"the SSH configuration sets `{option} {' '.join(said[option])}` for {asked.name}"
                raise ConfigError(
                    f"{found}, which is not honoured here", f"take it out for {asked.name}: {self._named}"
                )
        try:
            return _read(said, asked)
        except TokenError as error:
            found = f"the SSH configuration for {asked.name} cannot be filled in: {error}"
            raise ConfigError(found, f"write it without that: {self._named}") from error

    @property
    def _named(self) -> str:
        return " and ".join(map(str, self._source.files))

    def _ask(self, asked: Asked, deadline: Deadline) -> Mapping[str, list[str]]:
        words = ("-G", "-T", *self._source.words, *_given(asked), "--", asked.name)
        if words not in self._answers:
            self._answers[words] = self._run(words, asked.name, deadline)
        return self._answers[words]

    def _run(self, words: Sequence[str], name: str, deadline: Deadline) -> Mapping[str, list[str]]:
        program = shutil.which("ssh")
        if program is None:
            raise ConfigError(
                f"{self._named} says how hosts are reached, and there is no `ssh` on this machine to read it",
                "install openssh-client (Debian, Ubuntu) or openssh-clients (Fedora, Red Hat)",
            )
        code, said, complaint = _spoken([program, *words], self._source.text, deadline)
        if code:
            complaint = " ".join(complaint.split()) or f"exit status {code}"
            raise ConfigError(f"`ssh -G {name}` refuses the SSH configuration: {complaint}", f"correct {self._named}")
        answer: dict[str, list[str]] = {}
        for line in said.splitlines():
            option, _, value = line.partition(" ")
            answer.setdefault(option, []).append(value)
        return answer


def _spoken(argv: Sequence[str], text: str, deadline: Deadline) -> tuple[int, str, str]:
    """Exit status and both outputs. What a `Match exec` has started is ended with it where the time is up."""
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        try:
            said, complaint = process.communicate(text, timeout=deadline.left)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            raise TimeoutError(f"`{' '.join(argv)}` did not end (a `Match exec`, or the resolver)") from error
    return process.returncode, said, complaint


def _source(given: Path | None) -> _Source:
    if given is not None:
        return _Source(() if says_nothing(given) else (given,), ("-F", str(given)))
    user = USER.expanduser()
    files = tuple(file for file in (user, SYSTEM_WIDE) if not says_nothing(file))
    if Path.home() == _login_home():
        return _Source(files)
    # Of itself ssh takes `~` from the password file; who sets HOME to something else means that.
    text = "".join(f'Include "{file}"\n' for file in (user, SYSTEM_WIDE) if file.is_file())
    return _Source(files, ("-F", "/dev/stdin"), text)


def _login_home() -> Path | None:
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return None


def _given(asked: Asked) -> list[str]:
    """What stands on the command line is stronger than the configuration, as with Ansible's variables."""
    words = ["-p", str(asked.port)] if asked.port else []
    words += ["-l", asked.user] if asked.user else []
    words += ["-o", f"ProxyJump={asked.jump}"] if asked.jump else []
    # Stands for the key that the inventory names, so that ssh adds none of its default ones.
    return words + (["-o", "IdentityFile=none"] if asked.own_key else [])


def _read(said: Mapping[str, list[str]], asked: Asked) -> Leg:
    def one(option: str, default: str = "") -> str:
        value = said.get(option, [default])[0]
        return "" if value == "none" else value

    address, port, user = one("hostname", asked.name), int(one("port", "22")), one("user")
    tokens = {"h": address, "n": asked.name, "p": str(port), "r": user}
    files = (Path(expand(file, tokens)) for file in said.get("identityfile", []) if file != "none")
    known = f"{one('userknownhostsfile')} {one('globalknownhostsfile')}".split()
    command = one("proxycommand")
    return Leg(
        name=asked.name,
        address=address,
        port=port,
        user=user,
        alias=one("hostkeyalias"),
        keys=(*((asked.own_key,) if asked.own_key else ()), *files),
        only_these_keys=one("identitiesonly") == "yes",
        agent=_agent(said.get("identityagent", ["SSH_AUTH_SOCK"])[0], tokens),
        known_hosts=tuple(_at_home(file) for file in known),
        jump=one("proxyjump"),
        proxy_command=expand(command, tokens, only="hnpr") if command else "",
        family=_FAMILIES[one("addressfamily", "any")],
    )


def _agent(said: str, tokens: Mapping[str, str]) -> str:
    if said == "none":
        return ""
    if said == "SSH_AUTH_SOCK" or said.startswith("$"):
        return os.environ.get(said.lstrip("$").strip("{}"), "")
    return str(Path(expand(said, tokens)).expanduser())


def _at_home(file: str) -> Path:
    """Put HOME in the place of what ssh has filled in for `~`; see `_source`."""
    home = _login_home()
    path = Path(file)
    return Path("~") / path.relative_to(home) if home and path.is_relative_to(home) else path
