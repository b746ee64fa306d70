"""A release: unpacked beside the others from an artifact that was verified on arrival, then never changed."""

from __future__ import annotations

import sys
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from cutover.agent import durable, paths, process
from cutover.agent.clock import COMPILE_S
from cutover.agent.work import Args, CannotChange, State, Work

MANIFEST = "manifest.json"
ARTIFACT = ".artifact"
# Digests of the byte code: the manifest names sources only, and byte code is what runs.
BYTE_CODE = "byte_code.json"


def look_release(args: Args, _work: Work) -> State:
    """present, id, verified (every file of its manifest has its digest and nothing else lies there), wrong (the first few).

    Byte code that Python has added since, of sources that came without, does not count.
    """
    root = Path(args["path"])
    manifest, byte_code = durable.read_json(root / MANIFEST), durable.read_json(root / BYTE_CODE)
    if manifest is None:
        return {"present": False}
    items = {name: {"sha256": digest} for name, digest in {**manifest["files"], **(byte_code or {})}.items()}
    found = {
        name: seen
        for name, seen in paths.tree(root).items()
        if name in items or not (S_ISDIR(seen.st_mode) or name in (MANIFEST, BYTE_CODE) or _is_cached(name))
    }
    wrong = durable.deviations(items, found, root) + ([f"{root / BYTE_CODE}: missing"] if byte_code is None else [])
    state = {"present": True, "id": manifest["id"], "verified": not wrong, "files": len(manifest["files"])}
    return state | ({"wrong": wrong[:10]} if wrong else {})


def unpack(args: Args, _desired: Args, before: State, work: Work) -> None:
    """Unpack args["artifact"] into a scratch directory, verify it, and rename it into place."""
    root, artifact = Path(args["path"]), Path(args["artifact"])
    if before["present"]:
        what = f"{root} is there and is not what its manifest says; releases are never repaired in place"
        raise CannotChange(f"{what}: remove it, or make a new release")
    durable.make_directories(root.parent)
    paths.require_ours(root.parent)
    with durable.building(root) as scratch:
        durable.new_directory(scratch)
        # Who uploaded it can still write it: what is verified is a copy that only root can write.
        with paths.reading(artifact) as file:
            kept = durable.write_stream(scratch / ARTIFACT, file)
        if kept["sha256"] != args["sha256"]:
            raise CannotChange(f"{artifact} has digest {kept['sha256'][:12]}, not {args['sha256'][:12]}")
        _extract(scratch / ARTIFACT, scratch)
        durable.remove(scratch / ARTIFACT)
        if durable.read_json(scratch / MANIFEST).get("compiled") is False:
            _compile(scratch, root, work.seconds_left(COMPILE_S))
        compiled = sorted(
            name for name, seen in paths.tree(scratch).items() if _is_cached(name) and S_ISREG(seen.st_mode)
        )
        digests = {name: durable.sha256_file(scratch / name) for name in compiled}
        durable.write_json(scratch / BYTE_CODE, digests, mode=0o444)
        durable.make_read_only(scratch, folders=0o555)  # the service's user enters them, whatever the umask was
        durable.sync_filesystem(scratch)
    durable.remove(artifact)


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
    process.run_or_fail([sys.executable, "-I", "-m", "compileall", *options, str(scratch)], deadline_s=deadline_s)


def _is_cached(name: str) -> bool:
    """Whether a file of a release is byte code that Python keeps."""
    return Path(name).parent.name == "__pycache__"
