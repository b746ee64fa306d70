"""Which host keys are trusted: those pinned with the inventory, else those that the system already knows. And how keys are pinned."""

import base64
import re
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificate,
    SSHCertificateType,
    load_ssh_public_identity,
)
from paramiko import BadHostKeyException, HostKeys, MissingHostKeyPolicy, PKey, SSHClient, SSHException
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey
from paramiko.pkey import PublicBlob

from cutover.agent.durable import write_atomically
from cutover.core.errors import Problem, Refused, UsageError
from cutover.inventory.yamlfile import shown as typed
from cutover.remote.ssh_config import Hop, entry_name

REVOKED = "@revoked"  # marks a key that is refused, whoever shows it
AUTHORITY = "@cert-authority"  # marks a key whose certificates prove a host, as sshd(8) describes it


class UnknownHostKey(SSHException):
    """The host showed a key and none is pinned for it."""

    def __init__(self, name: str, key: PKey) -> None:
        self.name, self.key = name, key
        super().__init__(f"no key is known for {name}")


class RevokedHostKey(UnknownHostKey):
    """The host showed a key that a known_hosts file says is revoked."""


class BadCertificate(UnknownHostKey):
    """The host showed a certificate that does not prove who it is; `why` says what is wrong with it."""

    def __init__(self, name: str, key: PKey, why: str) -> None:
        super().__init__(name, key)
        self.why = why


@dataclass(frozen=True)
class Source:
    """What one known_hosts file says: keys by name, and who signs certificates for which names."""

    keys: HostKeys = field(default_factory=HostKeys)
    authorities: list[tuple[Sequence[str], PKey]] = field(default_factory=list)

    def authorities_of(self, *names: str) -> list[PKey]:
        """The keys whose certificates prove the host of these names."""
        return [key for patterns, key in self.authorities if any(_matches(patterns, name) for name in names)]


class Strict(MissingHostKeyPolicy):
    """Refuse every host without a known key or certificate, and remember what it showed so that a person can compare it."""

    def __init__(self, hop: Hop, known: Mapping[str, PKey], authorities: Sequence[PKey], revoked: set[PKey]) -> None:
        self._hop, self._known, self._authorities, self._revoked = hop, known, authorities, revoked

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:  # noqa: ARG002 - the signature is Paramiko's
        """Called by Paramiko for a host of which it was taught no key; returns where a certificate, or the key, is good."""
        pinned = self._known.get(key.get_name())
        if key in self._revoked:
            raise RevokedHostKey(self._hop.entry, key)
        if key.public_blob is not None and self._authorities:
            valid = [one for one in self._authorities if one not in self._revoked]
            if why := _why_not(key.public_blob, self._hop.alias or self._hop.address, valid):
                raise BadCertificate(self._hop.entry, key, why)
        elif pinned is None:
            raise UnknownHostKey(self._hop.entry, key)
        elif pinned != key:
            raise BadHostKeyException(self._hop.at, key, pinned)


def _why_not(shown: PublicBlob, name: str, authorities: Sequence[PKey]) -> str:
    """What is wrong with the certificate that a host showed (PROTOCOL.certkeys of OpenSSH); empty where it proves the host."""
    try:
        cert = load_ssh_public_identity(f"{shown.key_type} {base64.b64encode(shown.key_blob).decode()}".encode())
    except ValueError as error:
        return f"it cannot be read: {error}"
    if not isinstance(cert, SSHCertificate):
        return "it is a plain key, not a certificate"
    signer = cert.signature_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode().split()[1]
    principals = [one.decode(errors="replace") for one in cert.valid_principals]
    wrong = {
        "it is not a host certificate": cert.type is not SSHCertificateType.HOST,
        "it is signed by nobody that known_hosts names for this host, or by a key that is revoked": (
            signer not in [one.get_base64() for one in authorities]
        ),
        "its signature is wrong, or made with SHA-1": not _is_signed(cert, shown.key_blob),
        "it is not valid now": not cert.valid_after <= time.time() < cert.valid_before,
        "it has critical options, of which a host's can have none": bool(cert.critical_options),
        f"it is for {', '.join(principals)}": bool(principals) and not _matches(principals, name),
    }
    return next((why for why, is_so in wrong.items() if is_so), "")


