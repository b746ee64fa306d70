"""Shows and pins the keys of hosts: known_hosts of an environment, committed beside its inventory."""

import base64
import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cutover.words.errors import Problem, Refused


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
    """The keys that one host showed: `entry` is its name in known_hosts, `keys` are by kind."""

    host: str
    entry: str
    keys: Mapping[str, HostKey]

    @property
    def fingerprints(self) -> dict[str, str]:
        """Fingerprints by kind of key, to show and to compare."""
        return {kind: key.fingerprint for kind, key in self.keys.items()}


def pinned(known_hosts: Path, entry: str) -> dict[str, HostKey]:
    """The keys that the file holds for one entry, by kind."""
    return {key.kind: key for names, key in map(_parse, _lines(known_hosts)) if key and entry in names}


def conflicts(known_hosts: Path, shown: Iterable[Shown]) -> list[Problem]:
    """The hosts that show another key than the pinned one, or none of the pinned kind any more."""
    problems = []
    for host in shown:
        for kind, key in pinned(known_hosts, host.entry).items():
            now = host.keys.get(kind)
            if now != key:
                problems.append(
                    Problem(
                        host=host.host,
                        path=str(known_hosts),
                        found=f"{kind} {key.fingerprint} is pinned, but it shows {now.fingerprint if now else 'none'}",
                        next="compare on the host's console; if it was installed anew, pin the new key in its place",
                    )
                )
    return problems


def pin(known_hosts: Path, shown: Iterable[Shown], *, replace: bool = False) -> list[str]:
    """Write what the hosts showed, all or nothing; a different pinned key stays unless `replace`. Returns new lines."""
    hosts = list(shown)
    problems = [] if replace else conflicts(known_hosts, hosts)
    problems += [_nothing(host, known_hosts) for host in hosts if not host.keys]
    if problems:
        raise Refused(problems)
    gone = {host.entry for host in hosts} if replace else set()
    kept = [line for line in (_without(old, gone) for old in _lines(known_hosts)) if line]
    new = [
        f"{host.entry} {kind} {key.blob}"
        for host in hosts
        for kind, key in sorted(host.keys.items())
        if replace or kind not in pinned(known_hosts, host.entry)
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
        found="the host showed no key of a kind that is accepted",
        next="give its sshd an ed25519, ecdsa or rsa host key",
    )


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
