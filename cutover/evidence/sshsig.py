"""What an SSH signature says of itself (namespace, key), and the lines of allowed_signers that are about a key. Decides no trust."""

import base64
import binascii
import hashlib
import re
import shlex
from dataclasses import dataclass

BEGIN, FINISH, WIDTH = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----", 70


@dataclass(frozen=True)
class Signature:
    """A signature taken apart: for which namespace, with which public key."""

    namespace: str
    key: bytes

    @property
    def fingerprint(self) -> str:
        """The key as people compare it."""
        return fingerprint(self.key)


def fingerprint(key: bytes) -> str:
    """SHA256:... of a public key, as ssh-keygen shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def take_apart(armored: str) -> Signature:
    """Read a signature; ValueError where it is none, or not in the one form that ssh-keygen writes.

    ssh-keygen reads over white space, other bits behind the base64, a reserved field and an older version number: those could
    be changed and the signature would still be good, so they are held to what it writes.
    """
    lines = armored.splitlines()
    if len(lines) < 3 or lines[0] != BEGIN or lines[-1] != FINISH:
        raise ValueError("it is no SSH signature")
    try:
        blob = base64.b64decode("".join(lines[1:-1]), validate=True)
    except binascii.Error as broken:
        raise ValueError(f"it is no SSH signature: {broken}") from broken
    if armored != _armor(blob):
        raise ValueError("it is not in the form in which ssh-keygen writes signatures")
    if blob[:10] != b"SSHSIG" + (1).to_bytes(4, "big"):
        raise ValueError("it is no SSH signature of version 1")
    key, namespace, reserved, _algorithm, _signed = _strings(blob[10:], 5)
    if reserved:
        raise ValueError("it holds what ssh-keygen does not write")
    return Signature(namespace.decode("utf-8", "backslashreplace"), key)


def public_key(line: str) -> bytes:
    """The key of a public line (`ssh-ed25519 AAAA... comment`); ValueError where there is none."""
    words = line.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
        kind = _string(blob)[0].decode()
    except (IndexError, ValueError) as unreadable:
        raise ValueError("it is no public key") from unreadable
    if kind != words[0]:
        raise ValueError("it is no public key")
    return blob


def public_line(key: bytes) -> str:
    """A public key as one line, as allowed_signers has it."""
    return f"{_string(key)[0].decode('ascii', 'backslashreplace')} {base64.b64encode(key).decode()}"


def principal_of(key: bytes, signers: str) -> str:
    """The first name that allowed_signers gives a key; empty where it gives none that is one person's."""
    encoded = base64.b64encode(key).decode()
    for line in signers.splitlines():
        if encoded in line.split() and not line.lstrip().startswith("#"):
            quoted = re.match(r'\s*("[^"]*"|\S+)', line)
            names = shlex.split(quoted[1])[0].split(",") if quoted else []
            return next((name for name in names if name and not set(name) & set("*?!")), "")
    return ""


def _armor(blob: bytes) -> str:
    text = base64.b64encode(blob).decode()
    lines = [text[start : start + WIDTH] for start in range(0, len(text), WIDTH)]
    return "\n".join([BEGIN, *lines, FINISH, ""])


def _strings(blob: bytes, count: int) -> list[bytes]:
    found = []
    for _ in range(count):
        one, blob = _string(blob)
        found.append(one)
    if blob:
        raise ValueError("there is more in the signature than a signature")
    return found


def _string(blob: bytes) -> tuple[bytes, bytes]:
    size = int.from_bytes(blob[:4], "big")
    if len(blob) < 4 + size:
        raise ValueError("it is cut off")
    return blob[4 : 4 + size], blob[4 + size :]
