"""Evidence: one signed file of a run, made and verified; every other state of it is reported."""

import os
import subprocess
from pathlib import Path

import pytest

from cutover.core.errors import UsageError
from cutover.core.verdict import Verdict
from cutover.evidence.collect import make_bundle, verify_bundle
from cutover.evidence.manifest import NAME, SIGNATURE
from cutover.journal.signing import fingerprint
from tests.evidence.bundles import (
    ANN,
    BOB,
    MADE,
    NOW,
    Ground,
    allow,
    key,
    make_ground,
    manifest_of,
    members,
    rechained,
    records,
    signed,
    together,
    with_file,
)  # fmt: skip


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return make_ground(tmp_path)


def test_a_bundle_holds_the_run_and_verifies(ground: Ground) -> None:
    made = make_bundle(ground.run, ground.root, key=str(ground.ann), now=lambda: MADE)
    assert (made.verdict, made.signer, made.bundle.name) == (Verdict.PASS, ANN, f"evidence-{ground.run.id}.tar")
    parts = members(made.bundle.read_bytes())
    files = [path for path in ground.run.path.rglob("*") if path.is_file()]
    on_disk = sorted(path.relative_to(ground.run.path).as_posix() for path in files)
    names = [name for name, _ in parts]
    assert names == [NAME, SIGNATURE, *(name for name in on_disk if name != made.bundle.name)]
    listed = subprocess.run(["tar", "-tf", made.bundle], capture_output=True, text=True, check=True)
    assert (listed.stdout.splitlines(), listed.stderr) == (names, "")
    manifest = manifest_of(parts)
    assert (manifest.run, manifest.service, manifest.environment) == (ground.run.id, "abaco", "stage")
    assert manifest.fingerprint == ground.run.plan().fingerprint
    verified = verify_bundle(made.bundle, None, ground.root, NOW)
    assert (verified.verdict, verified.signer, verified.problems) == (Verdict.PASS, ANN, ())
    assert {path: head.seq for path, head in manifest.heads.items()} == {"journal.jsonl": 6, "watch.jsonl": 3}
    assert made.bundle.stat().st_mode & 0o777 == 0o600


def test_made_twice_it_is_the_same_byte_for_byte(ground: Ground) -> None:
    first = ground.bundle(ground.run)
    os.utime(ground.run.report, (1, 1))
    ground.run.report.chmod(0o666)
    (ground.run.path / ".half-written").write_bytes(b"x")
    with (ground.run.path / "watch.jsonl").open("ab") as file:
        file.write(b'{"seq":4,')  # half a record that is being written stays out
    assert ground.bundle(ground.run) == first
    assert str(ground.root).encode() not in first


def test_without_a_list_the_signer_is_not_known_and_an_alteration_is_still_one(ground: Ground) -> None:
    content, file = ground.bundle(ground.run), ground.root / "x.tar"
    file.write_bytes(content)
    verified = verify_bundle(file, None, None, NOW)
    key = fingerprint(manifest_of(members(content)).public_key)
    assert (verified.verdict, verified.signer, verified.key) == (Verdict.INCONCLUSIVE, "", key)
    assert ["--signers" in problem.next for problem in verified.problems] == [True]
    text = dict(members(content))[NAME].replace(ANN.encode(), b"eve@example.org")
    for altered in (content + b"\0", together(with_file(members(content), NAME, text))):
        file.write_bytes(altered)
        assert verify_bundle(file, None, None, NOW).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("names", "options", "whose", "words"),
    [
        (BOB, "", "bob", "may not sign"),
        (BOB, "", "ann", "may not sign"),
        (ANN, 'namespaces="git"', "ann", "not permitted for use in signature namespace"),
        (ANN, 'valid-before="20260101"', "ann", "expired"),
        (ANN, 'valid-after="20260104"', "ann", "not yet valid"),
        ("# nobody", "", "ann", "may not sign"),
    ],
)
def test_a_key_that_may_not_sign_fails(ground: Ground, names: str, options: str, whose: str, words: str) -> None:
    signers = allow(ground.root / "list", (names, options, ground.root / whose))
    verified = ground.judge(ground.bundle(ground.run), signers)
    assert (verified.verdict, verified.signer) == (Verdict.FAIL, "")
    (problem,) = verified.problems
    assert words in problem.found
    assert ANN in problem.next


