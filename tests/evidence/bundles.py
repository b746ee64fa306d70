"""Runs, keys and bundles made for the tests of evidence, and bundles taken apart and put together again by hand."""

import json
import subprocess
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import IO, Any, cast

from cutover.agent.durable import sha256_bytes
from cutover.core.verdict import Verdict
from cutover.evidence.bundle import read
from cutover.evidence.collect import VerifiedBundle, make_bundle, verify_bundle
from cutover.evidence.manifest import NAME, SIGNATURE, Manifest, tar_info
from cutover.journal.journal import Journal
from cutover.journal.record import Record, parse
from cutover.journal.rundir import RunDir
from cutover.journal.signing import EVIDENCE, choose, sign
from tests.timeline.runs import plan

MADE = "2026-01-03T00:00:00.000Z"
NOW = datetime(2026, 1, 4, tzinfo=UTC)
ANN, BOB = "ann@example.org", "bob@example.org"


def key(folder: Path, name: str, passphrase: str = "") -> Path:
    """A key pair, made by ssh-keygen."""
    file = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", file], check=True)
    return file


def allow(file: Path, *lines: tuple[str, str, Path]) -> Path:
    """An allowed_signers file: each line's names, options, key."""
    texts = [f"{names} {options} {private.with_suffix('.pub').read_text()}" for names, options, private in lines]
    file.write_text("# who may sign\n" + "".join(texts))
    return file


def ticking(start: datetime) -> Callable[[], str]:
    """A second passes with each record."""
    seconds = count()
    return lambda: (start + timedelta(seconds=next(seconds))).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def make_run(runs: Path, name: str, *, watched: bool = True) -> RunDir:
    """A small run with a plan, a journal, evidence, reports and a watch, whose parts are true of each other."""
    run = RunDir(runs / name)
    run.evidence.mkdir(parents=True)
    planned = plan(["web1"], ["web2"])
    service = planned.service.model_copy(update={"name": "abaco"})
    planned = planned.model_copy(update={"run": name, "stamp": name[:16], "service": service})
    planned.save(run.plan_file)
    junit = b"<testsuite name='preflight'/>\n"
    (run.evidence / "checks-1-preflight.xml").write_bytes(junit)
    (run.path / "hosts" / "web1").mkdir(parents=True)
    (run.path / "hosts" / "web1" / "production_validation_report.json").write_text('{"host": "web1"}\n')
    (run.path / "production_validation_report.json").write_text(json.dumps({"run": name}) + "\n")
    run.report.write_text(f"<html>{name}</html>\n")
    journal = Journal(run.journal_file, ticking(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)))
    journal.write("run.created", service="abaco", run=name, environment="stage", pattern="web*")
    journal.write("plan.made", fingerprint=planned.fingerprint, release="2.0.0", hosts=["web1", "web2"])
    journal.write("approved", by="ann@desk", fingerprint=planned.fingerprint, purpose="cutover")
    evidence = {"evidence/checks-1-preflight.xml": sha256_bytes(junit)}
    journal.write("checks", phase="preflight", findings=[], evidence=evidence)
    journal.write("run.finished", exit_code=0, status="on V2")
    if watched:
        watch = Journal(run.path / "watch.jsonl", ticking(datetime(2026, 1, 2, 3, 5, 5, tzinfo=UTC)))
        heads = {"web1": [journal.head]}
        watch.write("watch.started", run=name, environment="stage", hosts=["web1"], head=journal.head, heads=heads)
        watch.write("sample", host="web1", t=15.0, documents={})
        watch.write("watch.finished", verdict="PASS", exit_code=0)
        (run.path / "watch.md").write_text("| time | verdict |\n")
        journal.write("signoff", by="ann", role="lead", head=watch.head)
        watch.close()
    journal.close()
    return run


@dataclass(frozen=True)
class Ground:
    """Two runs of one environment, keys of two people, and the list that names one of them."""

    root: Path
    run: RunDir
    other: RunDir
    ann: Path
    bob: Path
    signers: Path

    def bundle(self, run: RunDir) -> bytes:
        """The bundle of a run, signed by Ann."""
        made = make_bundle(run, self.root, key=str(self.ann), now=lambda: MADE)
        return made.bundle.read_bytes()

    def judge(self, content: bytes, signers: Path | None = None) -> VerifiedBundle:
        """The verification of some bytes."""
        file = self.root / "bundle.tar"
        file.write_bytes(content)
        return verify_bundle(file, signers or self.signers, now=NOW)


def make_ground(root: Path, *, watched: bool = True) -> Ground:
    """All of it, in a directory."""
    runs = root / ".cutover" / "runs"
    ann, bob = key(root, "ann"), key(root, "bob")
    inventory = root / "inventory" / "stage"
    inventory.mkdir(parents=True)
    signers = allow(inventory / "allowed_signers", (ANN, f'namespaces="{EVIDENCE}"', ann))
    run, other = (make_run(runs, f"20260102T030405Z-{end}", watched=watched) for end in ("abc123", "def456"))
    return Ground(root, run, other, ann, bob, signers)


Members = list[tuple[str, bytes]]
Mutant = tuple[str, bytes]  # what was done, in words, and what came of it


def members(content: bytes) -> Members:
    """A good bundle taken apart."""
    with tarfile.open(fileobj=BytesIO(content)) as tar:
        return [(info.name, cast("IO[bytes]", tar.extractfile(info)).read()) for info in tar]


def together(parts: Iterable[tuple[str, bytes]]) -> bytes:
    """A tar of these, well written, whatever they are."""
    target = BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in parts:
            tar.addfile(tar_info(name, len(content)), BytesIO(content))
    return target.getvalue()


def manifest_of(parts: Members) -> Manifest:
    """The manifest among them."""
    return Manifest.model_validate_json(dict(parts)[NAME])


def signed(parts: Members, by: Path, **changed: Any) -> bytes:
    """What somebody makes who knows the format: manifest made again over the files as they are, signed by a key."""
    files = sorted((name, content) for name, content in parts if name not in (NAME, SIGNATURE))
    mine = choose(str(by))
    entries = [{"path": name, "size": len(content), "sha256": sha256_bytes(content)} for name, content in files]
    fields = {**json.loads(dict(parts)[NAME]), "files": entries, "public_key": mine.public, **changed}
    text = (json.dumps(fields, indent=1, sort_keys=True) + "\n").encode()
    return together([(NAME, text), (SIGNATURE, sign(text, mine, EVIDENCE)), *files])


def with_file(parts: Members, name: str, content: bytes) -> Members:
    """The same with another content of one file."""
    return [(one, content if one == name else kept) for one, kept in parts]


def records(content: bytes) -> list[Record]:
    """A journal's records."""
    return list(parse(content.decode().splitlines(keepends=True), "j"))


def rechained(some: Iterable[Record]) -> bytes:
    """Records chained again, as somebody does who knows how."""
    chain: list[Record] = []
    for record in some:
        chain.append(Record.following(chain[-1] if chain else None, record.at, record.kind, record.data))
    return "".join(record.line() for record in chain).encode()


def survivors(ground: Ground, mutants: Iterable[Mutant], original: bytes) -> list[str]:
    """The alterations that were not found; there must be some to find. Reading finds most; only what passes is judged whole."""
    found, tried = [], 0
    file = ground.root / "mutant.tar"
    for words, content in mutants:
        assert content != original, words
        tried += 1
        file.write_bytes(content)
        if not read(file).problems and ground.judge(content).verdict is not Verdict.FAIL:
            found.append(words)
    assert tried > 0
    return found
