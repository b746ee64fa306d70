"""A release: unpacked beside the others from an artifact that was verified on arrival, then never changed."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cutover.agent import process
from cutover.agent.clock import COMPILE_S
from cutover.agent.durable import read_json, sha256_file, sync_directory, sync_filesystem, write_json
from cutover.agent.work import CannotChange, State, Work

Args = Mapping[str, Any]
MANIFEST = "manifest.json"
# Digests of the byte code: the manifest names sources only, and byte code is what runs.
BYTE_CODE = "byte_code.json"


def look_release(args: Args, _work: Work) -> State:
    """present, id, verified (every file of its manifest has its digest and nothing else lies there), wrong (the first few)."""
    root = Path(args["path"])
    if not (root / MANIFEST).is_file():
        return {"present": False}
    manifest = json.loads((root / MANIFEST).read_text())
    wrong = [*deviations(root, manifest["files"]), *byte_code_deviations(root)]
    state = {"present": True, "id": manifest["id"], "verified": not wrong, "files": len(manifest["files"])}
    return state | ({"wrong": wrong[:10]} if wrong else {})


def unpack(args: Args, _desired: Args, before: State, work: Work) -> None:
    """Unpack args["artifact"] into a scratch directory, verify it, and rename it into place."""
    root, artifact = Path(args["path"]), Path(args["artifact"])
    if before["present"]:
        raise CannotChange(
            f"{root} is there and is not what its manifest says; releases are never repaired in place: remove it, or make a new release"
        )
    if (found := sha256_file(artifact)) != args["sha256"]:
        raise CannotChange(f"{artifact} has digest {found[:12]}, not {args['sha256'][:12]}")
    scratch = root.with_name(f".{root.name}.unpacking")
    if scratch.exists():
        shutil.rmtree(scratch)
    scratch.mkdir(parents=True)
    _extract(artifact, scratch)
    if json.loads((scratch / MANIFEST).read_text()).get("compiled") is False:
        _compile(scratch, root, work.seconds_left(COMPILE_S))
    write_json(scratch / BYTE_CODE, {name: sha256_file(scratch / name) for name in byte_code(scratch)}, mode=0o444)
    _make_read_only(scratch)
    sync_filesystem(scratch)
    scratch.rename(root)
    sync_directory(root.parent)
    artifact.unlink()


def _extract(artifact: Path, scratch: Path) -> None:
    """By Python, whose zlib takes three quarters of what gzip takes. Where it can, it also refuses what would lead out of the scratch."""
    import tarfile

    with tarfile.open(artifact, "r|gz") as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(scratch)  # noqa: S202 - its digest is that of the release that was built


def _compile(scratch: Path, root: Path, deadline_s: float) -> None:
    """Byte code of a release that was built by another Python: nobody may write it later, and each start would take three times as long."""
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(scratch), "-p", str(root)]
    done = process.run([sys.executable, "-I", "-m", "compileall", *options, str(scratch)], deadline_s=deadline_s)
    if done.exit_code != 0:
        raise CannotChange(f"{root} does not compile: {done.end}: {(done.stdout + done.stderr).strip()[-1500:]}")


def _make_read_only(root: Path) -> None:
    """Only a deliberate hand can change a release. Directories are everybody's to enter, whatever umask they were made under."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else path.stat().st_mode & ~0o222)


def deviations(root: Path, files: Mapping[str, str]) -> list[str]:
    """Files that are missing, changed, or there without being in the manifest (byte code aside, which is not in it)."""
    found = {
        str(path.relative_to(root))
        for folder, folders, names in os.walk(root)
        if Path(folder).name != "__pycache__"
        for path in (Path(folder, name) for name in (*names, *folders))
        if not path.is_dir() or path.is_symlink()
    } - {MANIFEST, BYTE_CODE}
    wrong = [f"{name}: not in the manifest" for name in sorted(found - set(files))]
    wrong += [f"{name}: missing" for name in sorted(set(files) - found)]
    return wrong + [
        f"{name}: changed" for name in sorted(found & set(files)) if sha256_file(root / name) != files[name]
    ]


def byte_code(root: Path) -> list[str]:
    """The compiled files below root, by relative name."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("__pycache__/*") if path.is_file())


def byte_code_deviations(root: Path) -> list[str]:
    """Byte code that is not as it was unpacked. What Python has added since, of sources that came without, does not count."""
    brought = read_json(root / BYTE_CODE)
    if brought is None:
        return [f"{BYTE_CODE}: missing"]
    return [
        f"{name}: {'changed' if (root / name).is_file() else 'missing'}"
        for name, digest in sorted(brought.items())
        if not (root / name).is_file() or sha256_file(root / name) != digest
    ]
