"""Evidence of a run: collect it into one signed bundle, and verify such a bundle offline."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from cutover.agent.durable import CHUNK, sync_directory
from cutover.core.errors import Problem, UsageError
from cutover.core.verdict import Verdict
from cutover.evidence.bundle import MemberContent, read, write
from cutover.evidence.contents import ALTERED, JOURNAL, WATCH, contradictions, follow, read_plan
from cutover.evidence.manifest import NAME, SIGNATURE, BundledFile, JournalHead, Manifest, header, moment, reasons
from cutover.journal import signing
from cutover.journal.journal import utc_now
from cutover.journal.rundir import RunDir

OTHER = "verify the bundle that was meant; this one proves nothing about it, signed or not"
LEFT_OUT = ("evidence-*.tar", ".*")  # other bundles, and files that are just being written


@dataclass(frozen=True)
class VerifiedBundle:
    """The result of a verification: verdict, all that is wrong, who signed (empty: not known), with which key (fingerprint), what."""

    bundle: Path
    verdict: Verdict
    problems: tuple[Problem, ...]
    signer: str
    key: str
    manifest: Manifest | None


def make_bundle(run: RunDir, root: Path, *, key: str = "", now: Callable[[], str] = utc_now) -> VerifiedBundle:
    """Collect, sign and verify the evidence of a run as it is now, at .cutover/runs/<id>/evidence-<id>.tar.

    Write report and validation reports first. Nothing stays behind where it cannot be signed, or where what is there
    contradicts itself: UsageError says why.
    """
    if not run.journal_file.exists():
        raise UsageError(Problem("this run has no journal to bundle", "name another with --run", path=str(run.path)))
    chosen = signing.choose(key)
    created = run.created()
    known = _list_in(created.directory(root))
    files, heads = _collect(run.path)
    plan: dict[str, str] = {}
    with suppress(OSError, ValueError):  # one that is not a plan is found by the verification
        plan = read_plan(run.plan_file.read_bytes())
    try:
        manifest = Manifest(
            run=run.id,
            service=created.service,
            environment=created.environment,
            made_at=now(),
            engineer=signing.engineer_of(chosen, known),
            public_key=chosen.public,
            fingerprint=plan.get("digest"),
            heads=heads,
            files=tuple(files),
        )
    except ValidationError as unfit:
        raise UsageError([Problem(one, ALTERED, path=str(run.path)) for one in reasons(unfit)]) from unfit
    signature = signing.sign(manifest.text(), chosen, signing.EVIDENCE)
    target = run.path / f"evidence-{run.id}.tar"
    scratch = target.with_name(f".{target.name}.cutover-new")
    try:
        write(scratch, manifest.text(), signature, [(file, run.path / file.path) for file in files])
        verified = verify_bundle(scratch, known, now=moment(manifest.made_at))
        if verified.verdict is Verdict.FAIL:
            raise UsageError(verified.problems)
        scratch.replace(target)
        sync_directory(target.parent)
    except OSError as unwritten:
        next_ = "make room, or wait until nothing writes to this run (`./invokew status`), and run the command again"
        raise UsageError(Problem(f"the bundle was not written: {unwritten}", next_, path=str(run.path))) from unwritten
    finally:
        scratch.unlink(missing_ok=True)
    return replace(verified, bundle=target)


def verify_bundle(
    bundle: Path,
    signers: Path | None,
    root: Path | None = None,
    now: datetime | None = None,
    meant: Mapping[str, str] = MappingProxyType({}),
) -> VerifiedBundle:
    """Judge a bundle by itself, ssh-keygen and a list of allowed signers: PASS, FAIL, or INCONCLUSIVE where there is no list.

    Without `signers` the list is that of the environment that the bundle names, in the checkout at `root`. `meant`: the run, the
    service and the environment that the bundle should be of, as far as anybody has said.
    """
    contents = read(bundle)
    manifest, problems = contents.manifest, contents.problems
    if manifest is None:
        return VerifiedBundle(bundle, Verdict.FAIL, tuple(problems), "", "", None)
    if signers is None and root is not None:
        signers = _list_in(root / "inventory" / manifest.environment)
    problems += [
        Problem(f"this bundle is of the {what} {found}, expected {wanted}", OTHER, path=f"{NAME}: {what}")
        for what, wanted in meant.items()
        if wanted and (found := getattr(manifest, what)) != wanted
    ]
    problems += contradictions(manifest, contents.chains, contents.plan, now or datetime.now(UTC))
    signed = signing.Signed(
        manifest.text(),
        contents.signature,
        manifest.engineer,
        manifest.public_key,
        manifest.made_at,
        signing.EVIDENCE,
        SIGNATURE,
        ALTERED,
    )
    unsigned = signing.judge(signed, signers)
    problems += unsigned
    key = "" if unsigned else signing.fingerprint(manifest.public_key)
    verdict = Verdict.FAIL if problems else Verdict.PASS
    if not problems and signers is None:
        verdict = Verdict.INCONCLUSIVE
        place = f"inventory/{manifest.environment}/{signing.SIGNERS}"
        next_ = f"name a list that you trust (ALLOWED SIGNERS in `man ssh-keygen`) with --signers FILE, or keep one at {place}"
        problems.append(Problem(f"a good signature by {key}, and no list of allowed signers", next_, path=SIGNATURE))
    signer = manifest.engineer if key and signers is not None else ""
    return VerifiedBundle(bundle, verdict, tuple(problems), signer, key, manifest)


def _list_in(inventory: Path) -> Path | None:
    """The people whose signatures count in an environment; None where its inventory keeps no such list."""
    path = inventory / signing.SIGNERS
    return path if path.is_file() else None


def _collect(run: Path) -> tuple[list[BundledFile], dict[str, JournalHead]]:
    """Every file of a run that is evidence, and the heads of its journals; UsageError with all that cannot be bundled."""
    files: dict[str, BundledFile] = {}
    heads: dict[str, JournalHead] = {}
    problems: list[Problem] = []
    for path in run.rglob("*"):
        inside = path.relative_to(run)
        left_out = any(Path(part).match(pattern) for part in inside.parts for pattern in LEFT_OUT)
        if left_out or (path.is_dir() and not path.is_symlink()):
            continue
        try:
            files[inside.as_posix()] = _file(path, inside.as_posix(), heads)
        except (OSError, ValueError) as unfit:
            found = "; ".join(reasons(unfit)) if isinstance(unfit, ValidationError) else str(unfit)
            next_ = "rename it (letters, digits and ._+@=:,~-), make it readable, or move it out of the run's directory"
            problems.append(Problem(f"it cannot be bundled: {found}", next_, path=ascii(str(path))[1:-1]))
    if problems:
        raise UsageError(problems)
    return [files[name] for name in sorted(files)], heads


def _file(path: Path, name: str, heads: dict[str, JournalHead]) -> BundledFile:
    """A file with its digest. Of a journal only whole records count: one may be being written right now."""
    if path.is_symlink() or not path.is_file() or name in (NAME, SIGNATURE):
        raise ValueError("a link, a device or a reserved name; expected a regular file")
    with path.open("rb") as file:
        size = path.stat().st_size
        if name in (JOURNAL, WATCH):
            size = sum(len(line) for line in file if line.endswith(b"\n"))
            file.seek(0)
        content = MemberContent(file, size)
        if name in (JOURNAL, WATCH):
            chain = follow(BufferedReader(content, CHUNK), name)
            if not chain.seq:
                raise ValueError(chain.broken or "a journal without records")
            heads[name] = JournalHead(journal=chain.hash_of(1), seq=chain.seq, hash=chain.hash_of(chain.seq))
        header(name, size)  # ValueError where a tar has no room for them
        return BundledFile(path=name, size=size, sha256=content.sha256())
