"""Evidence of a run: collect it into one signed bundle, and verify such a bundle offline."""

import getpass
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import cutover
from cutover.core.errors import Problem, UsageError
from cutover.core.verdict import Verdict
from cutover.evidence import signing, sshsig, tar
from cutover.evidence.archive import LONGEST_LINE, read
from cutover.evidence.bundle import File, files_of, scratch_of, settle, write
from cutover.evidence.chains import follow
from cutover.evidence.judging import ALTERED, judge, moment, must_hold, read_plan
from cutover.evidence.manifest import Head, Manifest, Tool
from cutover.evidence.signers import Signer, judge_signer, signers_of, unknown_signer
from cutover.evidence.signing import Key
from cutover.journal.journal import utc_now
from cutover.journal.rundir import RunDir


@dataclass(frozen=True)
class Verified:
    """What a verification came to: the verdict, all that is wrong, who signed (empty: not known), with which key; and what it is of."""

    bundle: Path
    verdict: Verdict
    problems: tuple[Problem, ...]
    signer: str
    key: str
    signers: Path | None
    manifest: Manifest | None
    records: Mapping[str, int]


def make_bundle(
    run: RunDir, root: Path, *, key: str = "", signers: Path | None = None, now: Callable[[], str] = utc_now
) -> Verified:
    """Collect, sign and verify the evidence of a run as it is now; .cutover/runs/<id>/evidence-<id>.tar is then in its place.

    Write report and validation reports before (entry/written.py). Nothing stays behind where it cannot be signed, or where what
    is there contradicts itself: UsageError says why. `signers` is the environment's list where it does not lie in the checkout.
    """
    if not run.journal_file.exists():
        next_ = "name another with --run"
        raise UsageError(Problem("this run has no journal, so there is nothing to show", next_, path=str(run.path)))
    chosen = signing.choose(key, root)
    environment = run.environment()
    known = signers or signers_of(root, environment)
    files = files_of(run.path)
    manifest = Manifest(
        run=run.id,
        environment=environment,
        made_at=now(),
        tool=Tool(name="cutover", code=_code()),
        engineer=_engineer(chosen, known, root),
        key=chosen.fingerprint,
        fingerprint=_fingerprint(run),
        heads={file.entry.path: _head(file) for file in files if must_hold(file.entry.path)},
        files=tuple(file.entry for file in files),
    )
    target = run.path / f"evidence-{run.id}.tar"
    scratch = scratch_of(target)
    try:
        write(scratch, manifest.text(), signing.sign(manifest.text(), chosen), files)
        verified = verify_bundle(scratch, known, now=moment(manifest.made_at))
        if verified.verdict is Verdict.FAIL:
            raise UsageError(verified.problems)
        settle(scratch, target)
    finally:
        scratch.unlink(missing_ok=True)
    return replace(verified, bundle=target)


def verify_bundle(
    bundle: Path, signers: Path | None, root: Path | None = None, now: datetime | None = None
) -> Verified:
    """Judge a bundle by itself, ssh-keygen and a list of allowed signers: PASS, FAIL, or INCONCLUSIVE where there is no list.

    Without `signers` the list is that of the environment that the bundle names, in the checkout at `root`.
    """
    contents = read(bundle)
    if signers is None and root is not None and contents.manifest is not None:
        signers = signers_of(root, contents.manifest.environment)
    problems = list(contents.problems)
    signer = Signer()
    if contents.manifest is not None:
        problems += judge(contents.manifest, contents.chains, contents.plan, now or datetime.now(UTC))
        if contents.signature:
            signer = judge_signer(contents, contents.manifest, signers)
    verdict = Verdict.FAIL if problems or signer.problems else Verdict.PASS if signer.name else Verdict.INCONCLUSIVE
    if verdict is Verdict.INCONCLUSIVE and contents.manifest is not None:
        problems.append(unknown_signer(signer, contents.manifest))
    records = {path: chain.seq for path, chain in contents.chains.items()}
    told = tuple(dict.fromkeys([*problems, *signer.problems]))
    return Verified(bundle, verdict, told, signer.name, signer.key, signers, contents.manifest, records)


def _engineer(key: Key, signers: Path | None, root: Path) -> str:
    """Who signs: by the list of allowed signers, else as git knows the engineer, else as this machine does."""
    listed = sshsig.principal_of(key.public, signers.read_text(errors="replace")) if signers is not None else ""
    return listed or signing.email(root) or getpass.getuser()


def _fingerprint(run: RunDir) -> str | None:
    """The digest over the plan's content; a plan that is not what it says is found by the verification."""
    if not run.plan_file.exists():
        return None
    try:
        return read_plan(run.plan_file.read_bytes()).digest
    except ValueError as unusable:
        raise UsageError(Problem(str(unusable), ALTERED, path=str(run.plan_file))) from unusable


def _head(file: File) -> Head:
    """Where a journal begins and ends, of the bytes that go into the bundle."""
    with file.source.open("rb") as opened:
        chain = follow(tar.Content(opened, 0, file.entry.size).lines(LONGEST_LINE), file.entry.path)
    if chain.broken or not chain.seq:
        raise UsageError(Problem(chain.broken or "it has no records", ALTERED, path=str(file.source)))
    return Head(journal=chain.first, seq=chain.seq, hash=chain.last)


def _code() -> str:
    """One digest over the code that made the bundle, so that it can be told which version that was."""
    package = Path(cutover.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
