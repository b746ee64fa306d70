"""Snapshots: a verified, read-only copy of files, links, trees, unit states and command outputs, belonging to one run.

A snapshot is a directory with a manifest.json. Each entry names its source and the items that stood there (see durable.py),
none where nothing did. A snapshot is read back and compared where it is looked at, and one that exists is never written again.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import Any

from cutover.agent import durable, paths, process
from cutover.agent.clock import FOREVER_S, SMALL_COMMAND_S, now
from cutover.agent.modules.units import look_unit, refuse_while_running
from cutover.agent.work import Args, CannotChange, State, Work

MANIFEST = "manifest.json"
LEFT_FREE = 64 << 20  # bytes of a disk that copies leave to the service and to the engine
SCHEMA = 4
KINDS = {"file": S_ISREG, "link": S_ISLNK, "tree": S_ISDIR}


def look_snapshot(args: Args, _work: Work) -> State:
    """exists, run, verified (each file read back and its digest compared), read_only, digests of single files, files, bytes."""
    directory = Path(args["directory"])
    manifest = manifest_of(directory)
    if manifest is None:
        return {"exists": False}
    entries = manifest["entries"]
    standing = paths.tree(directory)
    found, items = _own(standing, entries), _items(entries)
    # Copies have owners, modes and times of their own: those that are restored stand in the manifest alone.
    wrong = [f"{directory / MANIFEST}: changed"] if manifest["seal"] != _seal(manifest) else []
    wrong += durable.deviations(
        {name: {key: item[key] for key in ("sha256", "link") if key in item} for name, item in items.items()},
        {name: seen for name, seen in found.items() if name in items or not S_ISDIR(seen.st_mode)},
        directory,
    )
    files = [item for item in items.values() if "sha256" in item]
    single = {name: entry["files"].get("", {}) for name, entry in entries.items() if "files" in entry}
    modes = [seen.st_mode for seen in (standing[""], *found.values()) if not S_ISLNK(seen.st_mode)]
    state = {
        "exists": True,
        "run": manifest["run"],
        "taken_at": manifest["taken_at"],
        "verified": not wrong,
        "read_only": not any(mode & 0o222 for mode in modes),
        "digests": {name: item["sha256"] for name, item in single.items() if "sha256" in item},
        "files": len(files),
        "bytes": sum(item["size"] for item in files),
        "manifest_sha256": durable.sha256_file(directory / MANIFEST),
        "left_out": manifest["left_out"],
    }
    return state | ({"wrong": wrong[:10]} if wrong else {})


def manifest_of(directory: Path) -> State | None:
    """The manifest of a snapshot, None where there is none; nothing is read from a place that others than root could have written."""
    paths.require_ours(directory)
    manifest: State | None = durable.read_json(directory / MANIFEST)
    if manifest is not None and manifest["schema"] != SCHEMA:
        raise CannotChange(f"{directory} has schema {manifest['schema']}, this version of the tool reads {SCHEMA}")
    return manifest


def take_snapshot(args: Args, _desired: Args, _before: State, work: Work) -> None:
    """Copy args["entries"] into args["directory"]; unchanged files are linked from the snapshot args["reuse"] where named.

    Where that snapshot exists, nothing is taken while the unit args["not_while"] runs. Copying takes args["within_s"] at most.
    """
    directory = Path(args["directory"])
    if paths.status(directory):
        raise CannotChange(f"{directory} is there and is not what it must be; a snapshot is never overwritten")
    if "not_while" in args and paths.status(Path(args["reuse"])):
        refuse_while_running(args["not_while"])
    durable.make_directories(directory.parent, mode=0o700)
    paths.require_ours(directory.parent)
    earlier = _copies(Path(args["reuse"])) if args.get("reuse") else {}
    left_out: list[str] = []
    copying = Work(deadline=time.monotonic() + work.seconds_left(args.get("within_s", FOREVER_S)))
    with durable.building(directory) as scratch:
        durable.new_directory(scratch)
        entries = {entry["name"]: _take(entry, scratch, earlier, left_out, copying) for entry in args["entries"]}
        manifest = {
            "schema": SCHEMA,
            "run": args["run"],
            "taken_at": now(),
            "entries": entries,
            "left_out": left_out[:10],
        }
        durable.write_json(scratch / MANIFEST, manifest | {"seal": _seal(manifest)})
        durable.make_read_only(scratch)
        durable.sync_filesystem(scratch)


def _take(
    entry: Args, scratch: Path, earlier: Mapping[str, tuple[Path, durable.Item]], left_out: list[str], work: Work
) -> State:
    """Copy one entry; `left_out` gets what in it is never opened: sockets, FIFOs, devices, hard links to files of others."""
    kind, name_there = entry["kind"], entry.get("as", entry["name"])
    taken, target = {"kind": kind, "source": entry.get("source", ""), "as": name_there}, scratch / name_there
    if kind == "unit":
        return taken | {"state": look_unit(entry, work)}
    durable.make_directories(target.parent, mode=0o700)
    if kind == "output":
        done = process.run(entry["argv"], deadline_s=work.seconds_left(SMALL_COMMAND_S))
        content = f"$ {' '.join(entry['argv'])}\n(exit {done.exit_code}, {now()})\n{done.stdout}{done.stderr}".encode()
        durable.write_atomically(target, content)
        return taken | {"files": {"": {"sha256": durable.sha256_bytes(content), "size": len(content)}}}
    source, stands = Path(entry["source"]), paths.status(Path(entry["source"]))
    if stands is None:
        return taken | {"files": {}}
    if not KINDS[kind](stands.st_mode):
        raise CannotChange(f"{source} is not a {'directory' if kind == 'tree' else kind}")
    files: dict[str, durable.Item] = {}
    here: list[str] = []
    with paths.holding(source):
        standing = paths.tree(source, here)
        kept = {name: had for name, seen in standing.items() if (had := _unchanged(source / name, seen, earlier))}
        _refuse_too_large(source, {name: standing[name] for name in standing.keys() - kept.keys()}, target.parent)
        for name, seen in sorted(standing.items()):
            if work.seconds_left() <= 0:  # of empty files, too, there may be a million
                raise TimeoutError(errno.ETIMEDOUT, "not copied in time", str(source))
            try:
                if name in kept:
                    copy, item = kept[name]
                    durable.link(copy, target / name)
                    files[name] = item
                else:
                    files[name] = durable.copy(source / name, seen, target / name, work.deadline)
            except FileNotFoundError:  # the running service moved it away between the listing and now
                continue
            except paths.Unopened:  # something else stands there by now
                here.append(name)
        left_out.extend(str(source / name) for name in here)
    return taken | {"files": files}


def _refuse_too_large(source: Path, fresh: Mapping[str, os.stat_result], place: Path) -> None:
    """CannotChange where the disk has no room for copies: the service's user could have root fill it, with holes even."""
    sizes = {name: seen.st_size for name, seen in fresh.items() if S_ISREG(seen.st_mode)}
    wanted, disk = sum(sizes.values()), os.statvfs(place)
    if wanted and wanted > (free := disk.f_bavail * disk.f_frsize - LEFT_FREE):
        largest = max(sizes, key=sizes.__getitem__)
        raise CannotChange(
            f"{source} has {wanted} bytes to copy, the disk of {place} has room for {max(free, 0)};"
            f" the largest: {source / largest}, {sizes[largest]} bytes"
        )


