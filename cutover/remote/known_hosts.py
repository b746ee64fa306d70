"""Which host keys are believed: those pinned with the inventory, else those that the system already knows."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from paramiko import HostKeys, PKey, RejectPolicy, SSHClient, SSHException
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

from cutover.core.errors import Problem, UsageError
from cutover.remote.hop import Leg, entry_name
from cutover.remote.trust import trust_command


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

    def teach(self, client: SSHClient, leg: Leg) -> None:
        """Make `client` accept just the known keys of a leg: where one is pinned, the system's files do not count."""
        client.set_missing_host_key_policy(Strict(leg.entry))
        believed = client.get_host_keys()
        believed.clear()
        for keys in (self._pinned, *self._system):
            known = keys.lookup(leg.entry)
            if known is not None:
                for kind in known:
                    # Under the name that Paramiko looks for, which knows no HostKeyAlias.
                    believed.add(entry_name(leg.address, leg.port), kind, known[kind])
                return


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
                    next=f"restore the file from version control, or remove the line and pin the key again:"
                    f" `{trust_command(path)}`",
                )
            )
    if strict and problems:
        raise UsageError(problems)
    return keys
