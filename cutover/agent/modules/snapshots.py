"""Snapshots: a verified, read-only copy of files, links, trees, unit states and command outputs, belonging to one run.

A snapshot is a directory with a manifest.json. Each entry names its source and what stood there, absence included. A
snapshot is built beside its place and renamed into it when it has been read back and compared, so a half one never
counts; one that exists is never written again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE, S_ISDIR, S_ISLNK, S_ISREG
from typing import Any

from cutover.agent import process
from cutover.agent.clock import SMALL_COMMAND_S, now
from cutover.agent.durable import read_json, sha256_bytes, sha256_file, sync_directory, sync_filesystem, write_json
from cutover.agent.modules.files import describe
from cutover.agent.modules.units import look_unit, refuse_while_running
from cutover.agent.work import CannotChange, State, Work

Args = Mapping[str, Any]
MANIFEST = "manifest.json"
SCHEMA = 2


def look_snapshot(args: Args, _work: Work) -> State:
    """exists, run, verified (each file read back and its digest compared), read_only, digests of single files, files, bytes."""
    return describe_snapshot(Path(args["directory"]))


def take_snapshot(args: Args, _desired: Args, before: State, work: Work) -> None:
    """Copy args["entries"] into args["directory"]; unchanged files are linked from the snapshot args["reuse"] where named.

    Where that snapshot exists, nothing is taken while the unit args["not_while"] runs.
    """
    directory = Path(args["directory"])
    if before["exists"]:
        raise CannotChange(
            f"{directory} holds a snapshot that is not what it must be, and a snapshot is never overwritten"
        )
    if "not_while" in args and Path(args["reuse"]).exists():
        refuse_while_running(args["not_while"])
    scratch = directory.with_name(f".{directory.name}.taking")
    if scratch.exists():
        shutil.rmtree(scratch)
    scratch.mkdir(parents=True, mode=0o700)
    try:
        _fill(scratch, args, work)
        scratch.rename(directory)
    except BaseException:  # a half one on a full disk would keep it full, for the service as well
        shutil.rmtree(scratch)
        raise
    sync_directory(directory.parent)


def _fill(scratch: Path, args: Args, work: Work) -> None:
    """Take every entry, write the manifest, make all of it read-only, flush it to disk."""
    reuse = Reusable.of(args.get("reuse"))
    entries = {entry["name"]: _take(entry, scratch, reuse, work) for entry in args["entries"]}
    manifest = {"schema": SCHEMA, "run": args["run"], "taken_at": now(), "entries": entries}
    write_json(scratch / MANIFEST, manifest | {"seal": seal(manifest)}, mode=0o400)
    _make_read_only(scratch)
    sync_filesystem(scratch)


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
    def of(cls, directory: str | None) -> Reusable:
        """The reusable files of a snapshot directory; none where no directory is named or it holds no snapshot."""
        root = Path(directory or "/nonexistent")
        return cls(root, read_json(root / MANIFEST) or {})

    def link(self, source: str, name: str, found: os.stat_result, target: Path) -> dict[str, Any] | None:
        """Link the earlier copy to target when the source is the same file, unchanged since (inode, times, size, owner, mode)."""
        kept, file = self.files.get((source, name), ("", {}))
        if file != _source(found) | {"sha256": file.get("sha256"), "size": found.st_size}:
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
        "read_only": not any(
            seen.st_mode & 0o222
            for seen in (*own(directory, manifest).values(), directory.lstat())
            if not S_ISLNK(seen.st_mode)
        ),
        "digests": single,
        "entries": sorted(manifest["entries"]),
        "files": len(files) + len(single),
        "bytes": sum(file["size"] for file in files),
        "manifest_sha256": sha256_file(directory / MANIFEST),
    }
    return state | ({"wrong": wrong[:10]} if wrong else {})


def deviations(directory: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Everything in a snapshot that is not as its manifest says: missing, changed, or not named."""
    if manifest.get("seal") != seal(manifest):  # owners, modes and times stand nowhere else
        yield f"{MANIFEST}: changed"
    expected: dict[str, str | None] = {MANIFEST: None}
    for entry in manifest["entries"].values():
        if "sha256" in entry:
            expected[entry["as"]] = entry["sha256"]
        expected |= {f"{entry['as']}/{name}": file.get("sha256") for name, file in entry.get("files", {}).items()}
    found = {name: seen for name, seen in own(directory, manifest).items() if not S_ISDIR(seen.st_mode)}
    yield from (f"{name}: missing" for name in sorted(set(expected) - set(found)))
    yield from (f"{name}: not in the manifest" for name in sorted(set(found) - set(expected)))
    for name, digest in expected.items():
        if (
            digest is not None
            and name in found
            and (S_ISLNK(found[name].st_mode) or sha256_file(directory / name) != digest)
        ):
            yield f"{name}: changed"


