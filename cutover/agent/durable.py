"""The files of a host: only here does the agent copy, compare, replace, restore them and give them away.

A crash leaves either the old or the new one, on disk, never a half: whatever is made is built beside its place, flushed, and
renamed into it. A directory that we build in is held open until it is in place: nobody can put another under its name.

An item says what a file, link or directory is: mode (text such as 0644), uid, gid, mtime_ns; of a file sha256 and size, of a
link its target as `link`. A tree is its items by relative name, the root's own name being empty.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE, S_ISDIR, S_ISLNK, S_ISREG
from typing import IO, Any

from cutover.agent.paths import hold, holding, let_go, link_target, moved, opened, parent, reading, status, tree, walk

CHUNK = 1 << 20

Item = dict[str, Any]


def read_json(path: Path) -> Any:
    """Read one JSON document; None where the file does not exist."""
    try:
        with reading(path) as file:
            return json.loads(file.read())
    except FileNotFoundError:
        return None


def about(seen: os.stat_result) -> Item:
    """The part of an item that does not need its content."""
    mode = f"{S_IMODE(seen.st_mode):04o}"
    return {"mode": mode, "uid": seen.st_uid, "gid": seen.st_gid, "mtime_ns": seen.st_mtime_ns}


def same_file(seen: os.stat_result) -> Item:
    """What says that a file is the same and unchanged: a rewrite may keep size and time, but not inode and change time."""
    return about(seen) | {"size": seen.st_size, "inode": seen.st_ino, "ctime_ns": seen.st_ctime_ns}


def deviations(items: Mapping[str, Item], found: Mapping[str, os.stat_result], root: Path) -> list[str]:
    """Where what was found below root is not what was recorded: a line each. What an item does not name is not compared."""
    lines = [f"{root / name}: missing" for name in sorted(items.keys() - found.keys())]
    lines += [f"{root / name}: unexpected" for name in sorted(found.keys() - items.keys())]
    with holding(root):
        for name in sorted(items.keys() & found.keys()):
            if changed := changes(items[name], found[name], root / name):
                lines.append(f"{root / name}: {', '.join(changed)} changed")
    return lines


def changes(item: Item, seen: os.stat_result, path: Path) -> list[str]:
    """What of a file, link or directory is not as recorded: type, mode, uid, gid, target, content."""
    is_it = S_ISREG if "sha256" in item else S_ISLNK if "link" in item else S_ISDIR
    if not is_it(seen.st_mode):
        return ["type"]
    now = about(seen)
    changed = [key for key in ("mode", "uid", "gid") if item.get(key, now[key]) != now[key]]
    if "link" in item and link_target(path) != item["link"]:
        changed.append("target")
    if "sha256" in item and sha256_file(path) != item["sha256"]:
        changed.append("content")
    return changed


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with reading(path) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_bytes(content: bytes) -> str:
    """SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


# Make.


@contextmanager
def building(place: Path, *, replaces: bool = False) -> Iterator[Path]:
    """A path beside a place, to build on: it is renamed into the place in the end, or removed where something fails.

    A file or link that stands there is replaced; a directory, or anything by one, only with `replaces`. A directory is begun
    with `new_directory`, which holds it, so that nothing else can be put under its name meanwhile.
    """
    scratch, old = _unfinished(place)
    with holding(place.parent, linked=True):
        for leftover in (scratch, old):
            _clear(leftover)
        try:
            yield scratch
            made = status(scratch)
            _move(scratch, place, old if replaces else None)
            stands = status(place)
            if made is None or stands is None or not os.path.samestat(made, stands):
                raise OSError(errno.EBUSY, "somebody replaced what was being put here", str(place))
        except BaseException:  # a half one on a full disk would keep it full, for the service as well
            let_go(scratch)
            _clear(scratch)
            raise
        let_go(scratch)
        sync_directory(place.parent)
        _clear(old)


def _unfinished(place: Path) -> tuple[Path, Path]:
    """What stands beside a place while it is built: the new one, and the old one for the moment between two renames."""
    new, old = (place.with_name(f".{place.name}.cutover-{which}") for which in ("new", "old"))
    return new, old


def clear_unfinished(place: Path) -> None:
    """Remove what a crash left beside a place that stands as it should."""
    for leftover in _unfinished(place):
        if status(leftover) is not None:
            with holding(place.parent, linked=True):
                _clear(leftover)


