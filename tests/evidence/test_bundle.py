"""Evidence: one signed file of a run, made and verified; every other state of it is told."""

import getpass
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cutover.core.errors import UsageError
from cutover.core.verdict import Verdict
from cutover.evidence.collect import make_bundle, verify_bundle
from cutover.evidence.manifest import NAME, SIGNATURE
from tests.checkout import ROOT
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
    with_file,
)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return make_ground(tmp_path)


def test_a_bundle_holds_the_run_and_verifies(ground: Ground) -> None:
    made = make_bundle(ground.run, ground.root, key=str(ground.ann), now=lambda: MADE)
    assert (made.verdict, made.signer, made.bundle.name) == (Verdict.PASS, ANN, f"evidence-{ground.run.id}.tar")
    names = [name for name, _ in members(made.bundle.read_bytes())]
    on_disk = sorted(
        path.relative_to(ground.run.path).as_posix() for path in ground.run.path.rglob("*") if path.is_file()
    )
    assert names == [NAME, SIGNATURE, *(name for name in on_disk if name != made.bundle.name)]
    assert {"plan.json", "journal.jsonl", "watch.jsonl", "evidence/checks-1-preflight.xml", "report.html"} < set(names)
    verified = verify_bundle(made.bundle, None, ground.root, NOW)
    assert (verified.verdict, verified.signer, verified.problems) == (Verdict.PASS, ANN, ())
    assert verified.records == {"journal.jsonl": 6, "watch.jsonl": 3}
    assert made.bundle.stat().st_mode & 0o777 == 0o600


def test_made_twice_it_is_the_same_byte_for_byte(ground: Ground) -> None:
    first = ground.bundle(ground.run)
    os.utime(ground.run.report, (1, 1))
    ground.run.report.chmod(0o666)
    (ground.run.path / "watch.sqlite").write_bytes(b"an index is rebuilt from what is in it")
    assert ground.bundle(ground.run) == first
    assert str(ground.root).encode() not in first
    assert (getpass.getuser() + "@").encode() not in first


def test_tar_lists_it(ground: Ground) -> None:
    made = make_bundle(ground.run, ground.root, key=str(ground.ann), now=lambda: MADE)
    listed = subprocess.run(["tar", "-tf", made.bundle], capture_output=True, text=True, check=True)
    assert listed.stderr == ""
    assert listed.stdout.splitlines() == [name for name, _ in members(made.bundle.read_bytes())]


def test_it_verifies_elsewhere_in_a_checkout_that_cannot_be_written(ground: Ground, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "inventory" / "stage").mkdir(parents=True)
    (elsewhere / "inventory" / "stage" / "allowed_signers").write_text(ground.signers.read_text())
    (elsewhere / "it.tar").write_bytes(ground.bundle(ground.run))
    before = _tree(elsewhere)
    for path in (*elsewhere.rglob("*"), elsewhere):
        path.chmod(0o555 if path.is_dir() else 0o444)
    code = (
        "import sys, pathlib; from cutover.evidence.collect import verify_bundle;"
        "print(verify_bundle(pathlib.Path('it.tar'), None, pathlib.Path('.')).verdict)"
    )
    checkout = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=elsewhere, env=checkout, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("PASS\n", "")
    assert _tree(elsewhere) == before


def _tree(folder: Path) -> dict[str, str]:
    return {str(path): path.read_text() if path.is_file() else "" for path in sorted(folder.rglob("*"))}


def test_without_a_list_the_signer_is_not_known(ground: Ground) -> None:
    content = ground.bundle(ground.run)
    (ground.root / "x.tar").write_bytes(content)
    verified = verify_bundle(ground.root / "x.tar", None, None, NOW)
    assert (verified.verdict, verified.signer, verified.key) == (
        Verdict.INCONCLUSIVE,
        "",
        manifest_of(members(content)).key,
    )
    (problem,) = verified.problems
    assert "--signers" in problem.next


def test_without_a_list_an_alteration_is_still_one(ground: Ground) -> None:
    (ground.root / "x.tar").write_bytes(ground.bundle(ground.run) + b"\0")
    assert verify_bundle(ground.root / "x.tar", None, None, NOW).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("names", "options", "whose", "words"),
    [
        (BOB, "", "bob", "is not one with which"),
        (BOB, "", "ann", f"is of {BOB}"),
        (ANN, 'namespaces="git"', "ann", "not permitted for use in signature namespace"),
        (ANN, 'valid-before="20260101"', "ann", "expired"),
        (ANN, 'valid-after="20260104"', "ann", "not yet valid"),
        ("garbage", "nonsense", "ann", "is not one with which"),
    ],
)
def test_a_key_that_may_not_sign_fails(ground: Ground, names: str, options: str, whose: str, words: str) -> None:
    signers = allow(ground.root / "list", (names, options, ground.root / whose))
    verified = ground.judge(ground.bundle(ground.run), signers)
    assert (verified.verdict, verified.signer) == (Verdict.FAIL, "")
    (problem,) = verified.problems
    assert words in problem.found
    assert ANN in problem.next


@pytest.mark.parametrize(
    "options", ['valid-before="20260104"', 'valid-after="20260102"', 'valid-after="20260102",valid-before="20260104"']
)
def test_a_key_that_was_valid_when_it_signed_passes(ground: Ground, options: str) -> None:
    signers = allow(ground.root / "list", (BOB, "", ground.bob), (f"x@y,{ANN}", options, ground.ann))
    assert ground.judge(ground.bundle(ground.run), signers).verdict is Verdict.PASS


