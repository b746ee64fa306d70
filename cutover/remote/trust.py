"""Shows and pins the keys of hosts: known_hosts of an environment, committed beside its inventory."""

import base64
import hashlib
import os
import shlex
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover.core.errors import Problem, Refused
from cutover.inventory.yamlfile import shown as typed


@dataclass(frozen=True)
class HostKey:
    """One public key of a host, as known_hosts writes it."""

    kind: str
    blob: str

    @property
    def fingerprint(self) -> str:
        """What `ssh-keygen -lf` shows, for a person to compare."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


@dataclass(frozen=True)
class Shown:
    """The keys that one host showed, or a jump host before it: `entry` is its name in known_hosts, `keys` are by kind."""

    host: str
    entry: str
    keys: Mapping[str, HostKey]
    is_jump: bool = False


@dataclass(frozen=True)
class State:
    """One kind of key: what is shown now, and what is pinned."""

    kind: str
    shown: HostKey | None
    pinned: HostKey | None

    @property
    def word(self) -> str:
        """`new`, `pinned` or `changed`."""
        if self.pinned is None:
            return "new"
        return "pinned" if self.pinned == self.shown else "changed"

    def __str__(self) -> str:
        now = self.shown.fingerprint if self.shown else "not shown any more"
        if self.word == "changed" and self.pinned is not None:
            return f"{self.kind:24} {now}  CHANGED, was {self.pinned.fingerprint}"
        return f"{self.kind:24} {now}  {self.word}"


def trust_command(known_hosts: Path, host: str = "", *, replace: bool = False) -> str:
    """The command that pins the keys of a host, or of all in the environment of that file; it works as it is printed."""
    directory = known_hosts.absolute().parent
    environment, where = directory.name, typed(directory)
    if where == f"inventory/{environment}":
        hosts = f"'{environment}:&{host}'" if host else environment
        command = f"./invokew hosts.trust --hosts {hosts}"
    else:
        command = f"./invokew hosts.trust --inventory {shlex.quote(where)} --hosts {host or environment}"
    return f"{command} --replace" if replace else command


def pinned(known_hosts: Path, entry: str) -> dict[str, HostKey]:
    """The keys that the file holds for one entry, by kind."""
    return {key.kind: key for names, key in map(_parse, _lines(known_hosts)) if key and entry in names}


def states(known_hosts: Path, host: Shown) -> list[State]:
    """What each kind of key is against the pinned one, also a pinned one that is not shown any more."""
    before = pinned(known_hosts, host.entry)
    return [State(kind, host.keys.get(kind), before.get(kind)) for kind in sorted({*host.keys, *before})]


def must_be_pinnable(known_hosts: Path, shown: Iterable[Shown], *, replace: bool = False) -> None:
    """Raise Refused for every host that shows no key, or another than the pinned one where it may not be replaced."""
    problems = []
    for host in shown:
        if not host.keys:
            problems.append(_nothing(host, known_hosts))
        elif not replace:
            problems += [
                _changed(host, known_hosts, state) for state in states(known_hosts, host) if state.word == "changed"
            ]
    if problems:
        raise Refused(problems)


def pin(known_hosts: Path, shown: Sequence[Shown], *, replace: bool = False) -> list[str]:
    """Write what the hosts showed, all or nothing; a different pinned key stays unless `replace`. Returns new lines."""
    must_be_pinnable(known_hosts, shown, replace=replace)
    found = {host.entry: states(known_hosts, host) for host in shown}
    gone = {entry for entry, kinds in found.items() if any(state.word == "changed" for state in kinds)}
    kept = [line for line in (_without(old, gone) for old in _lines(known_hosts)) if line]
    new = [
        f"{entry} {state.kind} {state.shown.blob}"
        for entry, kinds in found.items()
        for state in kinds
        if state.shown and (state.word == "new" or entry in gone)
    ]
    if new:
        _write(known_hosts, [*kept, *new])
    return new


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _parse(line: str) -> tuple[list[str], HostKey | None]:
    """Names and key of a plain line; comments and markers have none, and hashed names match no entry of ours."""
    fields = line.split()
    if len(fields) < 3 or line.startswith(("#", "@")):
        return [], None
    return fields[0].split(","), HostKey(fields[1], fields[2])


def _without(line: str, gone: set[str]) -> str:
    """The line without the names that are replaced; empty where none is left."""
    names, key = _parse(line)
    if key is None or not gone.intersection(names):
        return line
    rest = [name for name in names if name not in gone]
    return " ".join([",".join(rest), *line.split()[1:]]) if rest else ""


def _nothing(host: Shown, known_hosts: Path) -> Problem:
    return Problem(
        host=host.host,
        path=str(known_hosts),
        found=f"{_who(host)} showed no key of a kind that is accepted",
        next="give its sshd an ed25519, ecdsa or rsa host key",
    )


def _changed(host: Shown, known_hosts: Path, state: State) -> Problem:
    now = state.shown.fingerprint if state.shown else "none"
    return Problem(
        host=host.host,
        path=str(known_hosts),
        found=f"{state.kind} {state.pinned and state.pinned.fingerprint} is pinned for {_who(host)}, but it shows {now}",
        next="ask the host's owner whether it was installed anew, and compare on its console; only then"
        f" `{trust_command(known_hosts, host.host, replace=True)}`",
    )


def _who(host: Shown) -> str:
    return f"the jump host {host.entry}" if host.is_jump else host.entry


def _write(path: Path, lines: list[str]) -> None:
    """Replace the file as a whole, so that a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".known_hosts.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())
    part = Path(name)
    part.chmod(0o644)
    part.replace(path)