def seal(manifest: Mapping[str, Any]) -> str:
    """The digest over all that a manifest says."""
    said = {key: value for key, value in manifest.items() if key != "seal"}
    return sha256_bytes(json.dumps(said, sort_keys=True).encode())


def tree(root: Path) -> dict[str, os.stat_result]:
    """Every file, link and directory below root, by relative name. What vanishes while we look (root is in use) is left out."""
    found: dict[str, os.stat_result] = {}
    for folder, folders, names in os.walk(root, onerror=_unless_gone):
        for path in (Path(folder, name) for name in (*folders, *names)):
            with suppress(FileNotFoundError):
                seen = path.lstat()
                if any(is_it(seen.st_mode) for is_it in (S_ISREG, S_ISLNK, S_ISDIR)):
                    found[str(path.relative_to(root))] = seen
    return found


def own(directory: Path, manifest: Mapping[str, Any]) -> dict[str, os.stat_result]:
    """What a snapshot directory holds of its own: not the other snapshots of the run that lie in it, whole or half made."""
    ours = {entry["as"].split("/")[0] for entry in manifest["entries"].values()}
    others = {
        path.name
        for path in directory.iterdir()
        if path.name not in ours
        and path.is_dir()
        and not path.is_symlink()
        and (path.name.startswith(".") or (path / MANIFEST).is_file())
    }
    return {name: seen for name, seen in tree(directory).items() if name.split("/")[0] not in others}


def about(seen: os.stat_result) -> State:
    """What a manifest keeps of a file, link or directory beside its content."""
    return {
        "mode": f"{S_IMODE(seen.st_mode):04o}",
        "uid": seen.st_uid,
        "gid": seen.st_gid,
        "mtime_ns": seen.st_mtime_ns,
    }


def _unless_gone(failure: OSError) -> None:
    if not isinstance(failure, FileNotFoundError):
        raise failure


def _take(entry: Args, scratch: Path, reuse: Reusable, work: Work) -> State:
    kind = entry["kind"]
    taken: State = {"kind": kind, "source": entry.get("source", ""), "as": entry.get("as", "")}
    if kind == "unit":
        return taken | {"state": look_unit(entry, work)}
    if kind == "output":
        done = process.run(entry["argv"], deadline_s=work.seconds_left(SMALL_COMMAND_S))
        content = f"$ {' '.join(entry['argv'])}\n(exit {done.exit_code}, {now()})\n{done.stdout}{done.stderr}".encode()
        return taken | {"sha256": _write(scratch / entry["as"], content)}
    source = Path(entry["source"])
    taken["state"] = describe(source)
    if taken["state"]["type"] not in ("absent", kind if kind != "tree" else "directory"):
        raise CannotChange(f"{source} is a {taken['state']['type']}, not a {kind}")
    if not taken["state"]["exists"]:
        return taken
    if kind == "link":
        taken["state"]["target"] = str(source.readlink())
        return taken
    taken["mtime_ns"] = source.lstat().st_mtime_ns
    if kind == "file":
        return taken | {"sha256": _write(scratch / entry["as"], source.read_bytes())}
    return taken | _copy_tree(source, scratch / entry["as"], reuse)


def _copy_tree(source: Path, target: Path, reuse: Reusable) -> State:
    """Copy what is below source; gives `files` (and links) and `folders`, empty ones included."""
    target.mkdir(parents=True)
    files: dict[str, Any] = {}
    folders: dict[str, Any] = {}
    for name, found in sorted(tree(source).items()):
        if S_ISDIR(found.st_mode):
            (target / name).mkdir(exist_ok=True)
            folders[name] = about(found)
            continue
        with suppress(FileNotFoundError):  # the running service moved it away between the listing and now
            files[name] = _copy(source, name, found, target / name, reuse)
    return {"files": files, "folders": folders}


def _copy(source: Path, name: str, found: os.stat_result, copy: Path, reuse: Reusable) -> State:
    if S_ISLNK(found.st_mode):
        link = str((source / name).readlink())
        copy.symlink_to(link)
        return about(found) | {"link": link, "size": 0}
    if (known := reuse.link(str(source), name, found, copy)) is not None:
        return known
    content = (source / name).read_bytes()
    return _source(found) | {"sha256": _write(copy, content), "size": len(content)}


def _source(found: os.stat_result) -> State:
    """What identifies the file that was copied: a rewrite may keep size and time, but not inode and change time."""
    return about(found) | {"inode": found.st_ino, "ctime_ns": found.st_ctime_ns}


def _write(path: Path, content: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return sha256_bytes(content)


def _make_read_only(directory: Path) -> None:
    for name, seen in tree(directory).items():
        if not S_ISLNK(seen.st_mode):
            (directory / name).chmod(seen.st_mode & 0o555)
    directory.chmod(0o500)
