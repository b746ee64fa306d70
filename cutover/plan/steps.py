"""Steps by name, as roles write them. Each says in words what it does, and what must be seen afterwards."""

from collections.abc import Mapping, Sequence
from typing import Any

from cutover.core.step import Step

NOT_ENABLED = {"one_of": ["disabled", "absent"]}


def probe(
    name: str, kind: str, words: str, desired: Mapping[str, Any], *, args: Mapping[str, Any] | None = None, **extra: Any
) -> Step:
    """Require something of the host; changes nothing."""
    return Step(id=name, kind=kind, words=words, args=dict(args or {}), desired=dict(desired), probe=True, **extra)


def directory(
    name: str, path: str, *, owner: str = "root", group: str = "root", mode: str = "0755", **extra: Any
) -> Step:
    """A directory with its owner and mode."""
    words = f"make {path} ({mode} {owner}:{group})"
    desired = {"type": "directory", "owner": owner, "group": group, "mode": mode}
    return Step(id=name, kind="directory", words=words, args={"path": path}, desired=desired, **extra)


def user(name: str, login: str, *, home: str, **extra: Any) -> Step:
    """A system user (and group of the same name) that cannot log in."""
    args = {"user": login, "home": home}
    return Step(
        id=name, kind="user", words=f"add the system user {login}", args=args, desired={"exists": True}, **extra
    )


def file(
    name: str, path: str, digest: str, *, owner: str = "root", group: str = "root", mode: str = "0644", **extra: Any
) -> Step:
    """A file with exactly the content of that digest, put into place by an atomic rename."""
    words = f"write {path} ({digest[:12]})"
    desired = {"type": "file", "sha256": digest, "owner": owner, "group": group, "mode": mode}
    return Step(id=name, kind="file", words=words, args={"path": path}, desired=desired, **extra)


def link(name: str, path: str, target: str, **extra: Any) -> Step:
    """A symbolic link, switched atomically."""
    desired = {"type": "link", "target": target}
    return Step(id=name, kind="link", words=f"point {path} at {target}", args={"path": path}, desired=desired, **extra)


def unit_started(
    name: str, unit: str, *, timeout_s: float, enable: bool | None = True, leave: bool = False, **extra: Any
) -> Step:
    """A unit active and enabled: it has a main process, did not restart, and systemd has read its file as it is.

    One that is not ready in time is stopped again, or, with leave, left to go on starting; it has failed either way.
    """
    words = f"start {'and enable ' if enable else ''}{unit}"
    args = {"unit": unit, "want": "started", "enable": enable, "timeout_s": timeout_s}
    args |= {"on_timeout": "leave"} if leave else {}
    desired: dict[str, Any] = {
        "active": "active",
        "sub": "running",
        "main_pid": {"at_least": 1},
        "need_daemon_reload": False,
    }
    if enable is not None:
        desired["enabled"] = "enabled" if enable else NOT_ENABLED
    return Step(id=name, kind="unit", words=words, args=args, desired=desired, **extra)


def unit_stopped(name: str, unit: str, *, timeout_s: float, force: bool = False, **extra: Any) -> Step:
    """A unit stopped and disabled, proven by systemd's state and by the kernel: not one process is left.

    Without force it must have ended by itself (result success); with it, it may have been killed, and the outcome says so.
    """
    words = f"stop and disable {unit}" + (f", by force after {timeout_s:g} s" if force else "")
    args = {"unit": unit, "want": "stopped", "enable": False, "timeout_s": timeout_s, "force_stop": force}
    desired: dict[str, Any] = {"processes": [], "main_pid": 0, "enabled": NOT_ENABLED}
    desired |= {"active": {"one_of": ["inactive", "failed"]}} if force else {"active": "inactive", "result": "success"}
    return Step(id=name, kind="unit", words=words, args=args, desired=desired, **extra)


def unit_files_read(name: str, units: Sequence[str], **extra: Any) -> Step:
    """What systemd has read: these unit files as they are on disk now."""
    words, args = "have systemd read its unit files", {"units": list(units)}
    return Step(id=name, kind="unit_files", words=words, args=args, desired={"stale": []}, **extra)


def snapshot(  # noqa: PLR0913 - one argument for each thing that a snapshot may need
    name: str,
    directory: str,
    run: str,
    entries: Sequence[Mapping[str, Any]],
    *,
    reuse: str | None = None,
    differs: Mapping[str, str] | None = None,
    not_while: str | None = None,
    within_s: float | None = None,
    **extra: Any,
) -> Step:
    """A verified, read-only snapshot; `differs` names entries whose digest must not be the given one.

    With not_while, once the snapshot that is reused exists, it is not taken while that unit runs; with within_s (seconds) not
    when it takes longer.
    """
    words = f"snapshot {', '.join(entry['name'] for entry in entries)} to {directory}"
    args: dict[str, Any] = {
        "directory": directory,
        "run": run,
        "entries": [dict(one) for one in entries],
        "reuse": reuse,
    }
    args |= {"not_while": not_while} if not_while else {}
    args |= {"within_s": within_s} if within_s else {}
    desired: dict[str, Any] = {"exists": True, "run": run, "verified": True, "read_only": True}
    desired |= {f"digests.{entry}": {"not": digest} for entry, digest in (differs or {}).items()}
    return Step(id=name, kind="snapshot", words=words, args=args, desired=desired, **extra)


def rehearsal(name: str, directory: str, run: str, **extra: Any) -> Step:
    """The snapshot restored to a scratch place and compared, with the live files as well."""
    words, args = f"restore {directory} to a scratch place and compare", {"directory": directory, "run": run}
    return Step(id=name, kind="rehearsal", words=words, args=args, desired={"identical": True}, **extra)


def restore(
    name: str,
    directory: str,
    run: str,
    entries: Sequence[Mapping[str, Any]],
    *,
    unless: str = "",
    not_while: str = "",
    **extra: Any,
) -> Step:
    """Entries of a snapshot, as it was asked to take them, put back byte for byte.

    With `unless` they are put back once, not while the unit `not_while` runs; nothing where the snapshot was never taken. Where
    something matches the pattern `unless`, it was taken: then it must be there.
    """
    words = f"restore {', '.join(entry['name'] for entry in entries)} from {directory}"
    args = {"directory": directory, "run": run, "entries": [dict(entry) for entry in entries], "once": bool(unless)}
    args |= {"unless": unless, "not_while": not_while} if unless else {}
    return Step(id=name, kind="restore", words=words, args=args, desired={"identical": True}, **extra)


def release(name: str, path: str, release_id: str, artifact: str, digest: str, **extra: Any) -> Step:
    """A release unpacked beside the others, every file as its manifest says."""
    words, args = f"unpack release {release_id} to {path}", {"path": path, "artifact": artifact, "sha256": digest}
    desired = {"present": True, "id": release_id, "verified": True}
    return Step(id=name, kind="release", words=words, args=args, desired=desired, **extra)


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
    return Step(id=name, kind="command", words=words, args=args, desired={"end": "exited", **desired}, **extra)


def http(
    name: str, url: str, desired: Mapping[str, Any], *, wait_s: float, words: str = "", unit: str = "", **extra: Any
) -> Step:
    """An endpoint on the host that must come to answer as desired within a time (seconds), served by a unit where one is named."""
    words, args = words or f"wait for {url}", {"url": url, "wait_s": wait_s} | ({"unit": unit} if unit else {})
    desired = {"answers": True, **desired} | ({"served_by": unit} if unit else {})
    return Step(id=name, kind="http", words=words, args=args, desired=desired, **extra)
