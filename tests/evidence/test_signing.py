"""Signing with an engineer's SSH key: which key, what is asked, and what a signature must be."""

import base64
import getpass
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cutover.core.errors import Problem, Unjudged, UsageError
from cutover.journal import signing
from cutover.journal.signing import EVIDENCE, Signed, SigningKey, choose, engineer_of, judge, sign
from tests.checkout import ROOT
from tests.evidence.bundles import ANN, BOB, MADE, allow, key

PAYLOAD = b"payload"
SECRET = "open sesame"  # noqa: S105 - of keys that live as long as a test
ASK = """
import sys
from cutover.journal.signing import EVIDENCE, choose, sign
print("SIGNED", sign(b"payload", choose(sys.argv[1]), EVIDENCE).count(b"SSH SIGNATURE"))
"""


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No terminal, no key and no agent but those of the test."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        yield


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An agent with one key, whose file has a passphrase."""
    private = key(tmp_path, "agents", SECRET)
    asked = script(tmp_path / "askpass", f"echo '{SECRET}'")
    socket = tmp_path / "agent.sock"
    started = subprocess.run(["ssh-agent", "-s", "-a", socket], capture_output=True, text=True, check=True)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    answering = {**os.environ, "SSH_ASKPASS": str(asked), "SSH_ASKPASS_REQUIRE": "force"}
    subprocess.run(["ssh-add", "-q", private], env=answering, check=True)
    yield private
    found = re.search(r"SSH_AGENT_PID=(\d+)", started.stdout)
    assert found
    os.kill(int(found[1]), signal.SIGTERM)


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return path


def judged(
    signature: bytes, chosen: SigningKey, signers: Path | None = None, *, payload: bytes = PAYLOAD, **changed: Any
) -> list[Problem]:
    """What is wrong with a signature by this key, where Ann is said to have signed."""
    signed = Signed(payload, signature, ANN, chosen.public, MADE, EVIDENCE, "sig", "see who altered it")
    return judge(replace(signed, **changed), signers)


def test_a_signature_is_good_for_its_bytes_its_person_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = choose(str(key(tmp_path, "ann")))
    signature = sign(PAYLOAD, chosen, EVIDENCE)
    validity = 'valid-after="202601022350Z",valid-before="202601030010Z"'
    signers = allow(tmp_path / "list", (ANN, validity, tmp_path / "ann"))
    assert judged(signature, chosen) == []
    assert judged(signature, chosen, payload=b"payloae") != []
    for zone in ("Pacific/Kiritimati", "America/Los_Angeles"):
        monkeypatch.setenv("TZ", zone)
        assert judged(signature, chosen, signers) == []
    assert judged(signature, chosen, signers, engineer=BOB)
    for at in ("2T23:40", "3T00:11"):
        assert judged(signature, chosen, signers, made_at=f"2026-01-0{at}:00.000Z")


def test_the_order_in_which_a_key_is_looked_for(tmp_path: Path, agent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, usual = key(tmp_path, "named"), key(tmp_path, "usual")
    assert choose(str(named)).path == named
    offered = choose("")
    assert (offered.source, offered.path) == ("ssh-agent", None)
    for chosen in (offered, choose(str(agent)), choose(f"{agent}.pub")):  # the file has a passphrase, the agent its key
        assert judged(sign(PAYLOAD, chosen, EVIDENCE), chosen) == []
    monkeypatch.delenv("SSH_AUTH_SOCK")
    with pytest.raises(UsageError, match="no SSH key to sign with") as none:
        choose("")
    assert "ssh-keygen -t ed25519" in none.value.problems[0].next
    (tmp_path / ".ssh").mkdir()
    for suffix in ("", ".pub"):
        usual.with_name(usual.name + suffix).rename(tmp_path / ".ssh" / f"id_ed25519{suffix}")
    assert choose("").path == tmp_path / ".ssh" / "id_ed25519"


def test_a_passphrase_without_a_terminal_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = key(tmp_path, "ann", SECRET)
    monkeypatch.setenv("SSH_ASKPASS", str(script(tmp_path / "askpass", "exec sleep 600")))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    monkeypatch.setenv("DISPLAY", ":0")
    with pytest.raises(UsageError, match="there is no terminal") as refused:
        sign(PAYLOAD, choose(str(private)), EVIDENCE)
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


def test_what_hangs_is_ended_and_without_ssh_keygen_nothing_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = choose(str(key(tmp_path, "ann")))
    signature = sign(PAYLOAD, chosen, EVIDENCE)
    hanging = script(tmp_path / "bin" / "ssh-keygen", "sleep 600 & sleep 600")
    monkeypatch.setenv("PATH", f"{hanging.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(signing, "ALONE_S", 0.2)
    with pytest.raises(UsageError, match="did not end within"):
        sign(PAYLOAD, chosen, EVIDENCE)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unjudged, match="no ssh-keygen"):
        judged(signature, chosen)


def test_keys_that_cannot_be_used_are_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\n")
    key(tmp_path, "alone", SECRET)
    (tmp_path / "alone.pub").unlink()
    key(tmp_path, "lost").unlink()
    key(tmp_path, "swapped")
    (tmp_path / "swapped.pub").write_text((tmp_path / "lost.pub").read_text())
    for name, words in (("none", "no SSH key"), ("text", "no public key"), ("alone", "no public key")):
        with pytest.raises(UsageError, match=words):
            choose(str(tmp_path / name))
    for name in ("lost.pub", "swapped"):
        with pytest.raises(UsageError, match=r"could not sign|another key") as refused:
            sign(PAYLOAD, choose(str(tmp_path / name)), EVIDENCE)
        assert refused.value.problems[0].next
    whole = key(tmp_path, "whole")
    (tmp_path / "whole.pub").unlink()  # the private half shows it
    chosen = choose(str(whole))
    assert judged(sign(PAYLOAD, chosen, EVIDENCE), chosen) == []


def armored(blob: bytes) -> bytes:
    lines = re.findall(".{1,70}", base64.b64encode(blob).decode())
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""]).encode()


def test_a_signature_in_another_form_than_ssh_keygen_writes_is_refused(tmp_path: Path) -> None:
    chosen = choose(str(key(tmp_path, "ann")))
    signature = sign(PAYLOAD, chosen, EVIDENCE)
    blob = base64.b64decode(b"".join(signature.splitlines()[1:-1]))
    assert armored(blob) == signature
    at = blob.index(EVIDENCE.encode()) + len(EVIDENCE)
    assert blob[at : at + 4] == bytes(4)  # the reserved field
    blobs = [
        blob[:at] + b"\0\0\0\1x" + blob[at + 4 :], blob[:6] + bytes(4) + blob[10:], blob + b"x", blob[:-1],
        blob.replace(EVIDENCE.encode(), EVIDENCE.upper().encode()),
    ]  # fmt: skip
    others = [
        *map(armored, blobs),
        *(signature.replace(b"\n", other, 1) for other in (b"\r\n", b"\n ", b"\n\n")),
        *(signature + b"\n", signature[:-1], signature.replace(b"BEGIN SSH", b"begin ssh"), b"", b"-----BEGIN"),
    ]
    assert [other for other in others if not judged(other, chosen)] == []


def test_the_name_that_a_list_gives_a_key(tmp_path: Path) -> None:
    ann, bob = (choose(str(key(tmp_path, name))) for name in ("ann", "bob"))
    for text, name in (
        (f"{BOB} {bob.public}\n{ANN} {ann.public} comment\n", ANN),
        (f'*@example.org,{ANN} namespaces="a,b",valid-before="20270101" {ann.public}', ANN),
        (f'"{ANN},x y" {ann.public}', ANN),
        (f"# {ANN} {ann.public}", getpass.getuser()),
        (f"* {ann.public}", getpass.getuser()),
    ):
        (tmp_path / "list").write_text(text)
        assert engineer_of(ann, tmp_path / "list") == name, text
