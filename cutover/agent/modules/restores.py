"""Restore what a snapshot holds, byte for byte, and prove it; rehearse that in a scratch directory beforehand.

Nothing is restored from a snapshot that does not verify or that belongs to another run.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cutover.agent.clock import now
from cutover.agent.durable import (
    link_atomically,
    read_json,
    sha256_file,
    sync_directory,
    sync_filesystem,
    write_atomically,
    write_json,
)
from cutover.agent.modules.files import describe, owner_ids
from cutover.agent.modules.snapshots import MANIFEST, about, describe_snapshot, tree
from cutover.agent.modules.units import refuse_while_running
from cutover.agent.systemd import reload_systemd
from cutover.agent.work import CannotChange, State, Work

Args = Mapping[str, Any]
UNITS = ("/etc/systemd/", "/run/systemd/", "/usr/lib/systemd/", "/lib/systemd/")


def look_restored(args: Args, _work: Work) -> State:
    """Whether args["entries"] stand on the host as the snapshot has them: identical, and the first few differences.

    With args["once"], a snapshot that was never taken (nothing matches the pattern args["unless"], the batches that were
    begun after it) has nothing to restore, and one that was restored already is not restored again: the service has written
    since. Both count as identical. One that was not restored yet does not, whatever stands there: it has to be marked.
    """
    snapshot = Path(args["directory"])
    if not args["once"]:
        differs = _all_differences(snapshot, args)
        return {"snapshot": str(snapshot), "identical": not differs, "differs": differs[:10]}
    done = read_json(_mark(snapshot))
    if done is None and not snapshot.exists():
        _refuse_lost(snapshot, args)
        return {"snapshot": "none was taken", "identical": True}
    return {"snapshot": str(snapshot), "identical": done is not None, "restored_at": done["at"] if done else None}


def restore(args: Args, _desired: Args, _before: State, _work: Work) -> None:
    """Put those of args["entries"] back where they came from that are not as they were; not while the unit args["not_while"] runs."""
    snapshot = Path(args["directory"])
    if "not_while" in args:
        refuse_while_running(args["not_while"])
    _refuse_unverified(snapshot, args["run"])
    wrong = [entry for entry in _entries(snapshot, args) if entry_differences(entry, Path(entry["source"]))]
    for entry in wrong:
        put_back(entry, snapshot, Path(entry["source"]))
    if any(entry["source"].startswith(UNITS) for entry in wrong):
        reload_systemd()  # by itself systemd takes a unit file as read that came back with an older time
    if args["once"]:
        if differs := _all_differences(snapshot, args):
            raise CannotChange(f"restored, and yet {'; '.join(differs[:3])}")
        _mark(snapshot).parent.mkdir(mode=0o700, exist_ok=True)
        write_json(_mark(snapshot), {"at": now(), "entries": list(args["entries"])})


def _refuse_lost(snapshot: Path, args: Args) -> None:
    """A snapshot that is not there was never taken only where what comes after it was never begun."""
    pattern = args.get("unless")
    if pattern and (begun := sorted(Path("/").glob(pattern.lstrip("/")))):
        raise CannotChange(
            f"{snapshot} is gone, though it was taken before {begun[0].name} was begun: there is nothing to restore from"
        )


def _all_differences(snapshot: Path, args: Args) -> list[str]:
    return [line for entry in _entries(snapshot, args) for line in entry_differences(entry, Path(entry["source"]))]


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
    entries = [
        entry
        for entry in read_json(snapshot / MANIFEST)["entries"].values()
        if entry["kind"] in ("file", "link", "tree")
    ]
    scratch.mkdir(mode=0o700)
    try:
        differs = _rehearsed(entries, snapshot, scratch)
    finally:
        shutil.rmtree(scratch)
    work.results[f"rehearsal {snapshot}"] = {
        "rehearsed": True,
        "identical": not differs,
        "differs": differs[:10],
        "entries": len(entries),
    }


def _rehearsed(entries: list[dict[str, Any]], snapshot: Path, scratch: Path) -> list[str]:
    """Restore entries below scratch; give what differs there, and what differs live."""
    differs: list[str] = []
    for entry in entries:
        place = scratch / entry["source"].lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        put_back(entry, snapshot, place)
        differs += entry_differences(entry, place)
        if entry["kind"] != "tree":  # trees belong to the running service and go on changing
            differs += [f"live: {line}" for line in entry_differences(entry, Path(entry["source"]))]
    return differs


def entry_differences(entry: Args, place: Path) -> list[str]:
    """Where a place differs from what the snapshot recorded for it: kind, owner, mode, content; one line each."""
    found, recorded = describe(place), entry["state"]
    keys = sorted(found.keys() | recorded.keys() - {"target"})
    lines = [
        f"{place}: {key} is {found.get(key)}, was {recorded.get(key)}"
        for key in keys
        if found.get(key) != recorded.get(key)
    ]
    if lines or not recorded["exists"]:
        return lines
    if entry["kind"] == "link":
        target = str(place.readlink())
        return [] if target == recorded["target"] else [f"{place}: points to {target}, pointed to {recorded['target']}"]
    if entry["kind"] == "file":
        return [] if sha256_file(place) == entry["sha256"] else [f"{place}: content differs"]
    return _tree_differences(entry, place)


def put_back(entry: Args, snapshot: Path, place: Path) -> None:
    """Make a place what the snapshot recorded for it, each file, link or tree in one atomic move; absence included."""
    recorded = entry["state"]
    place.parent.mkdir(parents=True, exist_ok=True)
    if not recorded["exists"]:
        _remove(place)
    elif entry["kind"] == "link":
        link_atomically(place, recorded["target"])
    elif entry["kind"] == "file":
        content = (snapshot / entry["as"]).read_bytes()
        uid, gid = owner_ids(recorded)
        write_atomically(place, content, mode=int(recorded["mode"], 8), uid=uid, gid=gid, mtime_ns=entry["mtime_ns"])
    else:
        _put_tree_back(entry, snapshot / entry["as"], place)


def _put_tree_back(entry: Args, copy: Path, place: Path) -> None:
    """Build the tree beside its place, then exchange the two by rename; the files that were there go last.

    What stands there as it should is taken over by hard link: most of a tree has not changed, and the outage is running.
    """
    scratch, old = place.with_name(f".{place.name}.cutover-new"), place.with_name(f".{place.name}.cutover-old")
    for leftover in (scratch, old):
        _remove(leftover)
    scratch.mkdir()
    try:
        _build_tree(entry, copy, place, scratch)
        _exchange(scratch, place, old)
    except BaseException:
        _remove(scratch)
        raise
    sync_directory(place.parent)
    _remove(old)


def _exchange(scratch: Path, place: Path, old: Path) -> None:
    """Move scratch into its place; should that fail, what stood there comes back."""
    stood = describe(place)["exists"]
    if stood:
        place.rename(old)
    try:
        scratch.rename(place)
    except BaseException:
        if stood:
            old.rename(place)
        raise


def _build_tree(entry: Args, copy: Path, place: Path, scratch: Path) -> None:
    """Make in scratch what was recorded, from the copy and from what stands as it should, down to the disk."""
    for name in entry["folders"]:
        (scratch / name).mkdir()
    standing = tree(place) if describe(place)["type"] == "directory" else {}
    for name, file in entry["files"].items():
        there = standing.get(name)
        if (
            there is not None
            and "link" not in file
            and there.st_mtime_ns == file["mtime_ns"]
            and _same(file, there, place / name)
        ):
            os.link(place / name, scratch / name)
            continue
        if "link" in file:
            (scratch / name).symlink_to(file["link"])
        else:
            shutil.copyfile(copy / name, scratch / name)
        _dress(scratch / name, file)
    for name, folder in sorted(
        entry["folders"].items(), reverse=True
    ):  # inner ones first: what is made in a directory moves its time
        _dress(scratch / name, folder)
    uid, gid = owner_ids(entry["state"])
    _dress(scratch, {"uid": uid, "gid": gid, "mode": entry["state"]["mode"], "mtime_ns": entry["mtime_ns"]})
    sync_filesystem(scratch)


def _dress(path: Path, recorded: Mapping[str, Any]) -> None:
    """Give a file, link or directory its recorded owner, mode and time."""
    os.lchown(path, recorded["uid"], recorded["gid"])
    if not path.is_symlink():
        path.chmod(int(recorded["mode"], 8))
    os.utime(path, ns=(recorded["mtime_ns"], recorded["mtime_ns"]), follow_symlinks=False)


def _remove(place: Path) -> None:
    """Remove whatever stands at a place, if anything does."""
    kind = describe(place)["type"]
    if kind == "directory":
        shutil.rmtree(place)
    elif kind != "absent":
        place.unlink()
    sync_directory(place.parent)


def _tree_differences(entry: Args, place: Path) -> list[str]:
    recorded, found = {**entry["files"], **entry["folders"]}, tree(place)
    lines = [f"{place / name}: missing" for name in sorted(set(recorded) - set(found))]
    lines += [f"{place / name}: was not there" for name in sorted(set(found) - set(recorded))]
    return lines + [
        f"{place / name}: differs"
        for name in sorted(set(found) & set(recorded))
        if not _same(recorded[name], found[name], place / name)
    ]


def _same(recorded: Mapping[str, Any], seen: os.stat_result, path: Path) -> bool:
    """Whether kind, content, mode and owner are as recorded."""
    if "link" in recorded:
        return path.is_symlink() and str(path.readlink()) == recorded["link"]
    if any(about(seen)[key] != recorded[key] for key in ("mode", "uid", "gid")):
        return False
    if "sha256" in recorded:
        return stat.S_ISREG(seen.st_mode) and sha256_file(path) == recorded["sha256"]
    return stat.S_ISDIR(seen.st_mode)


def _refuse_unverified(snapshot: Path, run: str) -> None:
    state = describe_snapshot(snapshot)
    if not state["exists"] or not state["verified"]:
        raise CannotChange(
            f"snapshot {snapshot} does not verify: {state.get('wrong', 'it does not exist')}; nothing was restored from it"
        )
    if state["run"] != run:
        raise CannotChange(
            f"snapshot {snapshot} belongs to run {state['run']}, not to {run}; nothing was restored from it"
        )


def _entries(snapshot: Path, args: Args) -> list[dict[str, Any]]:
    manifest = read_json(snapshot / MANIFEST)
    if manifest is None:
        raise CannotChange(f"there is no snapshot in {snapshot}")
    entries = manifest["entries"]
    missing = [name for name in args["entries"] if name not in entries]
    if missing:
        raise CannotChange(f"snapshot {snapshot} has no entry {', '.join(missing)}")
    return [entries[name] for name in args["entries"]]
