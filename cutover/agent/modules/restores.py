"""Restore what a snapshot holds, byte for byte, and prove it; rehearse that in a scratch directory beforehand.

Nothing is restored from a snapshot that does not verify or that belongs to another run.
"""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Any

from cutover.agent import durable, paths
from cutover.agent.clock import now
from cutover.agent.modules.snapshots import look_snapshot, manifest_of
from cutover.agent.modules.units import refuse_while_running
from cutover.agent.systemd import reload_systemd
from cutover.agent.work import Args, CannotChange, State, Work

UNITS = ("/etc/systemd/", "/run/systemd/", "/usr/lib/systemd/", "/lib/systemd/")


def look_restored(args: Args, _work: Work) -> State:
    """Whether args["entries"] stand on the host as the snapshot has them: identical, and the first few differences.

    With args["once"], a snapshot that was never taken (nothing matches the pattern args["unless"], the batches that were
    begun after it) has nothing to restore, and one that was restored already is not restored again: the service has written
    since. Both count as identical. One that was not restored yet does not, whatever stands there: it has to be marked.
    """
    snapshot = Path(args["directory"])
    if not args["once"]:
        differs = [line for entry in _entries(snapshot, args) for line in _differences(entry)]
        return {"snapshot": str(snapshot), "identical": not differs, "differs": differs[:10]}
    done = durable.read_json(_mark(snapshot))
    if done is None and paths.status(snapshot) is None:
        batches = Path(args["unless"])
        begun = sorted(name for name in paths.tree(batches.parent) if fnmatch.fnmatch(name, batches.name))
        if begun:
            what = f"{snapshot} is gone, though it was taken before {begun[0]} was begun"
            raise CannotChange(f"{what}: there is nothing to restore from")
        return {"snapshot": "none was taken", "identical": True}
    return {"snapshot": str(snapshot), "identical": done is not None}


def restore(args: Args, _desired: Args, _before: State, work: Work) -> None:
    """Put those of args["entries"] back where they came from that are not as they were; not while the unit args["not_while"] runs."""
    snapshot = Path(args["directory"])
    if "not_while" in args:
        refuse_while_running(args["not_while"])
    _refuse_unverified(args, work)
    wrong = [entry for entry in _entries(snapshot, args) if _differences(entry)]
    for entry in wrong:
        durable.put_back(entry["files"], snapshot / entry["as"], Path(entry["source"]))
    if any(entry["source"].startswith(UNITS) for entry in wrong):
        reload_systemd()  # by itself systemd takes a unit file as read that came back with an older time
    if args["once"]:
        if differs := [line for entry in wrong for line in _differences(entry)]:
            raise CannotChange(f"restored, and yet {'; '.join(differs[:3])}")
        durable.make_directories(_mark(snapshot).parent, mode=0o700)
        durable.write_json(_mark(snapshot), {"at": now(), "entries": [entry["name"] for entry in args["entries"]]})


def tidy(args: Args) -> None:
    """Remove what a crash left beside what is restored."""
    for entry in args["entries"]:
        durable.clear_unfinished(Path(entry["source"]))


def _mark(snapshot: Path) -> Path:
    """Where it is written down that a snapshot has been restored: beside it, since a snapshot is never written to."""
    return snapshot.parent / ".restored" / snapshot.name


def look_rehearsal(args: Args, work: Work) -> State:
    """The result of the rehearsal in this batch: identical, and what differed."""
    return work.results.get(f"rehearsal {args['directory']}", {"rehearsed": False})


def rehearse(args: Args, _desired: Args, _before: State, work: Work) -> None:
    """Restore everything into a scratch directory, compare it with the snapshot, and compare the files with the live ones."""
    snapshot = Path(args["directory"])
    _refuse_unverified(args, work)
    entries = [entry for entry in _read(snapshot).values() if entry["source"]]
    scratch = snapshot.with_name(f".{snapshot.name}.cutover-new")
    durable.remove(scratch)
    durable.make_directories(scratch, mode=0o700)
    differs: list[str] = []
    try:
        for entry in entries:
            place = scratch / entry["source"].lstrip("/")
            durable.put_back(entry["files"], snapshot / entry["as"], place)
            differs += durable.deviations(entry["files"], paths.tree(place), place)
            if entry["kind"] != "tree":  # trees belong to the running service and go on changing
                differs += [f"live: {line}" for line in _differences(entry)]
    finally:
        durable.remove(scratch)
    result = {"rehearsed": True, "identical": not differs, "differs": differs[:10], "entries": len(entries)}
    work.results[f"rehearsal {snapshot}"] = result


def _differences(entry: Args) -> list[str]:
    """Where the place that an entry came from is not as it was."""
    place = Path(entry["source"])
    return durable.deviations(entry["files"], paths.tree(place), place)


def _refuse_unverified(args: Args, work: Work) -> None:
    state, why = look_snapshot(args, work), ""
    if not state["exists"] or not state["verified"]:
        why = f"does not verify: {state.get('wrong', 'it does not exist')}"
    elif state["run"] != args["run"]:
        why = f"belongs to run {state['run']}, not to {args['run']}"
    if why:
        raise CannotChange(f"snapshot {args['directory']} {why}; nothing was restored from it")


def _entries(snapshot: Path, args: Args) -> list[dict[str, Any]]:
    """What is to be restored: the plan says what comes from where and goes where; the manifest, what each file is like."""
    entries, found = _read(snapshot), []
    for wanted in args["entries"]:
        kept = entries.get(wanted["name"])
        if kept is None:
            raise CannotChange(f"snapshot {snapshot} has no entry {wanted['name']}")
        planned = {"kind": wanted["kind"], "source": wanted["source"], "as": wanted.get("as", wanted["name"])}
        if differ := [f"{key} {kept[key]!r}, planned {planned[key]!r}" for key in planned if kept[key] != planned[key]]:
            raise CannotChange(f"snapshot {snapshot}, entry {wanted['name']}: {', '.join(differ)}")
        found.append(kept)
    return found


def _read(snapshot: Path) -> dict[str, Any]:
    manifest = manifest_of(snapshot)
    if manifest is None:
        raise CannotChange(f"there is no snapshot in {snapshot}")
    entries: dict[str, Any] = manifest["entries"]
    return entries
