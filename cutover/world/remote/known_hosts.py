"""Which host keys are believed: those pinned with the inventory, else those that the system already knows."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from paramiko import HostKeys, PKey, RejectPolicy, SSHClient, SSHException
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

from cutover.words.errors import Problem, UsageError

SYSTEM = (Path("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts"))


class UnknownHostKey(SSHException):
    """The host showed a key and none is pinned for it."""

    def __init__(self, name: str, key: PKey) -> None:
        self.name, self.key = name, key
        super().__init__(f"no key is known for {name}")


class Strict(RejectPolicy):
    """Refuse every host without a known key, and remember the key it showed so that a person can compare it."""

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> NoReturn:  # noqa: ARG002 - theirs
        """Called by Paramiko for a host without a known key."""
        raise UnknownHostKey(hostname, key)


class KnownHosts:
    """The pinned keys of one environment over those of the system; read once, shared by all connections."""

    def __init__(self, pinned: Path, system: Sequence[Path] = SYSTEM) -> None:
        self._pinned = _read(pinned, strict=True)
        self._system = [_read(path.expanduser(), strict=False) for path in system]

    def teach(self, client: SSHClient, name: str) -> None:
        """Make `client` accept just the known keys of `name`: where one is pinned, the system's files do not count."""
        client.set_missing_host_key_policy(Strict())
        believed = client.get_host_keys()
        believed.clear()
        for keys in (self._pinned, *self._system):
            known = keys.lookup(name)
            if known is not None:
                for kind in known:
                    believed.add(name, kind, known[kind])
                return


def entry_name(address: str, port: int) -> str:
    """How known_hosts names a host: `address`, or `[address]:port` for another port than 22."""
    return address if port == 22 else f"[{address}]:{port}"


def _read(path: Path, *, strict: bool) -> HostKeys:
    """Read one file; a damaged line is an error in ours (`strict`), and just no key in the system's, as with ssh."""
    keys, problems = HostKeys(), []
    if not path.is_file():
        return keys
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
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
                    next="restore the file from version control, or remove the line and pin the key again"
                    " (`invoke hosts.trust`)",
                )
            )
    if strict and problems:
        raise UsageError(problems)
    return keys
