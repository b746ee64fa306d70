"""Files, directories and symbolic links, each put into place in one atomic move."""

from __future__ import annotations

import grp
import pwd
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cutover.agent import durable
from cutover.agent.work import Args, CannotChange, State, Work

TEXT_MOST = 1 << 16
TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


def look_file(args: Args, _work: Work) -> State:
    """What stands at args["path"]: exists, type, sha256, mode (text such as 0644), owner, group."""
    path = Path(args["path"])
    state = _describe(path)
    if state["type"] == "file":
        state["sha256"] = durable.sha256_file(path)
    return state


def look_text(args: Args, _work: Work) -> State:
    """Whether it exists, and the text of a small text file (64 KiB at most, in whole lines), for the plan's diff."""
    path = Path(args["path"])
    if not path.is_file():
        return {"exists": False, "text": ""}
    with path.open("rb") as file:
        content = file.read(TEXT_MOST)
        if file.read(1):  # half a line might hold half a secret, which no mask would know
            content = content[: content.rfind(b"\n") + 1] or b"(one line of more than 64 KiB)\n"
        return {"exists": True, "text": content.decode(errors="backslashreplace")}


def change_file(args: Args, desired: Args, before: State, work: Work) -> None:
    """Write the content whose digest is desired, or remove the file where it should not exist."""
    path = Path(args["path"])
    if before["type"] not in ("file", "absent"):
        raise CannotChange(f"{path} is a {before['type']}, not a file")
    if desired.get("exists") is False:
        durable.remove(path)
        return
    uid, gid = _owner_ids(desired)
    content = work.files[desired["sha256"]]
    durable.write_atomically(path, content, mode=int(desired.get("mode", "0644"), 8), uid=uid, gid=gid)


def look_directory(args: Args, _work: Work) -> State:
    """exists, type, mode, owner and group of args["path"]."""
    return _describe(Path(args["path"]))


def change_directory(args: Args, desired: Args, before: State, _work: Work) -> None:
    """Make the directory (and its parents) with the desired mode and owner; never removes one."""
    path = Path(args["path"])
    if before["type"] not in ("directory", "absent") or desired.get("exists") is False:
        raise CannotChange(f"{path} is a {before['type']}")
    uid, gid = _owner_ids(desired)
    durable.make_directory(path, mode=int(desired.get("mode", "0755"), 8), uid=uid, gid=gid)


def look_link(args: Args, _work: Work) -> State:
    """exists, type and target of the symbolic link args["path"]."""
    path = Path(args["path"])
    state = _describe(path)
    if state["type"] == "link":
        state["target"] = str(path.readlink())
    return state


def change_link(args: Args, desired: Args, before: State, _work: Work) -> None:
    """Point the link at the desired target, or remove it where it should not exist."""
    path = Path(args["path"])
    if before["type"] not in ("link", "absent"):
        raise CannotChange(f"{path} is a {before['type']}, not a symbolic link")
    if desired.get("exists") is False:
        durable.remove(path)
    else:
        durable.link_atomically(path, desired["target"])


def _describe(path: Path) -> State:
    """What stands at a path, without following a link: exists, type, mode, owner, group."""
    found = durable.status(path)
    if found is None:
        return {"exists": False, "type": "absent"}
    return {
        "exists": True,
        "type": TYPES.get(stat.S_IFMT(found.st_mode), "special file"),
        "mode": f"{stat.S_IMODE(found.st_mode):04o}",
        "owner": _name(pwd.getpwuid, found.st_uid),
        "group": _name(grp.getgrgid, found.st_gid),
    }


def _owner_ids(desired: Args) -> tuple[int, int]:
    """User and group id of the desired owner and group names; -1 (leave it) where none is asked for."""
    owner, group = desired.get("owner", "-1"), desired.get("group", "-1")
    try:  # a number stands for an id that has no name
        uid = int(owner) if owner.lstrip("-").isdigit() else pwd.getpwnam(owner).pw_uid
        gid = int(group) if group.lstrip("-").isdigit() else grp.getgrnam(group).gr_gid
    except KeyError as unknown:
        raise CannotChange(f"no such user or group on this host: {unknown}") from unknown
    return uid, gid


def _name(entry_of: Callable[[int], Any], number: int) -> str:
    """The name of a user or group; its number where it has none."""
    try:
        return str(entry_of(number)[0])
    except KeyError:
        return str(number)