def _is_signed(cert: SSHCertificate, blob: bytes) -> bool:
    if isinstance(signer := cert.signature_key(), RSAPublicKey):
        length = signer.key_size // 8 + 4  # the signature ends the certificate; before it stands what it was made with
        if blob[-length - 12 : -length] not in (b"rsa-sha2-256", b"rsa-sha2-512"):
            return False
    try:
        cert.verify_cert_signature()
    except InvalidSignature:
        return False
    return True


def _matches(patterns: Sequence[str], name: str) -> bool:
    """Whether a name is meant by patterns of ssh_config(5), of which `!` excludes."""
    said = [(one.startswith("!"), one.removeprefix("!").lower()) for one in patterns]
    fits = [
        (no, bool(re.fullmatch(re.escape(one).replace(r"\*", ".*").replace(r"\?", "."), name.lower())))
        for no, one in said
    ]
    return any(fit for no, fit in fits if not no) and not any(fit for no, fit in fits if no)


class KnownHosts:
    """The pinned keys of one environment over those of the system; read once, shared by all connections."""

    def __init__(self, pinned: Path, system: Sequence[Path]) -> None:
        self._revoked: set[PKey] = set()
        self._sources = [
            _read(pinned, self._revoked, strict=True),
            *(_read(path.expanduser(), self._revoked, strict=False) for path in system),
        ]

    def teach(self, client: SSHClient, hop: Hop) -> bool:
        """Make `client` accept just what is known of a hop: where the environment pins something, the system's files do not count.

        Gives whether an authority is known, whose certificate the host is to be asked for first.
        """
        known: Mapping[str, PKey] = {}
        authorities: Sequence[PKey] = []
        for source in self._sources:
            known, authorities = (
                source.keys.lookup(hop.entry) or {},
                source.authorities_of(hop.entry, hop.alias or hop.address),
            )
            if known or authorities:
                break
        known = {kind: key for kind, key in known.items() if key not in self._revoked}
        client.set_missing_host_key_policy(Strict(hop, known, authorities, self._revoked))
        trusted = client.get_host_keys()
        trusted.clear()
        if not authorities:  # else the policy judges whatever is shown: Paramiko knows no authorities
            for kind, key in known.items():
                # Under the name that Paramiko looks for, which knows no HostKeyAlias.
                trusted.add(entry_name(hop.address, hop.port), kind, key)
        return bool(authorities)


def _read(path: Path, revoked: set[PKey], *, strict: bool) -> Source:
    """Read one file; a damaged line is an error in ours (`strict`), and just no key in the system's, as with ssh."""
    source, problems = Source(), []
    for number, line in enumerate(map(str.strip, _lines(path)), start=1):
        if not line or line.startswith("#"):
            continue
        try:
            entry = HostKeyEntry.from_line(line.removeprefix(REVOKED).removeprefix(AUTHORITY).strip())
        except (InvalidHostKey, SSHException, ValueError):
            entry = None
        if entry is None or entry.key is None:
            advice = "restore the file from version control, or remove the line and pin the key again"
            advice = f"{advice}: `{trust_command(path)}`"
            problems.append(Problem(f"line {number} is not a host key", advice, path=f"{path}:{number}"))
        elif line.startswith(REVOKED):
            revoked.add(entry.key)
        elif line.startswith(AUTHORITY):
            source.authorities.append((entry.hostnames, entry.key))
        else:
            for name in entry.hostnames:
                source.keys.add(name, entry.key.get_name(), entry.key)
    if strict and problems:
        raise UsageError(problems)
    return source


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
    pinned: Mapping[str, PKey] = _read(known_hosts, set(), strict=True).keys.lookup(shown.entry) or {}
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
    if not fields or fields[0].startswith(("#", "@")):
        return line
    names = fields[0].split(",")
    rest = [name for name in names if not any(name in (entry, _hashed(entry, name)) for entry in gone)]
    return line if rest == names else " ".join([",".join(rest), *fields[1:]]) if rest else ""


def _hashed(entry: str, name: str) -> str:
    return HostKeys.hash_host(entry, name) if name.startswith("|1|") else entry
