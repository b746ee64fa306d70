"""Snapshots: a verified, read-only copy of files, links, trees, unit states and command outputs, belonging to one run.

A snapshot is a directory with a manifest.json. Each entry names its source and what stood there, absence included. A
snapshot is built beside its place and renamed into it when it has been read back and compared, so a half one never
counts; one that exists is never written again.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cutover.hostside import process
from cutover.hostside.clock import now
from cutover.hostside.durable import read_json, sha256_bytes, sha256_file, sync_directory, sync_filesystem, write_json
from cutover.hostside.kinds.files import describe
from cutover.hostside.kinds.units import look_unit
from cutover.hostside.work import CannotChange, State, Work

Args = Mapping[str, Any]
MANIFEST = "manifest.json"
SCHEMA = 1


def look_snapshot(args: Args, _work: Work) -> State:
    """exists, run, verified (each file read back and its digest compared), read_only, digests of single files, files, bytes."""
    return describe_snapshot(Path(args["directory"]))


def take_snapshot(args: Args, _desired: Args, before: State, work: Work) -> None:
    """Copy args["entries"] into args["directory"]; unchanged files are linked from the snapshot args["reuse"] where named."""
    directory = Path(args["directory"])
    if before["exists"]:
        raise CannotChange(f"{directory} holds a snapshot that is not what it must be, and a snapshot is never overwritten")
    scratch = directory.with_name(f".{directory.name}.taking")
    if scratch.exists():
        shutil.rmtree(scratch)
    scratch.mkdir(parents=True, mode=0o700)
    reuse = Reusable.of(args.get("reuse"))
    entries = {entry["name"]: _take(entry, scratch, reuse, work) for entry in args["entries"]}
    write_json(scratch / MANIFEST, {"schema": SCHEMA, "run": args["run"], "taken_at": now(), "entries": entries}, mode=0o400)
    _make_read_only(scratch)
    sync_filesystem(scratch)
    scratch.rename(directory)
    sync_directory(directory.parent)


class Reusable:
    """Files of an earlier snapshot of ours that are taken over by hard link when their source has not changed since."""

    def __init__(self, directory: Path, manifest: Mapping[str, Any]) -> None:
        self.directory = directory
        self.files: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
            (entry["source"], name): (entry["as"], file)
            for entry in manifest.get("entries", {}).values()
            if entry["kind"] == "tree"
            for name, file in entry.get("files", {}).items()
        }

    @classmethod
    def of(cls, directory: str | None) -> "Reusable":
        """The reusable files of a snapshot directory; none where no directory is named or it holds no snapshot."""
        root = Path(directory or "/nonexistent")
        return cls(root, read_json(root / MANIFEST) or {})

    def link(self, source: str, name: str, found: os.stat_result, target: Path) -> dict[str, Any] | None:
        """Link the earlier copy to target when size, time and owner of the source are as they were; else None."""
        kept, file = self.files.get((source, name), ("", {}))
        if (found.st_size, found.st_mtime_ns, found.st_uid, found.st_gid) != tuple(file.get(key) for key in ("size", "mtime_ns", "uid", "gid")):
            return None
        os.link(self.directory / kept / name, target)
        return file


def describe_snapshot(directory: Path) -> State:
    """What a snapshot directory holds, each file read back."""
    manifest = read_json(directory / MANIFEST) if directory.exists() else None
    if manifest is None:
        return {"exists": False}
    wrong = list(deviations(directory, manifest))
    single = {name: entry["sha256"] for name, entry in manifest["entries"].items() if "sha256" in entry}
    files = [file for entry in manifest["entries"].values() for file in entry.get("files", {}).values()]
    state = {
        "exists": True,
        "run": manifest["run"],
        "taken_at": manifest["taken_at"],
        "verified": not wrong,
        "read_only": not any(path.lstat().st_mode & 0o222 for path in _below(directory) if not path.is_symlink()),
        "digests": single,
        "entries": sorted(manifest["entries"]),
        "files": len(files) + len(single),
        "bytes": sum(file["size"] for file in files),
        "manifest_sha256": sha256_file(directory / MANIFEST),
    }
    return state | ({"wrong": wrong[:10]} if wrong else {})


def deviations(directory: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Everything in a snapshot that is not as its manifest says: missing, changed, or not named."""
    expected = {MANIFEST: None}
    for entry in manifest["entries"].values():
        if "sha256" in entry:
            expected[entry["as"]] = entry["sha256"]
        expected |= {f"{entry['as']}/{name}": file["sha256"] for name, file in entry.get("files", {}).items() if "sha256" in file}
    found = {str(path.relative_to(directory)) for path in _below(directory) if path.is_file() and not path.is_symlink()}
    yield from (f"{name}: missing" for name in sorted(set(expected) - found))
    yield from (f"{name}: not in the manifest" for name in sorted(found - set(expected)))
    for name, digest in expected.items():
        if digest is not None and name in found and sha256_file(directory / name) != digest:
            yield f"{name}: changed"


