"""Signing with an engineer's SSH key: which key, what is asked, and what a signature must be."""

import base64
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cutover.core.errors import Unjudged, UsageError
from cutover.evidence import signing, sshsig
from cutover.evidence.signing import NAMESPACE, check_novalidate, choose, find_principals, sign, verify
from tests.checkout import ROOT
from tests.evidence.bundles import ANN, BOB, allow, key

AT = datetime(2026, 1, 3, tzinfo=UTC)
SECRET = "open sesame"  # noqa: S105 - of keys that live as long as a test
ASK = """
import pathlib, sys
from cutover.evidence.signing import choose, sign
path = pathlib.Path(sys.argv[1])
print("SIGNED", sign(b"payload", choose(str(path), path.parent)).count("SSH SIGNATURE"))
"""


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No terminal, no key, no agent, no settings of git but those of the test."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        yield


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An agent with one key, whose file has a passphrase."""
    private = key(tmp_path, "agents", SECRET)
    asked = tmp_path / "askpass"
    asked.write_text(f"#!/bin/sh\necho '{SECRET}'\n")
    asked.chmod(0o700)
    socket = tmp_path / "agent.sock"
    started = subprocess.run(["ssh-agent", "-s", "-a", socket], capture_output=True, text=True, check=True)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    answering = {**os.environ, "SSH_ASKPASS": str(asked), "SSH_ASKPASS_REQUIRE": "force"}
    subprocess.run(["ssh-add", "-q", private], env=answering, check=True)
    yield
    found = re.search(r"SSH_AGENT_PID=(\d+)", started.stdout)
    assert found
    os.kill(int(found[1]), signal.SIGTERM)


def configure(root: Path, form: str, value: str) -> None:
    (root / "gitconfig").write_text(f"[gpg]\nformat = {form}\n[user]\nsigningkey = {value}\nemail = {ANN}\n")


def test_a_signature_is_good_for_its_bytes_its_person_its_time(tmp_path: Path) -> None:
    private = key(tmp_path, "ann")
    signature = sign(b"payload", choose(str(private), tmp_path))
    signers = allow(tmp_path / "list", (ANN, 'valid-after="20260102",valid-before="20260104"', private))
    assert sshsig.take_apart(signature).namespace == NAMESPACE
    assert verify(b"payload", signature, ANN, signers, AT).ok
    assert not verify(b"payloae", signature, ANN, signers, AT).ok
    assert not verify(b"payload", signature, BOB, signers, AT).ok
    assert not verify(b"payload", signature, ANN, signers, AT.replace(day=1)).ok
    assert not verify(b"payload", signature, ANN, signers, AT.replace(day=5)).ok
    assert check_novalidate(b"payload", signature).ok
    assert not check_novalidate(b"payloae", signature).ok
    assert find_principals(signature, signers, AT) == (ANN,)
    assert find_principals(signature, signers, AT.replace(day=5)) == ()


def test_the_time_zone_of_the_reader_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = key(tmp_path, "ann")
    signature = sign(b"payload", choose(str(private), tmp_path))
    signers = allow(tmp_path / "list", (ANN, 'valid-after="202601022350Z",valid-before="202601030010Z"', private))
    for zone in ("UTC", "Pacific/Kiritimati", "America/Los_Angeles"):
        monkeypatch.setenv("TZ", zone)
        assert verify(b"payload", signature, ANN, signers, AT).ok


def test_the_order_in_which_a_key_is_looked_for(tmp_path: Path, agent: None) -> None:  # noqa: ARG001 - it runs
    named, configured, usual = (key(tmp_path, name) for name in ("named", "configured", "usual"))
    (tmp_path / ".ssh").mkdir()
    for suffix in ("", ".pub"):
        usual.with_name(usual.name + suffix).rename(tmp_path / ".ssh" / f"id_ed25519{suffix}")
    configure(tmp_path, "ssh", str(configured))
    assert choose(str(named), tmp_path).path == named
    assert choose("", tmp_path).path == configured
    configure(tmp_path, "openpgp", "0xABCDEF")
    offered = choose("", tmp_path)
    assert (offered.source, offered.line.split()[2]) == ("ssh-agent", "agents")
    os.environ.pop("SSH_AUTH_SOCK")
    assert choose("", tmp_path).path == tmp_path / ".ssh" / "id_ed25519"
    (tmp_path / ".ssh" / "id_ed25519").unlink()
    with pytest.raises(UsageError, match="no SSH key to sign with") as none:
        choose("", tmp_path)
    assert "ssh-keygen -t ed25519" in none.value.problems[0].next


@pytest.mark.parametrize("form", ["key::{}", "{}"])
def test_git_may_name_a_key_by_its_public_line(tmp_path: Path, form: str, agent: None) -> None:  # noqa: ARG001 - it runs
    line = (tmp_path / "agents.pub").read_text().strip()
    configure(tmp_path, "ssh", form.format(line))
    chosen = choose("", tmp_path)
    assert chosen.path is None
    assert check_novalidate(b"payload", sign(b"payload", chosen)).ok
    assert signing.email(tmp_path) == ANN


def test_an_agent_signs_with_a_key_whose_file_has_a_passphrase(tmp_path: Path, agent: None) -> None:  # noqa: ARG001 - it runs
    for file in ("agents", "agents.pub"):
        assert check_novalidate(b"payload", sign(b"payload", choose(str(tmp_path / file), tmp_path))).ok


def test_a_passphrase_without_a_terminal_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = key(tmp_path, "ann", SECRET)
    asked = tmp_path / "askpass"
    asked.write_text("#!/bin/sh\nexec sleep 600\n")
    asked.chmod(0o700)
    monkeypatch.setenv("SSH_ASKPASS", str(asked))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    monkeypatch.setenv("DISPLAY", ":0")
    with pytest.raises(UsageError, match="there is no terminal") as refused:
        sign(b"payload", choose(str(private), tmp_path))
    assert f"ssh-add {private}" in refused.value.problems[0].next


def test_a_passphrase_is_asked_for_on_the_terminal(tmp_path: Path) -> None:
    private = key(tmp_path, "ann", SECRET)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-W", "error", "-c", ASK, str(private)])  # noqa: S606 - pty.fork needs it
    said = b""
    while b"passphrase" not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, SECRET.encode() + b"\n")
    while b"SIGNED 2" not in said:  # where it ends without, reading fails
        said += os.read(terminal, 1000)
    os.waitpid(child, 0)
    os.close(terminal)
    assert SECRET.encode() not in said


def test_what_hangs_is_ended_at_its_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = choose(str(key(tmp_path, "ann")), tmp_path)
    hanging = tmp_path / "bin" / "ssh-keygen"
    hanging.parent.mkdir()
    hanging.write_text("#!/bin/sh\nsleep 600 & sleep 600\n")
    hanging.chmod(0o700)
    monkeypatch.setenv("PATH", f"{hanging.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(signing, "ALONE_S", 0.2)
    with pytest.raises(UsageError, match="did not end within"):
        sign(b"payload", chosen)


def test_without_ssh_keygen_nothing_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signature = sign(b"payload", choose(str(key(tmp_path, "ann")), tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unjudged, match="no ssh-keygen"):
        check_novalidate(b"payload", signature)


def test_keys_that_are_none_are_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\n")
    alone = key(tmp_path, "alone", SECRET)
    alone.with_name("alone.pub").unlink()
    lost = key(tmp_path, "lost")
    lost.unlink()
    swapped = key(tmp_path, "swapped")
    swapped.with_name("swapped.pub").write_text((tmp_path / "lost.pub").read_text())
    for name, words in (("none", "there is no key"), ("text", "shows no public key"), ("alone", "shows no public key")):
        with pytest.raises(UsageError, match=words):
            choose(str(tmp_path / name), tmp_path)
    with pytest.raises(UsageError, match="private half is not here"):
        sign(b"payload", choose(str(tmp_path / "lost.pub"), tmp_path))
    with pytest.raises(UsageError) as refused:
        sign(b"payload", choose(str(swapped), tmp_path))
    assert refused.value.problems[0].next


def test_a_key_without_its_public_file_signs(tmp_path: Path) -> None:
    private = key(tmp_path, "ann")
    private.with_name("ann.pub").unlink()
    assert check_novalidate(b"payload", sign(b"payload", choose(str(private), tmp_path))).ok


def packed(*strings: bytes) -> bytes:
    return b"".join(len(one).to_bytes(4, "big") + one for one in strings)


def armored(blob: bytes) -> str:
    text = base64.b64encode(blob).decode()
    lines = [text[start : start + 70] for start in range(0, len(text), 70)]
    return "\n".join([sshsig.BEGIN, *lines, sshsig.FINISH, ""])


def test_what_ssh_keygen_reads_over_is_not_read_over(tmp_path: Path) -> None:
    signature = sign(b"payload", choose(str(key(tmp_path, "ann")), tmp_path))
    blob = base64.b64decode("".join(signature.splitlines()[1:-1]))
    assert armored(blob) == signature
    whole = sshsig.take_apart(signature)
    reserved = packed(whole.key, NAMESPACE.encode())
    at = 10 + len(reserved)
    assert blob[at : at + 4] == bytes(4)
    others = [
        armored(blob[:at] + packed(b"x") + blob[at + 4 :]),
        armored(blob[:6] + bytes(4) + blob[10:]),
        armored(blob + b"x"),
        armored(blob[:-1]),
        signature.replace("\n", "\r\n"),
        signature.replace("\n", "\n ", 1),
        signature + "\n",
        signature[:-1],
        signature.replace(sshsig.BEGIN, sshsig.BEGIN.lower()),
        "",
        sshsig.BEGIN,
    ]
    for other in others:
        with pytest.raises(ValueError, match=r"it |there is more"):
            sshsig.take_apart(other)


def test_the_name_that_a_list_gives_a_key(tmp_path: Path) -> None:
    ann, bob = key(tmp_path, "ann"), key(tmp_path, "bob")
    public = choose(str(ann), tmp_path).public
    line = sshsig.public_line(public)
    for text, name in (
        (f"{BOB} {choose(str(bob), tmp_path).line}\n{ANN} {line} comment\n", ANN),
        (f'*@example.org,{ANN} namespaces="a,b",valid-before="20270101" {line}', ANN),
        (f'"{ANN},x y" {line}', ANN),
        (f"# {ANN} {line}", ""),
        (f"* {line}", ""),
        ("", ""),
    ):
        assert sshsig.principal_of(public, text) == name, text
