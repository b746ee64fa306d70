"""Steps by name, as roles write them. Each says in words what it does, and what must be seen afterwards."""

from collections.abc import Mapping, Sequence
from typing import Any

from cutover.core.step import Step


def _step(
    name: str, kind: str, words: str, args: Mapping[str, Any], desired: Mapping[str, Any], extra: Mapping[str, Any]
) -> Step:
    return Step(id=name, kind=kind, words=words, args=dict(args), desired=dict(desired), **extra)


def probe(
    name: str, kind: str, words: str, desired: Mapping[str, Any], *, args: Mapping[str, Any] | None = None, **extra: Any
) -> Step:
    """Require something of the host; changes nothing."""
    return _step(name, kind, words, args or {}, desired, {"probe": True, **extra})


def directory(
    name: str, path: str, *, owner: str = "root", group: str = "root", mode: str = "0755", **extra: Any
) -> Step:
    """A directory with its owner and mode."""
    desired = {"type": "directory", "owner": owner, "group": group, "mode": mode}
    return _step(name, "directory", f"make {path} ({mode} {owner}:{group})", {"path": path}, desired, extra)


def user(name: str, login: str, *, home: str, **extra: Any) -> Step:
    """A system user (and group of the same name) that cannot log in."""
    return _step(name, "user", f"add the system user {login}", {"user": login, "home": home}, {"exists": True}, extra)


def file(
    name: str, path: str, digest: str, *, owner: str = "root", group: str = "root", mode: str = "0644", **extra: Any
) -> Step:
    """A file with exactly the content of that digest, put into place by an atomic rename."""
    desired = {"type": "file", "sha256": digest, "owner": owner, "group": group, "mode": mode}
    return _step(name, "file", f"write {path} ({digest[:12]})", {"path": path}, desired, extra)


def link(name: str, path: str, target: str, **extra: Any) -> Step:
    """A symbolic link, switched atomically."""
    return _step(name, "link", f"point {path} at {target}", {"path": path}, {"type": "link", "target": target}, extra)


def unit_started(
    name: str, unit: str, *, timeout_s: float, enable: bool | None = True, leave: bool = False, **extra: Any
) -> Step:
    """A unit active and enabled: it has a main process, did not restart, and systemd has read its file as it is.

    One that is not ready in time is stopped again, or, with leave, left to go on starting; it has failed either way.
    """
    args = {"unit": unit, "want": "started", "enable": enable, "timeout_s": timeout_s}
    args |= {"on_timeout": "leave"} if leave else {}
    desired: dict[str, Any] = {
        "active": "active",
        "sub": "running",
        "main_pid": {"at_least": 1},
        "need_daemon_reload": False,
    }
    if enable is not None:
        desired["enabled"] = "enabled" if enable else {"one_of": ["disabled", "absent"]}
    return _step(name, "unit", f"start {'and enable ' if enable else ''}{unit}", args, desired, extra)


def unit_stopped(name: str, unit: str, *, timeout_s: float, force: bool = False, **extra: Any) -> Step:
    """A unit stopped and disabled, proven by systemd's state and by the kernel: not one process is left.

    Without force it must have ended by itself (result success); with it, it may have been killed, and the outcome says so.
    """
    args = {"unit": unit, "want": "stopped", "enable": False, "timeout_s": timeout_s, "force_stop": force}
    desired: dict[str, Any] = {"processes": [], "main_pid": 0, "enabled": {"one_of": ["disabled", "absent"]}}
    desired |= {"active": {"one_of": ["inactive", "failed"]}} if force else {"active": "inactive", "result": "success"}
    return _step(
        name,
        "unit",
        f"stop and disable {unit}" + (f", by force after {timeout_s:g} s" if force else ""),
        args,
        desired,
        extra,
    )


def unit_files_read(name: str, units: Sequence[str], **extra: Any) -> Step:
    """What systemd has read: these unit files as they are on disk now."""
    return _step(name, "unit_files", "have systemd read its unit files", {"units": list(units)}, {"stale": []}, extra)


def snapshot(
    name: str,
    directory: str,
    run: str,
    entries: Sequence[Mapping[str, Any]],
    *,
    reuse: str | None = None,
    differs: Mapping[str, str] | None = None,
    not_while: str | None = None,
    **extra: Any,
) -> Step:
    """A verified, read-only snapshot; `differs` names entries whose digest must not be the given one.

    With not_while, once the snapshot that is reused exists, it is not taken while that unit runs.
    """
    args = {"directory": directory, "run": run, "entries": [dict(entry) for entry in entries], "reuse": reuse}
    args |= {"not_while": not_while} if not_while else {}
    desired: dict[str, Any] = {"exists": True, "run": run, "verified": True, "read_only": True}
    desired |= {f"digests.{entry}": {"not": digest} for entry, digest in (differs or {}).items()}
    return _step(
        name,
        "snapshot",
        f"snapshot {', '.join(entry['name'] for entry in entries)} to {directory}",
        args,
        desired,
        extra,
    )


def rehearsal(name: str, directory: str, run: str, **extra: Any) -> Step:
    """The snapshot restored to a scratch place and compared, with the live files as well."""
    return _step(
        name,
        "rehearsal",
        f"restore {directory} to a scratch place and compare",
        {"directory": directory, "run": run},
        {"identical": True},
        extra,
    )


def restore(name: str, directory: str, run: str, entries: Sequence[str], **extra: Any) -> Step:
    """Entries of a snapshot put back byte for byte."""
    args = {"directory": directory, "run": run, "entries": list(entries), "once": False}
    return _step(name, "restore", f"restore {', '.join(entries)} from {directory}", args, {"identical": True}, extra)


def restore_once(
    name: str, directory: str, run: str, entries: Sequence[str], *, unless: str, not_while: str, **extra: Any
) -> Step:
    """Entries put back once, not while a unit runs; nothing where the snapshot was never taken.

    Where something matches the pattern `unless`, it was taken: then it must be there.
    """
    args = {"directory": directory, "run": run, "entries": list(entries), "once": True}
    args |= {"unless": unless, "not_while": not_while}
    return _step(name, "restore", f"restore {', '.join(entries)} from {directory}", args, {"identical": True}, extra)


def release(name: str, path: str, release_id: str, artifact: str, digest: str, **extra: Any) -> Step:
    """A release unpacked beside the others, every file as its manifest says."""
    args = {"path": path, "artifact": artifact, "sha256": digest}
    return _step(
        name,
        "release",
        f"unpack release {release_id} to {path}",
        args,
        {"present": True, "id": release_id, "verified": True},
        extra,
    )


def command(
    name: str,
    words: str,
    argv: Sequence[str],
    desired: Mapping[str, Any],
    *,
    timeout_s: float,
    user: str | None = None,
    **extra: Any,
) -> Step:
    """A program of the release, run once; its JSON document is the measurement that `desired` judges (document.<key>)."""
    args = {"name": name, "argv": list(argv), "timeout_s": timeout_s, "user": user}
    return _step(name, "command", words, args, {"ran": True, **desired}, extra)


def http(name: str, url: str, desired: Mapping[str, Any], *, wait_s: float, words: str = "", **extra: Any) -> Step:
    """An endpoint on the host that must come to answer as desired within a time (seconds)."""
    args = {"url": url, "wait_s": wait_s}
    return _step(name, "http", words or f"wait for {url}", args, {"answers": True, **desired}, extra)
