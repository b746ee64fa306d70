"""Which host keys are trusted: those pinned with the inventory, else those that the system already knows. And how keys are pinned."""

import os
import shlex
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from paramiko import HostKeys, PKey, RejectPolicy, SSHClient, SSHException
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

from cutover.core.errors import Problem, Refused, UsageError
from cutover.inventory.yamlfile import shown as typed
from cutover.remote.hop import Hop, entry_name


class UnknownHostKey(SSHException):
    """The host showed a key and none is pinned for it."""

    def __init__(self, name: str, key: PKey) -> None:
        self.name, self.key = name, key
        super().__init__(f"no key is known for {name}")


class Strict(RejectPolicy):
    """Refuse every host without a known key, and remember the key it showed so that a person can compare it."""

    def __init__(self, entry: str) -> None:
        self._entry = entry

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> NoReturn:  # noqa: ARG002 - theirs
        """Called by Paramiko for a host without a known key."""
        raise UnknownHostKey(self._entry, key)


class KnownHosts:
    """The pinned keys of one environment over those of the system; read once, shared by all connections."""

    def __init__(self, pinned: Path, system: Sequence[Path]) -> None:
        self._pinned = _read(pinned, strict=True)
        self._system = [_read(path.expanduser(), strict=False) for path in system]

    def teach(self, client: SSHClient, hop: Hop) -> None:
        """Make `client` accept just the known keys of a hop: where one is pinned, the system's files do not count."""
        client.set_missing_host_key_policy(Strict(hop.entry))
        trusted = client.get_host_keys()
        trusted.clear()
        for keys in (self._pinned, *self._system):
            known = keys.lookup(hop.entry)
            if known is not None:
                for kind in known:
                    # Under the name that Paramiko looks for, which knows no HostKeyAlias.
                    trusted.add(entry_name(hop.address, hop.port), kind, known[kind])
                return


def _read(path: Path, *, strict: bool) -> HostKeys:
    """Read one file; a damaged line is an error in ours (`strict`), and just no key in the system's, as with ssh."""
    keys, problems = HostKeys(), []
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            entry = HostKeyEntry.from_line(line.strip())
        except (InvalidHostKey, SSHException, ValueError):
            entry = None
        if entry is not None and entry.key is not None:
            for name in entry.hostnames:
                keys.add(name, entry.key.get_name(), entry.key)
        else:
            problems.append(
                Problem(
                    found=f"line {number} is not a host key",
                    path=f"{path}:{number}",
                    next=f"restore the file from version control, or remove the line and pin the key again:"
                    f" `{trust_command(path)}`",
                )
            )
    if strict and problems:
        raise UsageError(problems)
    return keys


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines() if path.is_file() else []


def trust_command(known_hosts: Path, host: str = "") -> str:
    """The command that pins the keys of a host, or of all in the environment of that file; it works as it is printed."""
    directory = known_hosts.absolute().parent
    environment, where = directory.name, typed(directory)
    if where == f"inventory/{environment}":
        hosts = f"'{environment}:&{host}'" if host else environment
        return f"./invokew hosts.trust --hosts {hosts}"
    return f"./invokew hosts.trust --inventory {shlex.quote(where)} --hosts {host or environment}"


# Pinning: known_hosts of an environment, committed with its inventory.


@dataclass(frozen=True)
class ShownKeys:
    """The keys that one host showed, or a jump host before it: `entry` is its name in known_hosts, `keys` are by kind."""

    host: str
    entry: str
    keys: Mapping[str, PKey]
    is_jump: bool = False

    @property
    def label(self) -> str:
        """Which machine it is, for people."""
        return f"the jump host {self.entry}" if self.is_jump else self.entry


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
        if self.word == "changed" and self.pinned is not None:
            return f"{self.kind:24} {now}  CHANGED, was {self.pinned.fingerprint}"
        return f"{self.kind:24} {now}  {self.word}"


def states(known_hosts: Path, shown: ShownKeys) -> list[KeyState]:
    """Each kind of key against the pinned one, also a pinned one that is not shown any more."""
    pinned: Mapping[str, PKey] = _read(known_hosts, strict=True).lookup(shown.entry) or {}
    return [KeyState(kind, shown.keys.get(kind), pinned.get(kind)) for kind in sorted({*shown.keys, *pinned})]


def must_be_pinnable(known_hosts: Path, shown: Iterable[ShownKeys], *, replace: bool = False) -> None:
    """Raise Refused for every host that shows no key, or another than the pinned one where it may not be replaced."""
    problems = []
    for host in shown:
        changed = [state for state in states(known_hosts, host) if state.word == "changed"]
        if not host.keys:
            found = f"{host.label} showed no key of a kind that is accepted"
            next_step = "give its sshd an ed25519, ecdsa or rsa host key"
            problems.append(Problem(host=host.host, path=str(known_hosts), found=found, next=next_step))
        elif not replace:
            problems += [_changed(host, known_hosts, state) for state in changed]
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
        _write(known_hosts, [*kept, *new])
    return new


def _without(line: str, gone: set[str]) -> str:
    """The line without the names that are replaced, hashed ones included; empty where none is left."""
    fields = line.split()
    if not fields or fields[0].startswith("#"):
        return line
    names = fields[0].split(",")
    rest = [name for name in names if not any(name in (entry, _hashed(entry, name)) for entry in gone)]
    return line if rest == names else " ".join([",".join(rest), *fields[1:]]) if rest else ""


def _hashed(entry: str, name: str) -> str:
    return HostKeys.hash_host(entry, name) if name.startswith("|1|") else entry


def _changed(host: ShownKeys, known_hosts: Path, state: KeyState) -> Problem:
    now = state.shown.fingerprint if state.shown else "none"
    return Problem(
        host=host.host,
        path=str(known_hosts),
        found=f"{state.kind} {state.pinned and state.pinned.fingerprint} is pinned for {host.label}, but it shows {now}",
        next="ask the host's owner whether it was reinstalled, and compare on its console; only then"
        f" `{trust_command(known_hosts, host.host)} --replace`",
    )


def _write(path: Path, lines: list[str]) -> None:
    """Replace the file as a whole, so that a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".known_hosts.")
    with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write("".join(f"{line}\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())
    part = Path(name)
    part.chmod(0o644)
    part.replace(path)
