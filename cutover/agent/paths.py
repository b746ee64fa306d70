"""The way to a file, for root in directories that the user of a service may write, who may swap what is there at any moment.

A path is entered name by name, each opened without following links, and what was opened is looked at through its descriptor. A
link on the way is followed only where root alone can have made it. A directory that is held is entered from its descriptor.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from stat import S_IMODE, S_ISDIR, S_ISLNK, S_ISREG, S_ISVTX
from typing import IO

LINKS = 40  # on the way to a place, as many as Linux follows
REMEMBERED = 16  # directories that were entered
DEEPEST = 64  # directories in each other that a tree has; the service's user could make thousands


class Unopened(OSError):
    """What stands there is never opened: no regular file, a link, or a hard link to a file of another user."""


_ENTERING = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW


class _Held(threading.local):
    """Directories that this thread has open, by path: what is below one is entered from there, whatever its name leads to by now.

    `below` are some that were entered from them, since many files of one directory are asked for in turn.
    """

    def __init__(self) -> None:
        self.at: dict[str, int] = {}
        self.below: dict[str, int] = {}

    def remember(self, path: str, descriptor: int) -> None:
        if len(self.below) >= REMEMBERED:
            self.forget()
        self.below[path] = os.dup(descriptor)

    def forget(self) -> None:
        for descriptor in self.below.values():
            os.close(descriptor)
        self.below.clear()


_held = _Held()


def _enter(path: str) -> int:
    """Open the directory at a path, to go on from there; OSError where a link that others can change leads to it."""
    if path in _held.below:
        return os.dup(_held.below[path])
    start = path
    while start and start not in _held.at:
        start = start.rpartition("/")[0]
    here = os.dup(_held.at[start]) if start else os.open("/", _ENTERING)
    todo, links = [name for name in reversed(path[len(start) :].split("/")) if name], 0
    try:
        while todo:
            name = todo.pop()
            try:
                inner = os.open(name, _ENTERING, dir_fd=here)
            except NotADirectoryError:
                links += 1
                todo.extend(reversed(_target(here, name, path, links).parts))
                continue
            os.close(here)
            here = inner
    except BaseException:
        os.close(here)
        raise
    if start and start != path:
        _held.remember(path, here)
    return here


def _target(folder: int, name: str, path: str, links: int) -> PurePath:
    """Where a link leads that root alone can have made; OSError for any other, and for what is no link."""
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not S_ISLNK(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    if links > LINKS or not _is_ours(os.fstat(folder), found):
        raise OSError(
            errno.ELOOP, f"the link {name} on the way is not followed: others than root can change it", str(path)
        )
    return PurePath(os.readlink(name, dir_fd=folder))


def _is_ours(folder: os.stat_result, entry: os.stat_result) -> bool:
    """Whether root alone can have put this entry into this directory, and can replace it. Without root's rights we count for root."""
    us = {0, os.geteuid()}
    return folder.st_uid in us and (
        not _others_write(folder) or (bool(folder.st_mode & S_ISVTX) and entry.st_uid in us)
    )


def _others_write(directory: os.stat_result) -> bool:
    return bool(directory.st_mode & 0o002 or (directory.st_mode & 0o020 and directory.st_gid != 0))


def require_ours(directory: Path) -> None:
    """PermissionError where others than root can write a directory, make it where it is missing, or replace it or one above it."""
    place, above = Path(os.path.realpath(directory)), Path("/").stat()
    for path in reversed((place, *place.parents)):
        seen = status(path)
        if seen is not None and _is_ours(above, seen) and seen.st_uid in (0, os.geteuid()):
            above = seen
        elif seen is not None:
            raise _shared(path, seen)
        elif _others_write(above):
            raise _shared(path.parent, above)
        else:
            return
    if _others_write(above):
        raise _shared(place, above)


def _shared(path: Path, seen: os.stat_result) -> PermissionError:
    found = f"others than root can write or replace it: mode {S_IMODE(seen.st_mode):04o}, user {seen.st_uid}"
    return PermissionError(errno.EPERM, found, str(path))


@contextmanager
def parent(path: Path) -> Iterator[tuple[int, str]]:
    """The directory that holds a place, opened, and the place's name in it; a directory that is held, and "."."""
    text = str(path)
    above, _, name = (text, "", ".") if text in _held.at else text.rpartition("/")
    folder = _enter(above or "/")
    try:
        yield folder, name or "."
    finally:
        os.close(folder)


@contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    """What stands at a path, opened without waiting; Unopened for a link, and for a hard link to a file of another user."""
    with parent(path) as (folder, name):
        try:
            descriptor = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        except OSError as refused:
            if refused.errno in (errno.ELOOP, errno.ENXIO):  # a link, a socket
                raise Unopened(refused.errno, "is a link or a socket, and is not opened", str(path)) from refused
            raise
        try:
            seen = os.fstat(descriptor)
            if seen.st_nlink > 1 and _is_foreign(seen, os.fstat(folder)):
                raise Unopened(errno.EPERM, "is a hard link to a file of another user, and is not opened", str(path))
            yield descriptor
        finally:
            os.close(descriptor)


