"""Files, directories and symbolic links, each put into place in one atomic move."""

from __future__ import annotations

import grp
import pwd
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cutover.agent import durable, paths
from cutover.agent.work import Args, CannotChange, State, Work

TEXT_MOST = 1 << 16
TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


def look(args: Args, _work: Work) -> State:
    """What stands at args["path"], links not followed: exists, type, mode (text such as 0644), owner, group; sha256 or target."""
    path = Path(args["path"])
    found = paths.status(path)
    if found is None:
        return {"exists": False, "type": "absent"}
    state = {
        "exists": True,
        "type": TYPES.get(stat.S_IFMT(found.st_mode), "special file"),
        "mode": f"{stat.S_IMODE(found.st_mode):04o}",
        "owner": _name(pwd.getpwuid, found.st_uid),
        "group": _name(grp.getgrgid, found.st_gid),
    }
    if state["type"] == "file":
        state["sha256"] = durable.sha256_file(path)
    if state["type"] == "link":
        state["target"] = paths.link_target(path)
    return state


def look_text(args: Args, _work: Work) -> State:
    """Whether it exists, and the text of a small text file (64 KiB at most, in whole lines), for the plan's diff."""
    try:
        with paths.reading(paths.real(Path(args["path"]))) as file:
            content = file.read(TEXT_MOST)
            if file.read(1):  # half a line might hold half a secret, which no mask would know
                content = content[: content.rfind(b"\n") + 1] or b"(one line of more than 64 KiB)\n"
    except (FileNotFoundError, paths.Unopened):  # the step about the file itself says what stands there
        return {"exists": False, "text": ""}
    return {"exists": True, "text": content.decode(errors="backslashreplace")}


def change(args: Args, desired: Args, before: State, work: Work) -> None:
    """Put the desired file, directory or link into place. What is of another type is left alone, and nothing is removed."""
    path, kind = Path(args["path"]), desired["type"]
    if before["type"] not in (kind, "absent"):
        raise CannotChange(f"{path} is a {before['type']}, not a {kind}")
    if kind == "link":
        durable.link_atomically(path, desired["target"])
        return
    (uid, gid), mode = _owner_ids(desired), int(desired["mode"], 8)
    if kind == "directory":
        durable.make_directory(path, mode=mode, uid=uid, gid=gid)
    else:
        durable.write_atomically(path, work.files[desired["sha256"]], mode=mode, uid=uid, gid=gid)


def tidy(args: Args) -> None:
    """Remove what a crash left beside a file or link that is as it should be."""
    durable.clear_unfinished(Path(args["path"]))


def _owner_ids(desired: Args) -> tuple[int, int]:
    """User and group id of the desired owner and group names."""
    owner, group = desired["owner"], desired["group"]
    try:  # a number stands for an id that has no name
        uid = int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid
        gid = int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError as unknown:
        raise CannotChange(f"no such user or group on this host: {unknown}") from unknown
    return uid, gid


def _name(entry_of: Callable[[int], Any], number: int) -> str:
    """The name of a user or group; its number where it has none."""
    try:
        return str(entry_of(number)[0])
    except KeyError:
        return str(number)
