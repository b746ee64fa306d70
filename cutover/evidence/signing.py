"""Sign with an engineer's SSH key, and verify: the one place that runs ssh-keygen for signatures.

Which key: the one that is named, else git's (`user.signingkey`, where `gpg.format` is ssh), else the first that ssh-agent offers,
else ~/.ssh/id_ed25519. A passphrase is asked by ssh-keygen itself, on the terminal. Without a terminal nothing waits for one.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cutover.core.errors import Problem, Unjudged, UsageError
from cutover.evidence import sshsig

NAMESPACE = "cutover-evidence@v1"  # a signature for another purpose (a commit, a mail) is none for a bundle
PERSON_S, ALONE_S = 120.0, 20.0  # to type a passphrase or touch a token; where nobody is there, to say no
CONFIGURE = (
    "name a key with --key, or `git config gpg.format ssh` and `git config user.signingkey PATH`, or `ssh-add PATH`,"
    " or make one: `ssh-keygen -t ed25519`"
)


@dataclass(frozen=True)
class Key:
    """A key to sign with: where it is named, its file or (its private half in an agent) its public line, and its public half."""

    source: str
    path: Path | None
    line: str
    public: bytes

    @property
    def fingerprint(self) -> str:
        """As people compare it."""
        return sshsig.fingerprint(self.public)


@dataclass(frozen=True)
class Said:
    """What ssh-keygen answered: whether it is so, and its words."""

    ok: bool
    words: str
    out: str = ""


def choose(option: str, root: Path) -> Key:
    """The key that is meant; UsageError where there is none, or the one that is named cannot be used."""
    if option:
        return _of_path(Path(option).expanduser(), "--key")
    configured = _git(root, "user.signingkey") if _git(root, "gpg.format") == "ssh" else ""
    if configured:
        return _of_git(configured, root)
    offered = _try("ssh-add", "-L")
    if offered.ok and offered.out.strip():
        return _of_line(offered.out.splitlines()[0], "ssh-agent")
    usual = Path.home() / ".ssh" / "id_ed25519"
    if usual.exists():
        return _of_path(usual, "~/.ssh/id_ed25519")
    raise UsageError(Problem(found="there is no SSH key to sign with", next=CONFIGURE, path="--key"))


def email(root: Path) -> str:
    """Whom git knows the engineer as; empty where it does not."""
    return _git(root, "user.email")


def sign(payload: bytes, key: Key) -> str:
    """The signature over some bytes. On a terminal ssh-keygen may ask for a passphrase or a touch; else it fails at once."""
    person = sys.stdin.isatty()
    with tempfile.TemporaryDirectory(prefix="cutover-sign-") as made:
        folder = Path(made)
        (folder / "payload").write_bytes(payload)
        file = key.path or folder / "key.pub"
        if key.path is None:
            file.write_text(key.line + "\n")
        argv = ["-q", "-Y", "sign", "-f", str(file), "-n", NAMESPACE, str(folder / "payload")]
        said = _ssh_keygen(folder, argv, deadline_s=PERSON_S if person else ALONE_S, person=person)
        if not said.ok:
            raise UsageError(_unsigned(key, said, person=person))
        signature = (folder / "payload.sig").read_text()
    if sshsig.take_apart(signature).key != key.public:
        found = f"it signed with another key than {key.fingerprint}, which its public file shows"
        next_ = "the file ending in .pub is not of this key: `ssh-keygen -y -f KEY > KEY.pub` writes it anew"
        raise UsageError(Problem(found, next_, path=key.source))
    return signature


def verify(payload: bytes, signature: str, principal: str, signers: Path, at: datetime) -> Said:
    """Whether a person whom allowed_signers knows by this name signed these bytes, with a key that was valid at the time."""
    return _judge(
        payload, signature, "verify", "-f", str(signers.resolve()), "-I", principal, "-n", NAMESPACE, _time(at)
    )


def check_novalidate(payload: bytes, signature: str) -> Said:
    """Whether the signature is good by its own key, whoever that is."""
    return _judge(payload, signature, "check-novalidate", "-n", NAMESPACE)


def find_principals(signature: str, signers: Path, at: datetime) -> tuple[str, ...]:
    """Whom allowed_signers gives the key of a signature, as of a time."""
    said = _judge(b"", signature, "find-principals", "-f", str(signers.resolve()), _time(at))
    return tuple(name for line in said.out.splitlines() for name in line.split(",")) if said.ok else ()


def _judge(payload: bytes, signature: str, verb: str, *options: str) -> Said:
    with tempfile.TemporaryDirectory(prefix="cutover-verify-") as made:
        folder = Path(made)
        (folder / "payload").write_bytes(payload)
        (folder / "signature").write_text(signature)
        argv = ["-Y", verb, "-s", str(folder / "signature"), *options]
        return _ssh_keygen(folder, argv, deadline_s=ALONE_S, stdin=folder / "payload")


def _time(at: datetime) -> str:
    return f"-Overify-time={at.astimezone(UTC):%Y%m%d%H%M%S}"  # read in the time zone that _ssh_keygen sets


def _ssh_keygen(
    folder: Path, argv: Sequence[str], *, deadline_s: float, stdin: Path | None = None, person: bool = False
) -> Said:
    """Run it. Its streams are files, so that nothing that it leaves behind can hold us up after the deadline."""
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"} | ({} if person else {"SSH_ASKPASS_REQUIRE": "never"})
    given = None if person else (stdin or Path(os.devnull)).open("rb")
    try:
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            process = subprocess.Popen(  # a session of its own has no terminal to wait at
                ["ssh-keygen", *argv],
                stdin=given,
                stdout=out,
                stderr=err,
                env=environment,
                start_new_session=not person,
            )
            try:
                code = process.wait(deadline_s)
            except BaseException as ended:
                process.kill()
                process.wait()
                if isinstance(ended, subprocess.TimeoutExpired):
                    return Said(ok=False, words=f"ssh-keygen did not end within {deadline_s:.0f} s")
                raise
    except FileNotFoundError:
        raise Unjudged(
            Problem(found="there is no ssh-keygen on this machine", next="install OpenSSH's client (openssh-client)")
        ) from None
    finally:
        if given is not None:
            given.close()
    texts = [(folder / name).read_text(errors="backslashreplace").strip() for name in ("err", "out")]
    return Said(code == 0, "; ".join(filter(None, " ".join(texts).splitlines())), texts[1])


def _unsigned(key: Key, said: Said, *, person: bool) -> Problem:
    """Why nothing was signed, and what to do."""
    if "passphrase" in said.words and not person:
        found = "it has a passphrase, and there is no terminal to ask for it on"
        next_ = f"`ssh-add {key.path}` first, or run `./invokew report --bundle` on a terminal"
    elif "No private key found" in said.words:
        found = f"its private half is not here: {said.words}"
        next_ = "start the agent that holds it and `ssh-add` it, or " + CONFIGURE
    else:
        found = f"ssh-keygen could not sign with it: {said.words}"
        next_ = "settle what it says, or " + CONFIGURE
    return Problem(found, next_, path=f"{key.source}: {key.path or key.fingerprint}")


def _of_path(path: Path, source: str) -> Key:
    """A key by its file, private or public."""
    if not path.is_file():
        raise UsageError(Problem(f"there is no key at {path}", CONFIGURE, path=source))
    path = path.resolve()
    public = path if path.suffix == ".pub" else path.with_name(f"{path.name}.pub")
    # Without a public file beside it, the private one is asked, which it answers at once unless it has a passphrase.
    line = public.read_text() if public.is_file() else _try("ssh-keygen", "-y", "-P", "", "-f", str(path)).out
    try:
        return Key(source, path, line.strip(), sshsig.public_key(line))
    except ValueError:
        found = f"{path} shows no public key"
        next_ = f"is it an SSH key? `ssh-keygen -y -f {path} > {public}` writes its public half beside it"
        raise UsageError(Problem(found, next_, path=source)) from None


def _of_line(line: str, source: str) -> Key:
    """A key by its public line; an agent has its private half."""
    try:
        return Key(source, None, line.strip(), sshsig.public_key(line))
    except ValueError:
        raise UsageError(Problem(f"«{line.strip()[:40]}» is no public key", CONFIGURE, path=source)) from None


def _of_git(configured: str, root: Path) -> Key:
    source = "git config user.signingkey"
    if configured.startswith(("key::", "ssh-", "ecdsa-", "sk-")):
        return _of_line(configured.removeprefix("key::"), source)
    return _of_path(root / Path(configured).expanduser(), source)


def _git(root: Path, name: str) -> str:
    return _try("git", "-C", str(root), "config", "--get", name).out.strip()


def _try(*argv: str) -> Said:
    """Ask a program that may not be there, or have no answer: then there is none."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=ALONE_S, check=False, start_new_session=True
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as none:
        return Said(ok=False, words=str(none))
    return Said(done.returncode == 0, done.stderr.decode(errors="replace"), done.stdout.decode(errors="replace"))