def _unchanged(
    source: Path, seen: os.stat_result, earlier: Mapping[str, tuple[Path, durable.Item]]
) -> tuple[Path, durable.Item] | None:
    """The earlier copy of a file, and its item, where it is the same file, unchanged since."""
    kept = earlier.get(str(source))
    return kept if kept and durable.same_file(seen).items() <= kept[1].items() else None


def _copies(directory: Path) -> dict[str, tuple[Path, durable.Item]]:
    """The copies of files in a snapshot, if there is one, by the path that each was taken from."""
    manifest = manifest_of(directory) or {"entries": {}}
    return {
        str(Path(entry["source"], name)): (directory / entry["as"] / name, item)
        for entry in manifest["entries"].values()
        for name, item in entry.get("files", {}).items()
        if "sha256" in item
    }


def _items(entries: Mapping[str, Any]) -> dict[str, durable.Item]:
    """What the entries of a snapshot have in its directory, by relative name."""
    return {
        str(Path(entry["as"], name)): item
        for entry in entries.values()
        for name, item in entry.get("files", {}).items()
    }


def _own(standing: Mapping[str, os.stat_result], entries: Mapping[str, Any]) -> dict[str, os.stat_result]:
    """What a snapshot directory holds of its own: not the other snapshots of the run that lie in it, whole or half made."""
    ours = {entry["as"].split("/")[0] for entry in entries.values()}
    folders = {name for name, seen in standing.items() if S_ISDIR(seen.st_mode) and "/" not in name} - {"", *ours}
    others = {name for name in folders if name.startswith(".") or f"{name}/{MANIFEST}" in standing}
    found = {name: seen for name, seen in standing.items() if name.split("/")[0] not in others}
    return {name: seen for name, seen in found.items() if name not in ("", MANIFEST)}


def _seal(manifest: Mapping[str, Any]) -> str:
    """The digest over all that a manifest says."""
    said = {key: value for key, value in manifest.items() if key != "seal"}
    return durable.sha256_bytes(json.dumps(said, sort_keys=True).encode())