def new_directory(path: Path, mode: int = 0o700) -> None:
    """Make a directory that is not there yet, and hold it until `building` is through with it."""
    with parent(path) as (folder, name):
        os.mkdir(name, mode, dir_fd=folder)
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    if os.fstat(descriptor).st_uid != os.geteuid():
        os.close(descriptor)
        raise OSError(errno.EBUSY, "somebody replaced the directory that was made here", str(path))
    hold(path, descriptor)


def _move(scratch: Path, place: Path, old: Path | None) -> None:
    try:
        _rename(scratch, place)
    except OSError:  # it takes two renames where either is a directory
        if old is None or status(place) is None:
            raise
        _rename(place, old)
        try:
            _rename(scratch, place)
        except BaseException:
            _rename(old, place)
            raise


def _rename(source: Path, target: Path) -> None:
    """Rename within a directory, which is held."""
    moved()
    with parent(source.parent) as (folder, _):
        os.rename(source.name, target.name, src_dir_fd=folder, dst_dir_fd=folder)


def link(source: Path, target: Path) -> None:
    """Give a file, or a symbolic link itself, a second name."""
    with parent(source) as (old, name), parent(target) as (new, new_name):
        os.link(name, new_name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)


def write_atomically(path: Path, content: bytes, *, mode: int = 0o600, uid: int = -1, gid: int = -1) -> None:
    """Write a file; its time is now."""
    with building(path) as scratch, _create(scratch) as file:
        file.write(content)
        file.flush()
        _dress(file.fileno(), {"uid": uid, "gid": gid, "mode": f"{mode:o}"})
        os.fsync(file.fileno())


def link_atomically(path: Path, target: str) -> None:
    """Point a symbolic link at target; readers see the old or the new one."""
    with building(path) as scratch:
        _symlink(scratch, target)


def _symlink(path: Path, target: str) -> None:
    with parent(path) as (folder, name):
        os.symlink(target, name, dir_fd=folder)


def write_json(path: Path, document: Any, *, mode: int = 0o600) -> None:
    """Write one JSON document atomically."""
    write_atomically(path, (json.dumps(document, indent=1, sort_keys=True) + "\n").encode(), mode=mode)


def write_over(path: Path, document: Any) -> None:
    """Write a small JSON document over a longer one, in one call and without taking room: for a full disk, and nothing else."""
    with opened(path, os.O_WRONLY) as descriptor:
        size = os.fstat(descriptor).st_size
        content = json.dumps(document, sort_keys=True).ljust(size).encode()
        if len(content) > size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.pwrite(descriptor, content, 0)
        os.fsync(descriptor)


def make_directory(path: Path, *, mode: int, uid: int = -1, gid: int = -1) -> None:
    """Make a directory, and its parents (0755); one that is there gets mode and owner."""
    make_directories(path)
    with opened(path, os.O_DIRECTORY) as descriptor:
        _dress(descriptor, {"uid": uid, "gid": gid, "mode": f"{mode:o}"})
    sync_directory(path.parent)


def make_directories(path: Path, mode: int = 0o755) -> None:
    """Make a directory and those above it, as far as they are missing."""
    for one in reversed((path, *path.parents)):
        if status(one) is None:
            with parent(one) as (folder, name), suppress(FileExistsError):  # another process was quicker
                os.mkdir(name, mode, dir_fd=folder)


def copy(source: Path, seen: os.stat_result, target: Path, until: float = float("inf")) -> Item:
    """Copy a file or link, or make the directory; gives its item. The copy is ours, and nobody else may do more with it than before.

    Of a file that grows no more is copied than was `seen`; TimeoutError where that takes longer than `until` (time.monotonic()).
    """
    mode = 0o600 | S_IMODE(seen.st_mode) & 0o777
    if S_ISDIR(seen.st_mode):
        with parent(target) as (folder, name):
            os.mkdir(name, mode | 0o100, dir_fd=folder)
        return same_file(seen)
    if S_ISLNK(seen.st_mode):
        to = link_target(source)
        _symlink(target, to)
        return same_file(seen) | {"link": to}
    with reading(source) as old:
        return same_file(os.fstat(old.fileno())) | write_stream(target, old, mode, most=seen.st_size, until=until)