def tree_files(root: Path) -> dict[str, os.stat_result]:
    """Every file and link below root, by relative name."""
    return {str(path.relative_to(root)): path.lstat() for path in _below(root) if path.is_symlink() or path.is_file()}


def _take(entry: Args, scratch: Path, reuse: Reusable, work: Work) -> State:
    kind = entry["kind"]
    taken: State = {"kind": kind, "source": entry.get("source", ""), "as": entry.get("as", "")}
    if kind == "unit":
        return taken | {"state": look_unit(entry, work)}
    if kind == "output":
        ended = process.run(entry["argv"], deadline_s=work.seconds_left(20))
        content = f"$ {' '.join(entry['argv'])}\n(exit {ended.exit_code}, {now()})\n{ended.stdout}{ended.stderr}".encode()
        return taken | {"sha256": _write(scratch / entry["as"], content)}
    source = Path(entry["source"])
    taken["state"] = describe(source)
    if taken["state"]["type"] not in ("absent", kind if kind != "tree" else "directory"):
        raise CannotChange(f"{source} is a {taken['state']['type']}, not a {kind}")
    if not taken["state"]["exists"]:
        return taken
    if kind == "link":
        taken["state"]["target"] = str(source.readlink())
    elif kind == "file":
        taken["sha256"] = _write(scratch / entry["as"], source.read_bytes())
    else:
        taken["files"] = _copy_tree(source, scratch / entry["as"], reuse)
    return taken


def _copy_tree(source: Path, target: Path, reuse: Reusable) -> dict[str, Any]:
    target.mkdir(parents=True)
    files: dict[str, Any] = {}
    for name, found in sorted(tree_files(source).items()):
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_symlink():
            copy.symlink_to((source / name).readlink())
            files[name] = {"link": str((source / name).readlink()), "size": 0}
        elif (known := reuse.link(str(source), name, found, copy)) is not None:
            files[name] = known
        else:
            try:
                digest = _write(copy, (source / name).read_bytes())
            except FileNotFoundError:  # the running service moved it away between the listing and now
                continue
            files[name] = {"sha256": digest, "size": copy.stat().st_size, "mode": f"{found.st_mode & 0o7777:04o}", "uid": found.st_uid}
            files[name] |= {"gid": found.st_gid, "mtime_ns": found.st_mtime_ns}
    return files


def _write(path: Path, content: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return sha256_bytes(content)


def _below(directory: Path) -> Iterator[Path]:
    """Everything below a directory, not descending into snapshots of their own that lie in it."""
    for path in sorted(directory.iterdir()):
        if path.is_dir() and not path.is_symlink():
            if (path / MANIFEST).is_file() or path.name.startswith("."):
                continue
            yield path
            yield from _below(path)
        else:
            yield path


def _make_read_only(directory: Path) -> None:
    for path in (*_below(directory), directory):
        if not path.is_symlink():
            path.chmod(path.lstat().st_mode & 0o555)
