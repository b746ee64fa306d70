"""Bring back what a snapshot holds, byte for byte, and prove it; rehearse that in a scratch place beforehand.

Nothing is restored from a snapshot that does not verify or that belongs to another run.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cutover.hostside.clock import now
from cutover.hostside.durable import link_atomically, read_json, sha256_file, sync_directory, sync_filesystem, write_atomically, write_json
from cutover.hostside.kinds.files import describe, owner_ids
from cutover.hostside.kinds.snapshots import MANIFEST, describe_snapshot, tree_files
from cutover.hostside.work import CannotChange, State, Work

Args = Mapping[str, Any]


def look_restored(args: Args, _work: Work) -> State:
    """Whether args["entries"] stand on the host as the snapshot has them: identical, and the first few differences.

    With args["once"], a snapshot that was never taken has nothing to restore, and one that was restored already is not
    restored again: the service has written since. Both are identical, and say so.
    """
    snapshot = Path(args["directory"])
    if args["once"] and not (snapshot / MANIFEST).is_file():
        return {"snapshot": "none was taken", "identical": True}
    if args["once"] and (done := read_json(_mark(snapshot))) is not None:
        return {"snapshot": str(snapshot), "identical": True, "restored_at": done["at"]}
    differs = [line for entry in _entries(snapshot, args) for line in entry_differences(entry, Path(entry["source"]))]
    return {"snapshot": str(snapshot), "identical": not differs, "differs": differs[:10]}


def restore(args: Args, _desired: Args, _before: State, _work: Work) -> None:
    """Put args["entries"] back where they came from."""
    snapshot = Path(args["directory"])
    _refuse_unverified(snapshot, args["run"])
    for entry in _entries(snapshot, args):
        put_back(entry, snapshot, Path(entry["source"]))
    if args["once"]:
        differs = [line for entry in _entries(snapshot, args) for line in entry_differences(entry, Path(entry["source"]))]
        if differs:
            raise CannotChange(f"restored, and yet {'; '.join(differs[:3])}")
        _mark(snapshot).parent.mkdir(mode=0o700, exist_ok=True)
        write_json(_mark(snapshot), {"at": now(), "entries": list(args["entries"])})


def _mark(snapshot: Path) -> Path:
    """Where it is written down that a snapshot has been restored: beside it, since a snapshot is never written to."""
    return snapshot.parent / ".restored" / snapshot.name


def look_rehearsal(args: Args, work: Work) -> State:
    """The result of the rehearsal in this batch: identical, and what differed."""
    return work.results.get(f"rehearsal {args['directory']}", {"rehearsed": False})


def rehearse(args: Args, _desired: Args, _before: State, work: Work) -> None:
    """Restore everything into a scratch directory, compare it with the snapshot, and compare the files with the live ones."""
    snapshot = Path(args["directory"])
    _refuse_unverified(snapshot, args["run"])
    scratch = snapshot.with_name(f".{snapshot.name}.rehearsal")
    if scratch.exists():
        shutil.rmtree(scratch)
    differs: list[str] = []
    entries = [entry for entry in read_json(snapshot / MANIFEST)["entries"].values() if entry["kind"] in ("file", "link", "tree")]
    for entry in entries:
        place = scratch / entry["source"].lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        put_back(entry, snapshot, place)
        differs += entry_differences(entry, place)
        if entry["kind"] != "tree":  # trees belong to the running service and go on changing
            differs += [f"live: {line}" for line in entry_differences(entry, Path(entry["source"]))]
    shutil.rmtree(scratch)
    work.results[f"rehearsal {snapshot}"] = {"rehearsed": True, "identical": not differs, "differs": differs[:10], "entries": len(entries)}


def entry_differences(entry: Args, place: Path) -> list[str]:
    """Where a place differs from what the snapshot recorded for it: kind, owner, mode, content; one line each."""
    found, recorded = describe(place), entry["state"]
    keys = sorted(found.keys() | recorded.keys() - {"target"})
    lines = [f"{place}: {key} is {found.get(key)}, was {recorded.get(key)}" for key in keys if found.get(key) != recorded.get(key)]
    if lines or not recorded["exists"]:
        return lines
    if entry["kind"] == "link":
        target = str(place.readlink())
        return [] if target == recorded["target"] else [f"{place}: points to {target}, pointed to {recorded['target']}"]
    if entry["kind"] == "file":
        return [] if sha256_file(place) == entry["sha256"] else [f"{place}: content differs"]
    return _tree_differences(entry["files"], place)


def put_back(entry: Args, snapshot: Path, place: Path) -> None:
    """Make a place what the snapshot recorded for it, each file, link or tree in one atomic move; absence included."""
    recorded = entry["state"]
    if not recorded["exists"]:
        if describe(place)["type"] in ("file", "link"):
            place.unlink()
            sync_directory(place.parent)
    elif entry["kind"] == "link":
        link_atomically(place, recorded["target"])
    elif entry["kind"] == "file":
        content = (snapshot / entry["as"]).read_bytes()
        uid, gid = owner_ids(recorded)
        write_atomically(place, content, mode=int(recorded["mode"], 8), uid=uid, gid=gid)
    else:
        _put_tree_back(entry, snapshot / entry["as"], place)


def _put_tree_back(entry: Args, copy: Path, place: Path) -> None:
    """Build the tree beside its place, then exchange the two by rename; the files that were there go last."""
    scratch, old = place.with_name(f".{place.name}.cutover-new"), place.with_name(f".{place.name}.cutover-old")
    for leftover in (scratch, old):
        if leftover.exists():
            shutil.rmtree(leftover)
    scratch.mkdir(parents=True)
    uid, gid = owner_ids(entry["state"])
    for name, file in entry["files"].items():
        target = scratch / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if "link" in file:
            target.symlink_to(file["link"])
            continue
        shutil.copyfile(copy / name, target)
        os.chown(target, file["uid"], file["gid"])
        target.chmod(int(file["mode"], 8))
        os.utime(target, ns=(file["mtime_ns"], file["mtime_ns"]))
    for folder, _, _ in os.walk(scratch):
        os.chown(folder, uid, gid)
        os.chmod(folder, int(entry["state"]["mode"], 8))
    sync_filesystem(scratch)
    if place.exists():
        place.rename(old)
    scratch.rename(place)
    sync_directory(place.parent)
    if old.exists():
        shutil.rmtree(old)


def _tree_differences(recorded: Mapping[str, Any], place: Path) -> list[str]:
    found = tree_files(place)
    lines = [f"{place / name}: missing" for name in sorted(set(recorded) - set(found))]
    lines += [f"{place / name}: was not there" for name in sorted(set(found) - set(recorded))]
    for name in sorted(set(found) & set(recorded)):
        file, path = recorded[name], place / name
        if "link" in file:
            same = path.is_symlink() and str(path.readlink()) == file["link"]
        else:
            same = not path.is_symlink() and sha256_file(path) == file["sha256"] and f"{found[name].st_mode & 0o7777:04o}" == file["mode"]
            same = same and (found[name].st_uid, found[name].st_gid) == (file["uid"], file["gid"])
        lines += [] if same else [f"{path}: differs"]
    return lines


def _refuse_unverified(snapshot: Path, run: str) -> None:
    state = describe_snapshot(snapshot)
    if not state["exists"] or not state["verified"]:
        raise CannotChange(f"snapshot {snapshot} does not verify: {state.get('wrong', 'it does not exist')}; nothing was restored from it")
    if state["run"] != run:
        raise CannotChange(f"snapshot {snapshot} belongs to run {state['run']}, not to {run}; nothing was restored from it")


def _entries(snapshot: Path, args: Args) -> list[dict[str, Any]]:
    manifest = read_json(snapshot / MANIFEST)
    if manifest is None:
        raise CannotChange(f"there is no snapshot in {snapshot}")
    entries = manifest["entries"]
    missing = [name for name in args["entries"] if name not in entries]
    if missing:
        raise CannotChange(f"snapshot {snapshot} has no entry {', '.join(missing)}")
    return [entries[name] for name in args["entries"]]