def write_stream(
    path: Path, source: IO[bytes], mode: int = 0o600, *, most: int = sys.maxsize, until: float = float("inf")
) -> Item:
    """Write what is left of an open file, `most` bytes of it, to a new one; gives its sha256 and size."""
    digest, size = hashlib.sha256(), 0
    with _create(path, mode) as new:
        while chunk := source.read(min(CHUNK, most - size)):
            if time.monotonic() > until:
                raise TimeoutError(errno.ETIMEDOUT, f"not copied in time, after {size} of its bytes", str(path))
            digest.update(chunk)
            size += new.write(chunk)
    return {"sha256": digest.hexdigest(), "size": size}


def put_back(items: Mapping[str, Item], copies: Path, place: Path) -> None:
    """Make a place the tree that was recorded, from its copies, in one move; absence included.

    What stands there as it should is taken over by hard link: most of a tree has not changed, and the outage is running. It is
    compared where it was linked to, since nobody else can get there.
    """
    if not items:
        remove(place)
        return
    make_directories(place.parent)
    standing, copied = tree(place), tree(copies)
    with holding(copies), building(place, replaces=True) as scratch:
        made = []
        for name, item in sorted(items.items()):
            if _take_over(item, standing.get(name), place / name, scratch / name):
                continue
            if name not in copied:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(copies / name))
            if not name and S_ISDIR(copied[name].st_mode):
                new_directory(scratch)
            else:
                copy(copies / name, copied[name], scratch / name)
            made.append(name)
        for name in reversed(made):  # inner ones first: what is made in a directory moves its time
            _dress_path(scratch / name, items[name])
        if "sha256" in items[""]:
            with opened(scratch) as descriptor:
                os.fsync(descriptor)
        elif "link" not in items[""]:
            sync_filesystem(scratch)


def _take_over(item: Item, seen: os.stat_result | None, standing: Path, target: Path) -> bool:
    """Link the file that stands where it should, if it is the one that was recorded."""
    if seen is None or "sha256" not in item or seen.st_mtime_ns != item["mtime_ns"]:
        return False
    try:
        link(standing, target)
    except FileNotFoundError:
        return False
    linked = status(target)
    if linked and os.path.samestat(linked, seen) and not changes(item, linked, target):
        return True
    _clear(target)
    return False


def _dress_path(path: Path, item: Item) -> None:
    """Give a file, link or directory that we made the owner, mode and time of an item."""
    if "link" in item:
        with parent(path) as (folder, name):
            os.chown(name, item["uid"], item["gid"], dir_fd=folder, follow_symlinks=False)
            os.utime(name, ns=(item["mtime_ns"], item["mtime_ns"]), dir_fd=folder, follow_symlinks=False)
    else:
        with opened(path) as descriptor:
            _dress(descriptor, item)


def _dress(descriptor: int, item: Item) -> None:
    os.fchown(descriptor, item["uid"], item["gid"])
    os.fchmod(descriptor, int(item["mode"], 8))  # after chown, which clears set-id bits
    if "mtime_ns" in item:
        os.utime(descriptor, ns=(item["mtime_ns"], item["mtime_ns"]))


def make_read_only(root: Path, *, folders: int = 0) -> None:
    """Take every right to write from a tree; `folders` are rights that its directories get, whatever umask they were made under."""
    for name, seen in tree(root).items():
        if not S_ISLNK(seen.st_mode):
            with opened(root / name) as descriptor:
                os.fchmod(descriptor, seen.st_mode & 0o555 | (folders if S_ISDIR(seen.st_mode) else 0))


def remove(place: Path) -> None:
    """Remove whatever stands at a place, if anything does."""
    if status(place):
        _clear(place)
        sync_directory(place.parent)


def _clear(place: Path) -> None:
    """Remove what stands at a place. Its directories are made root's first: their owner could go on filling them."""
    found = [*walk(place, 1 << 20, seizing=True)]
    moved()
    for name, seen, _ in reversed(found):
        with parent(place / name) as (folder, last):
            (os.rmdir if S_ISDIR(seen.st_mode) else os.unlink)(last, dir_fd=folder)


def sync_directory(path: Path) -> None:
    """Flush a directory, so that a name in it survives a crash."""
    with opened(path, os.O_DIRECTORY) as descriptor:
        os.fsync(descriptor)


def sync_filesystem(path: Path) -> None:
    """Flush the file system that holds path, in one call for any number of files."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    with opened(path) as descriptor:
        if libc.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), "syncfs failed", str(path))


def _create(path: Path, mode: int = 0o600) -> IO[bytes]:
    """A new file, open for writing."""
    with parent(path) as (folder, name):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        return os.fdopen(os.open(name, flags, mode, dir_fd=folder), "wb")
