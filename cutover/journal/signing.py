"""Sign with an engineer's SSH key, and judge signatures: the one place that runs `ssh-keygen -Y`.

ssh-keygen itself asks for a passphrase, on the terminal. Without a terminal nothing waits for one.
"""

import base64
import getpass
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cutover.core.errors import Problem, Unjudged, UsageError

# What a signature is for: one for another purpose (a commit, a mail, the other of these) is none.
EVIDENCE, PLAN = "cutover-evidence@v1", "cutover-plan@v1"
_64 = "[A-Za-z0-9+/]"
PUBLIC_KEY = rf"[a-z0-9@.-]+ AAAA({_64}{{4}})*({_64}{{2}}==|{_64}{{3}}=)?"
SIGNERS, REVOKED = "allowed_signers", "revoked_keys"  # in inventory/<env>/; the second may be missing
USUAL = "~/.ssh/id_ed25519"
PERSON_S, ALONE_S = 120.0, 20.0  # to type a passphrase or touch a token; where nobody is there, to say no
CONFIGURE = "name a key with --key, or `ssh-add PATH`, or make one: `ssh-keygen -t ed25519`"
PUBLIC_LINE = re.compile(rf"({PUBLIC_KEY})(\s|$)")


@dataclass(frozen=True)
class Signed:
    """Some bytes with the signature over them, and what they say of it: who signed, with which key, when (ISO 8601, UTC)."""

    payload: bytes
    signature: bytes
    engineer: str
    public_key: str
    made_at: str
    namespace: str
    path: str  # where the signature is, for messages
    altered: str  # what to do where it is not a signature of these bytes


@dataclass(frozen=True)
class SigningKey:
    """A key to sign with: what named it, its public line without comment, and its file (None: an agent has its private half)."""

    source: str
    public: str
    path: Path | None = None


def choose(option: str) -> SigningKey:
    """The key to sign with: --key, else the first of ssh-agent, else ~/.ssh/id_ed25519; UsageError where there is none."""
    if not option and (line := PUBLIC_LINE.match(_run("ssh-add", "-L").stdout)):
        return SigningKey("ssh-agent", line[1])
    source, path = "--key" if option else USUAL, Path(option or USUAL).expanduser().resolve()
    if not path.is_file():
        raise UsageError(Problem(f"no SSH key to sign with at {path}", CONFIGURE, path=source))
    public = path if path.suffix == ".pub" else path.with_name(f"{path.name}.pub")
    # Without a public file beside it, the private one is asked, which answers at once unless it has a passphrase.
    text = public.read_text() if public.is_file() else _run("ssh-keygen", "-y", "-P", "", "-f", str(path)).stdout
    if line := PUBLIC_LINE.match(text):
        return SigningKey(source, line[1], path)
    next_ = f"if it is an SSH key, `ssh-keygen -y -f {path} > {public}` writes its public half"
    raise UsageError(Problem(f"no public key in {public}", next_, path=source))


def engineer_of(key: SigningKey, signers: Path | None) -> str:
    """Who signs: the first name that allowed_signers gives the key, else the login."""
    for line in signers.read_text(errors="replace").splitlines() if signers is not None else ():
        if key.public.split()[1] in line.split() and not line.startswith("#"):
            names = line.split()[0].strip('"').split(",")
            return next((name for name in names if not set(name) & set("*?!")), getpass.getuser())
    return getpass.getuser()


def fingerprint(public: str) -> str:
    """SHA256:... of a public line, as ssh-keygen shows it."""
    digest = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def sign(payload: bytes, key: SigningKey, namespace: str) -> bytes:
    """The signature over some bytes. On a terminal ssh-keygen may ask for a passphrase or a touch; else it fails at once."""
    person = sys.stdin.isatty()
    with tempfile.TemporaryDirectory(prefix="cutover-sign-") as folder:
        public, file = Path(folder, "key.pub"), Path(folder, "payload")
        public.write_text(key.public + "\n")
        file.write_bytes(payload)
        argv = ("-q", "-Y", "sign", "-f", str(key.path or public), "-n", namespace, str(file))
        said = _run("ssh-keygen", *argv, person=person)
        signature = b"" if said.returncode else file.with_suffix(".sig").read_bytes()
    if signature and _is_canonical(signature, key.public, namespace):
        return signature
    found, next_ = f"ssh-keygen could not sign with it: {said.stderr}", CONFIGURE
    if signature:
        found = f"it signed with another key than {fingerprint(key.public)}, the one in its public file"
        next_ = "write its public file again: `ssh-keygen -y -f KEY > KEY.pub`"
    elif "passphrase" in said.stderr and not person:
        found = "it has a passphrase, and there is no terminal to ask for it"
        next_ = f"`ssh-add {key.path}` first, or run this on a terminal"
    raise UsageError(Problem(found, next_, path=f"{key.source}: {key.path or fingerprint(key.public)}"))