@pytest.mark.parametrize("options", ["", 'valid-after="20260102",valid-before="20260104"'])
def test_a_key_that_was_valid_when_it_signed_passes_until_it_is_revoked(ground: Ground, options: str) -> None:
    content = ground.bundle(ground.run)
    signers = allow(ground.root / "list", (BOB, "", ground.bob), (f"x@y,{ANN}", options, ground.ann))
    revoked = ground.root / "revoked_keys"
    revoked.write_text((ground.root / "bob.pub").read_text())
    assert ground.judge(content, signers).verdict is Verdict.PASS
    revoked.write_text((ground.root / "ann.pub").read_text())
    verified = ground.judge(content, signers)
    assert (verified.verdict, "revoked" in verified.problems[0].found) == (Verdict.FAIL, True)


def test_who_may_not_sign_leaves_no_bundle(ground: Ground) -> None:
    with pytest.raises(UsageError, match="may not sign"):
        make_bundle(ground.run, ground.root, key=str(ground.bob), now=lambda: MADE)
    assert [path.name for path in ground.run.path.iterdir() if "evidence-" in path.name] == []


def test_a_run_that_contradicts_itself_is_not_signed(ground: Ground) -> None:
    content = ground.run.journal_file.read_bytes()
    some = records(content)
    (ground.run.evidence / "checks-1-preflight.xml").unlink()
    for altered, words in (
        (rechained([*some[:3], *some[4:]]), "by record 1"),
        (content, "record 4 .* names file evidence/checks"),
        (content.replace(b"preflight", b"postfligh"), "the chain is broken"),
        (b"", "without records"),
        (rechained(some[1:]), "environment: "),
    ):
        ground.run.journal_file.write_bytes(altered)
        if "environment" in words:
            ground.run.plan_file.unlink()
        with pytest.raises(UsageError, match=words):
            make_bundle(ground.run, ground.root, key=str(ground.ann), now=lambda: MADE)


def test_what_is_not_a_plain_file_is_refused_all_at_once(ground: Ground) -> None:
    (ground.run.evidence / "link").symlink_to("/etc/passwd")
    (ground.run.evidence / "new\nline").write_text("")
    (ground.run.path / "hosts" / ("long" * 60)).write_text("")
    (ground.run.path / NAME).write_text("")
    os.mkfifo(ground.run.evidence / "pipe")
    with pytest.raises(UsageError) as refused:
        make_bundle(ground.run, ground.root, key=str(ground.ann))
    assert len(refused.value.problems) == 5


def test_a_run_without_watch_and_a_recovered_one_verify(tmp_path: Path) -> None:
    ground = make_ground(tmp_path, watched=False)
    (ground.run.path / "journal-set-aside-2026-01-02T03:04:05.000Z.jsonl").write_text("{}\n")
    assert ground.judge(ground.bundle(ground.run)).verdict is Verdict.PASS


def test_everything_that_is_wrong_is_reported_at_once(ground: Ground) -> None:
    parts = members(ground.bundle(ground.run))
    altered = with_file(with_file(parts, "report.html", b"<html>"), "journal.jsonl", b"{}\n")
    fields = {"made_at": "2026-01-01T00:00:00.000Z", "run": "another"}
    verified = ground.judge(signed(altered, ground.bob, **fields) + b"more")
    found = "\n".join(str(problem) for problem in verified.problems)
    expected = (
        "not a journal record", "something follows", "names run", "made at", "may not sign", "plan.json: the plan",
    )  # fmt: skip
    assert [words for words in expected if words not in found] == []
    assert all(problem.next for problem in verified.problems)


def test_a_manifest_that_leads_elsewhere_finds_no_list(ground: Ground) -> None:
    parts = members(ground.bundle(ground.run))
    (ground.root / "allowed_signers").write_text(ground.signers.read_text())
    (ground.root / "x.tar").write_bytes(signed(parts, ground.ann, environment=".."))
    verified = verify_bundle(ground.root / "x.tar", None, ground.root, NOW)
    assert (verified.verdict, verified.manifest) == (Verdict.FAIL, None)


def test_what_is_not_a_bundle_fails(ground: Ground) -> None:
    assert ground.judge(b"\xff" * 5000).verdict is Verdict.FAIL
    with pytest.raises(UsageError, match="no such file"):
        verify_bundle(ground.root / "none.tar", ground.signers)


def test_a_key_of_another_kind_signs_too(ground: Ground) -> None:
    other = ground.root / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", other], check=True)
    allow(ground.signers, (ANN, "", other), (BOB, "", key(ground.root, "third")))
    made = make_bundle(ground.run, ground.root, key=str(other), now=lambda: MADE)
    assert (made.verdict, made.signer) == (Verdict.PASS, ANN)
