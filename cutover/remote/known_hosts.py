"""Which host keys are trusted: those pinned with the inventory, else those that the system already knows. And how keys are pinned."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from paramiko import HostKeys, PKey, RejectPolicy, SSHClient, SSHException
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

from cutover.agent.durable import write_atomically
from cutover.core.errors import Problem, Refused, UsageError
from cutover.inventory.yamlfile import shown as typed
from cutover.remote.ssh_config import Hop, entry_name

REVOKED = "@revoked"  # marks a key that is refused, whoever shows it


class UnknownHostKey(SSHException):
    """The host showed a key and none is pinned for it."""

    def __init__(self, name: str, key: PKey) -> None:
        self.name, self.key = name, key
        super().__init__(f"no key is known for {name}")


class RevokedHostKey(UnknownHostKey):
    """The host showed a key that a known_hosts file says is revoked."""


class Strict(RejectPolicy):
    """Refuse every host without a known key, and remember the key it showed so that a person can compare it."""

    def __init__(self, entry: str, revoked: set[PKey]) -> None:
        self._entry, self._revoked = entry, revoked

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> NoReturn:  # noqa: ARG002 - theirs
        """Called by Paramiko for a host without a known key."""
        raise (RevokedHostKey if key in self._revoked else UnknownHostKey)(self._entry, key)


class KnownHosts:
    """The pinned keys of one environment over those of the system; read once, shared by all connections."""

    def __init__(self, pinned: Path, system: Sequence[Path]) -> None:
        self._revoked: set[PKey] = set()
        self._pinned = _read(pinned, self._revoked, strict=True)
        self._system = [_read(path.expanduser(), self._revoked, strict=False) for path in system]

    def teach(self, client: SSHClient, hop: Hop) -> None:
        """Make `client` accept just the known keys of a hop: where one is pinned, the system's files do not count."""
        client.set_missing_host_key_policy(Strict(hop.entry, self._revoked))
        trusted = client.get_host_keys()
        trusted.clear()
        known: Mapping[str, PKey] = next(
            (found for keys in (self._pinned, *self._system) if (found := keys.lookup(hop.entry))), {}
        )
        for kind, key in known.items():
            if key not in self._revoked:
                # Under the name that Paramiko looks for, which knows no HostKeyAlias.
                trusted.add(entry_name(hop.address, hop.port), kind, key)


def _read(path: Path, revoked: set[PKey], *, strict: bool) -> HostKeys:
    """Read one file; a damaged line is an error in ours (`strict`), and just no key in the system's, as with ssh."""
    keys, problems = HostKeys(), []
    for number, line in enumerate(map(str.strip, _lines(path)), start=1):
        if not line or line.startswith("#"):
            continue
        try:
            entry = HostKeyEntry.from_line(line.removeprefix(REVOKED).strip())
        except (InvalidHostKey, SSHException, ValueError):
            entry = None
        if entry is None or entry.key is None:
            advice = "restore the file from version control, or remove the line and pin the key again"
            advice = f"{advice}: `{trust_command(path)}`"
            problems.append(Problem(f"line {number} is not a host key", advice, path=f"{path}:{number}"))
        elif line.startswith(REVOKED):
            revoked.add(entry.key)
        else:
            for name in entry.hostnames:
                keys.add(name, entry.key.get_name(), entry.key)
    if strict and problems:
        raise UsageError(problems)
    return keys


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines() if path.is_file() else []


def trust_command(known_hosts: Path, host: str = "") -> str:
    """The command that pins the keys of a host, or of all in the environment of that file; it works as it is printed."""
    directory = known_hosts.absolute().parent
    return f"./invokew hosts.trust --inventory {shlex.quote(typed(directory))} --hosts {host or directory.name}"


# Pinning: known_hosts of an environment, committed with its inventory.


@dataclass(frozen=True)
class ShownKeys:
    """The keys that one host showed, or a jump host before it: `entry` is its name in known_hosts, `keys` are by kind."""

    host: str
    entry: str
    keys: Mapping[str, PKey]


@dataclass(frozen=True)
class KeyState:
    """One kind of key: what is shown now, and what is pinned."""

    kind: str
    shown: PKey | None
    pinned: PKey | None

    @property
    def word(self) -> str:
        """`new`, `pinned` or `changed`."""
        if self.pinned is None:
            return "new"
        return "pinned" if self.pinned == self.shown else "changed"

    def __str__(self) -> str:
        now = self.shown.fingerprint if self.shown else "not shown any more"
        word = f"CHANGED, was {self.pinned.fingerprint}" if self.pinned and self.word == "changed" else self.word
        return f"{self.kind:24} {now}  {word}"


def states(known_hosts: Path, shown: ShownKeys) -> list[KeyState]:
    """Each kind of key against the pinned one, also a pinned one that is not shown any more."""
    pinned: Mapping[str, PKey] = _read(known_hosts, set(), strict=True).lookup(shown.entry) or {}
    return [KeyState(kind, shown.keys.get(kind), pinned.get(kind)) for kind in sorted({*shown.keys, *pinned})]


def must_be_pinnable(known_hosts: Path, shown: Iterable[ShownKeys], *, replace: bool = False) -> None:
    """Raise Refused for every host that shows no key, or another than the pinned one where it may not be replaced."""
    problems = []
    for host in shown:
        if not host.keys:
            found = f"{host.entry} showed no key of a kind that is accepted"
            next_step = "give its sshd an ed25519, ecdsa or rsa host key"
            problems.append(Problem(found, next_step, host.host, str(known_hosts)))
            continue
        for state in states(known_hosts, host):
            if state.word == "changed" and not replace:
                found = f"{host.entry} shows another key than the pinned one: {state}"
                next_step = (
                    "ask the host's owner whether it was reinstalled, and compare on its console; only then"
                    f" `{trust_command(known_hosts, host.host)} --replace`"
                )
                problems.append(Problem(found, next_step, host.host, str(known_hosts)))
    if problems:
        raise Refused(problems)


def pin(known_hosts: Path, shown: Sequence[ShownKeys], *, replace: bool = False) -> list[str]:
    """Write what the hosts showed, all or nothing; a different pinned key stays unless `replace`. Returns new lines."""
    must_be_pinnable(known_hosts, shown, replace=replace)
    found = {host.entry: states(known_hosts, host) for host in shown}
    gone = {entry for entry, kinds in found.items() if any(state.word == "changed" for state in kinds)}
    kept = [line for line in (_without(old, gone) for old in _lines(known_hosts)) if line]
    new = [
        f"{entry} {state.kind} {state.shown.get_base64()}"
        for entry, kinds in found.items()
        for state in kinds
        if state.shown and (state.word == "new" or entry in gone)
    ]
    if new:
        content = "".join(f"{line}\n" for line in (*kept, *new)).encode(errors="surrogateescape")
        known_hosts.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(known_hosts, content, mode=0o644)
    return new


def _without(line: str, gone: set[str]) -> str:
    """The line without the names that are replaced, hashed ones included; empty where none is left."""
    fields = line.split()
    if not fields or fields[0].startswith(("#", REVOKED)):
        return line
    names = fields[0].split(",")
    rest = [name for name in names if not any(name in (entry, _hashed(entry, name)) for entry in gone)]
    return line if rest == names else " ".join([",".join(rest), *fields[1:]]) if rest else ""


def _hashed(entry: str, name: str) -> str:
    return HostKeys.hash_host(entry, name) if name.startswith("|1|") else entry