def test_an_empty_list_allows_nobody(ground: Ground) -> None:
    (ground.root / "list").write_text("")
    assert ground.judge(ground.bundle(ground.run), ground.root / "list").verdict is Verdict.FAIL


def test_who_may_not_sign_is_told_before_there_is_a_bundle(ground: Ground) -> None:
    with pytest.raises(UsageError, match="is not one with which"):
        make_bundle(ground.run, ground.root, key=str(ground.bob), now=lambda: MADE)
    assert [path.name for path in ground.run.path.iterdir() if "evidence-" in path.name] == []


def test_a_run_that_contradicts_itself_is_not_signed(ground: Ground) -> None:
    content = ground.run.journal_file.read_bytes()
    some = records(content)
    ground.run.journal_file.write_bytes(rechained([*some[:3], *some[4:]]))
    (ground.run.evidence / "checks-1-preflight.xml").unlink()
    with pytest.raises(UsageError, match="by what record 1"):
        make_bundle(ground.run, ground.root, key=str(ground.ann), now=lambda: MADE)
    ground.run.journal_file.write_bytes(content)
    with pytest.raises(UsageError, match="it is not in the bundle, and record 4"):
        make_bundle(ground.run, ground.root, key=str(ground.ann), now=lambda: MADE)


def test_half_a_record_that_is_just_being_written_stays_out(ground: Ground) -> None:
    whole = ground.bundle(ground.run)
    with (ground.run.path / "watch.jsonl").open("ab") as file:
        file.write(b'{"seq":4,')
    assert ground.bundle(ground.run) == whole


def test_what_is_no_file_is_refused_all_at_once(ground: Ground) -> None:
    (ground.run.evidence / "link").symlink_to("/etc/passwd")
    (ground.run.evidence / "new\nline").write_text("")
    (ground.run.path / "hosts" / ("long" * 60)).write_text("")
    os.mkfifo(ground.run.evidence / "pipe")
    with pytest.raises(UsageError) as refused:
        make_bundle(ground.run, ground.root, key=str(ground.ann))
    assert len(refused.value.problems) == 4


def test_a_run_without_watch_and_a_recovered_one_verify(tmp_path: Path) -> None:
    ground = make_ground(tmp_path, watched=False)
    (ground.run.path / "journal-set-aside-2026-01-02T03:04:05.000Z.jsonl").write_text("{}\n")
    assert ground.judge(ground.bundle(ground.run)).verdict is Verdict.PASS


def test_everything_that_is_wrong_is_told_at_once(ground: Ground) -> None:
    parts = members(ground.bundle(ground.run))
    altered = with_file(with_file(parts, "report.html", b"<html>"), "journal.jsonl", b"{}\n")
    altered = [one for one in altered if one[0] != "watch.md"]
    fields = {"made_at": "2026-01-01T00:00:00.000Z", "run": "another"}
    content = signed(altered, ground.bob, **fields) + b"more"
    verified = ground.judge(content)
    told = "\n".join(str(problem) for problem in verified.problems)
    expected = (
        "not a journal record",
        "follow after the end",
        "is about run",
        "it was made at",
        "is not one with which",
    )
    assert [words for words in (*expected, "plan.json: it is of run") if words not in told] == []
    assert all(problem.next for problem in verified.problems)


def test_a_bundle_from_the_future_fails(ground: Ground) -> None:
    made = make_bundle(ground.run, ground.root, key=str(ground.ann), now=lambda: "2026-01-05T00:00:00.000Z")
    assert verify_bundle(made.bundle, ground.signers, now=NOW).verdict is Verdict.FAIL


def test_a_manifest_that_leads_elsewhere_finds_no_list(ground: Ground) -> None:
    parts = members(ground.bundle(ground.run))
    (ground.root / "allowed_signers").write_text(ground.signers.read_text())
    (ground.root / "x.tar").write_bytes(signed(parts, ground.ann, environment=".."))
    verified = verify_bundle(ground.root / "x.tar", None, ground.root, NOW)
    assert (verified.verdict, verified.signers) == (Verdict.FAIL, None)


def test_the_plan_is_compared_by_its_own_fingerprint(ground: Ground) -> None:
    manifest = manifest_of(members(ground.bundle(ground.run)))
    assert manifest.fingerprint == ground.run.plan().fingerprint
    document = json.loads(ground.run.plan_file.read_text())
    parts = members(ground.bundle(ground.run))
    forged = json.dumps({**document, "pattern": "db*"}).encode()
    verified = ground.judge(signed(with_file(parts, "plan.json", forged), ground.ann))
    assert verified.verdict is Verdict.FAIL
    assert {problem.path for problem in verified.problems} == {"plan.json"}
    assert len(verified.problems) == 4  # by its own line, by the manifest, by both records that name it


def test_no_file_no_bundle(ground: Ground) -> None:
    with pytest.raises(UsageError, match="no such file"):
        verify_bundle(ground.root / "none.tar", ground.signers)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 1024, b"hello", b"\xff" * 5000], ids=["empty", "zeros", "text", "ones"]
)
def test_what_is_no_bundle_fails(ground: Ground, content: bytes) -> None:
    assert ground.judge(content).verdict is Verdict.FAIL


def test_a_key_of_another_kind_signs_too(ground: Ground) -> None:
    rsa = ground.root / "rsa"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", rsa], check=True)
    signers = allow(ground.root / "list", (ANN, "", rsa), (BOB, "", key(ground.root, "third")))
    made = make_bundle(ground.run, ground.root, key=str(rsa), signers=signers, now=lambda: MADE)
    assert (made.verdict, made.signer) == (Verdict.PASS, ANN)