@contextmanager
def reading(path: Path) -> Iterator[IO[bytes]]:
    """A regular file, open for reading; Unopened for anything else."""
    with opened(path) as descriptor:
        if not S_ISREG(os.fstat(descriptor).st_mode):
            raise Unopened(errno.EINVAL, "is not a regular file, and is not opened", str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file


def _is_foreign(seen: os.stat_result, folder: os.stat_result) -> bool:
    """Whether a user may have linked a file of another one into this directory, to have root read it or give it away."""
    return S_ISREG(seen.st_mode) and seen.st_nlink > 1 and folder.st_uid not in (0, os.geteuid(), seen.st_uid)


def status(path: Path) -> os.stat_result | None:
    """What stands at a path, without following a link; None where nothing does."""
    try:
        with parent(path) as (folder, name):
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None


def real(path: Path) -> Path:
    """The path of what a link stands for that root alone can have made; the path itself where there is no link."""
    for links in range(1, LINKS + 2):
        seen = status(path)
        if seen is None or not S_ISLNK(seen.st_mode):
            break
        with parent(path) as (folder, name):
            path = path.parent / _target(folder, name, str(path), links)
    return path


def link_target(path: Path) -> str:
    """Where a symbolic link points."""
    with parent(path) as (folder, name):
        return os.readlink(name, dir_fd=folder)


def text_of(path: Path) -> str:
    """The text of a file of the kernel; empty where it is not there."""
    try:
        with reading(path) as file:
            return file.read().decode(errors="backslashreplace")
    except FileNotFoundError:
        return ""


def open_files(process: int) -> set[str]:
    """What the files stand for that a process has open; empty where it has ended, or may not be looked at."""
    found = set()
    with suppress(OSError), os.scandir(f"/proc/{process}/fd") as entries:
        for entry in entries:
            with suppress(OSError):  # closed meanwhile
                found.add(str(Path(entry.path).readlink()))
    return found


def tree(root: Path, left_out: list[str] | None = None) -> dict[str, os.stat_result]:
    """What stands at root and below it, by relative name: files, links, directories. What vanishes meanwhile is left out.

    So is what is never opened, which `left_out` gets by name: sockets, FIFOs, devices, hard links to files of other users, and
    what lies too deep.
    """
    found = {}
    for name, seen, foreign in walk(root, DEEPEST):
        if not foreign and (S_ISREG(seen.st_mode) or S_ISLNK(seen.st_mode) or S_ISDIR(seen.st_mode)):
            found[name] = seen
        elif left_out is not None:
            left_out.append(name)
    return found


def walk(root: Path, deepest: int, *, seizing: bool = False) -> Iterator[tuple[str, os.stat_result, bool]]:
    """Whatever stands at root and below it, a directory before what is in it: relative name, status, whether it may not be opened.

    With `seizing` each directory becomes root's alone before it is listed, so that nobody can add to it.
    """
    top = status(root)
    if top is None:
        return
    with parent(root) as (folder, _):
        yield "", top, _is_foreign(top, os.fstat(folder))
    todo = [""] if S_ISDIR(top.st_mode) else []
    while todo:
        inside = todo.pop()
        try:
            with opened(root / inside, os.O_DIRECTORY) as folder:
                owner = os.fstat(folder)
                if seizing:
                    os.fchown(folder, os.geteuid(), -1)
                    os.fchmod(folder, 0o700)
                seen = _statuses(folder)
        except (FileNotFoundError, NotADirectoryError):
            continue
        for name, one in sorted(seen.items()):
            path = f"{inside}/{name}" if inside else name
            too_deep = S_ISDIR(one.st_mode) and path.count("/") >= deepest
            yield path, one, too_deep or _is_foreign(one, owner)
            if S_ISDIR(one.st_mode) and not too_deep:
                todo.append(path)


def _statuses(folder: int) -> dict[str, os.stat_result]:
    """What stands in an opened directory, by name."""
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                found[entry.name] = entry.stat(follow_symlinks=False)
    return found


@contextmanager
def holding(directory: Path, *, linked: bool = False) -> Iterator[None]:
    """Keep a directory open, if it is one: a path below it is entered from there, whatever its name leads to meanwhile.

    A link to a directory is not one, unless `linked`: then only what is below it may be asked for, and not the link itself.
    """
    opened_here = False
    if str(directory) not in _held.at:
        with suppress(FileNotFoundError, NotADirectoryError):
            seen = status(directory)
            if linked or (seen is not None and S_ISDIR(seen.st_mode)):
                hold(directory, _enter(str(directory)))
                opened_here = True
    try:
        yield
    finally:
        if opened_here:
            let_go(directory)


def hold(directory: Path, descriptor: int) -> None:
    """Keep a directory that was opened until it is let go."""
    _held.at[str(directory)] = descriptor


def let_go(directory: Path) -> None:
    """Close a directory that was held, if it is one."""
    _held.forget()
    if str(directory) in _held.at:
        os.close(_held.at.pop(str(directory)))


def moved() -> None:
    """Directories have other names now than when they were entered."""
    _held.forget()