def judge(signed: Signed, signers: Path | None) -> list[Problem]:
    """What is wrong with a signature: by its own key, and where there is a list (with revoked_keys beside it), by the list."""
    name, key, payload = signed.engineer, fingerprint(signed.public_key), signed.payload
    if not _is_canonical(signed.signature, signed.public_key, signed.namespace):
        found = f"not a signature for {signed.namespace} by {key}, in the form of ssh-keygen"
        return [Problem(found, signed.altered, path=signed.path)]
    with tempfile.TemporaryDirectory(prefix="cutover-verify-") as folder:
        file = Path(folder, "signature")
        file.write_bytes(signed.signature)
        asked = ("-s", str(file), "-n", signed.namespace)
        good = _run("ssh-keygen", "-Y", "check-novalidate", *asked, stdin=payload)
        if good.returncode:
            return [Problem(f"not a signature of what it lies beside: {good.stderr}", signed.altered, path=signed.path)]
        if signers is None:
            return []
        at = "".join(re.findall(r"\d", signed.made_at))[:14]  # UTC, as is TZ in _run
        by = ("-f", str(signers.resolve()), f"-Overify-time={at}", "-I", name)
        allowed = _run("ssh-keygen", "-Y", "verify", *asked, *by, stdin=payload)
        if allowed.returncode:
            found = f"{name} may not sign with the key {key} as of {signed.made_at} ({allowed.stderr})"
            line = f'{name} namespaces="{signed.namespace}" {signed.public_key}'
            next_ = (
                f"have it signed by someone who may, or, once you know whose key it is, add this line by review: {line}"
            )
            return [Problem(found, next_, path=str(signers))]
        revoked = signers.resolve().with_name(REVOKED)
        if (
            revoked.exists()
            and _run("ssh-keygen", "-Y", "verify", *asked, *by, "-r", str(revoked), stdin=payload).returncode
        ):
            return [Problem(f"the key {key} is revoked", "have it signed with a key that is not", path=str(revoked))]
    return []


def _is_canonical(signature: bytes, public: str, namespace: str) -> bool:
    """Whether a signature is by this key, for this purpose, and in the form that ssh-keygen writes.

    ssh-keygen accepts other white space, a filled reserved field and a lower version number: those could be changed and the
    signature would still be good. So all before the signed value itself is compared with what it has to be (PROTOCOL.sshsig).
    """
    fields = (base64.b64decode(public.split()[1]), namespace.encode(), b"", b"sha512")
    begin = b"SSHSIG" + (1).to_bytes(4) + b"".join(len(one).to_bytes(4) + one for one in fields)
    try:
        blob = base64.b64decode(b"".join(signature.split(b"\n")[1:-2]), validate=True)
    except ValueError:
        return False
    lines = re.findall(b".{1,70}", base64.b64encode(blob))
    written = b"\n".join([b"-----BEGIN SSH SIGNATURE-----", *lines, b"-----END SSH SIGNATURE-----", b""])
    return written == signature and blob.startswith(begin)


def _run(*argv: str, stdin: bytes = b"", person: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a program of OpenSSH; what it said. One that hangs is ended at its deadline."""
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"} | ({} if person else {"SSH_ASKPASS_REQUIRE": "never"})
    deadline = PERSON_S if person else ALONE_S
    try:
        done = subprocess.run(  # a session of its own has no terminal to wait at
            argv, input=None if person else stdin, capture_output=True, env=environment, timeout=deadline,
            start_new_session=not person, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, -1, "", f"{argv[0]} did not end within {deadline:.0f} s")
    except FileNotFoundError as missing:
        next_ = "install OpenSSH's client (openssh-client)"
        raise Unjudged(Problem(f"no {argv[0]} on this machine", next_)) from missing
    printed, errors = (stream.decode(errors="backslashreplace").strip() for stream in (done.stdout, done.stderr))
    if done.returncode:  # a failing ssh-keygen prints its reason to either
        return subprocess.CompletedProcess(argv, done.returncode, "", f"{errors} {printed}".strip())
    return subprocess.CompletedProcess(argv, 0, printed, errors)
