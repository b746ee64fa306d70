"""The files of a host: only here does the agent copy, compare, replace, restore them and give them away.

A crash leaves either the old or the new one, on disk, never a half: whatever is made is built beside its place, flushed, and
renamed into it. An item says what a file, link or directory is: mode (text such as 0644), uid, gid, mtime_ns; of a file
sha256 and size, of a link its target as `link`. A tree is its items by relative name, the root's own name being empty.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from stat import S_IMODE, S_ISDIR, S_ISLNK, S_ISREG
from typing import IO, Any

CHUNK = 1 << 20

Item = dict[str, Any]


@contextmanager
def building(place: Path, *, replaces: bool = False) -> Iterator[Path]:
    """A path beside a place, to build on: it is renamed into the place in the end, or removed where something fails.

    A file or link that stands there is replaced; a directory, or anything by one, only with `replaces`.
    """
    scratch, old = (place.with_name(f".{place.name}.cutover-{which}") for which in ("new", "old"))
    for leftover in (scratch, old):
        _clear(leftover)
    try:
        yield scratch
        try:
            scratch.rename(place)
        except OSError:  # it takes two renames where either is a directory
            if not replaces or status(place) is None:
                raise
            _exchange(scratch, place, old)
    except BaseException:  # a half one on a full disk would keep it full, for the service as well
        _clear(scratch)
        raise
    sync_directory(place.parent)
    _clear(old)


def _exchange(scratch: Path, place: Path, old: Path) -> None:
    """Move scratch into its place; should that fail, what stood there comes back."""
    place.rename(old)
    try:
        scratch.rename(place)
    except BaseException:
        old.rename(place)
        raise


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
        scratch.symlink_to(target)


def write_json(path: Path, document: Any, *, mode: int = 0o600) -> None:
    """Write one JSON document atomically."""
    write_atomically(path, (json.dumps(document, indent=1, sort_keys=True) + "\n").encode(), mode=mode)


def write_over(path: Path, document: Any) -> None:
    """Write a small JSON document over a longer one, in one call and without taking room: for a full disk, and nothing else."""
    size = path.stat().st_size
    content = json.dumps(document, sort_keys=True).ljust(size).encode()
    if len(content) > size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    with _opened(path, os.O_WRONLY | os.O_NOFOLLOW) as descriptor:
        os.pwrite(descriptor, content, 0)
        os.fsync(descriptor)


def read_json(path: Path) -> Any:
    """Read one JSON document; None where there is no such file."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def make_directory(path: Path, *, mode: int, uid: int = -1, gid: int = -1) -> None:
    """Make a directory, and its parents; one that is there gets mode and owner."""
    path.mkdir(parents=True, exist_ok=True)
    with _opened(path, os.O_DIRECTORY | os.O_NOFOLLOW) as descriptor:
        _dress(descriptor, {"uid": uid, "gid": gid, "mode": f"{mode:o}"})
    sync_directory(path.parent)


def remove(place: Path) -> None:
    """Remove whatever stands at a place, if anything does."""
    if status(place):
        _clear(place)
        sync_directory(place.parent)


def _clear(place: Path) -> None:
    found = status(place)
    if found and S_ISDIR(found.st_mode):
        import shutil  # here, since it costs 10 ms that most requests need not pay

        shutil.rmtree(place)
    elif found:
        place.unlink()


def status(path: Path) -> os.stat_result | None:
    """What stands at a path, without following a link; None where nothing does."""
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def tree(root: Path) -> dict[str, os.stat_result]:
    """What stands at root and below it, by relative name: files, links, directories. What vanishes meanwhile is left out."""
    found = {"": status(root)}
    if found[""] and S_ISDIR(found[""].st_mode):
        for folder, folders, names in os.walk(root, onerror=_unless_gone):
            for path in (Path(folder, name) for name in (*folders, *names)):
                found[str(path.relative_to(root))] = status(path)
    kinds = (S_ISREG, S_ISLNK, S_ISDIR)
    return {name: seen for name, seen in found.items() if seen and any(is_it(seen.st_mode) for is_it in kinds)}


def _unless_gone(failure: OSError) -> None:
    if not isinstance(failure, FileNotFoundError):
        raise failure


def about(seen: os.stat_result) -> Item:
    """The part of an item that does not need its content."""
    mode = f"{S_IMODE(seen.st_mode):04o}"
    return {"mode": mode, "uid": seen.st_uid, "gid": seen.st_gid, "mtime_ns": seen.st_mtime_ns}


def copy(source: Path, seen: os.stat_result, target: Path) -> Item:
    """Copy a file or link, or make the directory; gives its item. The copy is ours, and nobody else may do more with it than before."""
    mode = 0o600 | S_IMODE(seen.st_mode) & 0o777
    if S_ISDIR(seen.st_mode):
        target.mkdir(mode=mode | 0o100)
        return about(seen)
    if S_ISLNK(seen.st_mode):
        link = str(source.readlink())
        target.symlink_to(link)
        return about(seen) | {"link": link}
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as old, _create(target, mode) as new:
        while chunk := old.read(CHUNK):
            digest.update(chunk)
            size += new.write(chunk)
    return about(seen) | {"sha256": digest.hexdigest(), "size": size}


def put_back(items: Mapping[str, Item], copies: Path, place: Path) -> None:
    """Make a place the tree that was recorded, from its copies, in one move; absence included.

    What stands there as it should is taken over by hard link: most of a tree has not changed, and the outage is running.
    """
    if not items:
        remove(place)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    standing = tree(place)
    with building(place, replaces=True) as scratch:
        made = []
        for name, item in sorted(items.items()):
            seen, at = standing.get(name), item["mtime_ns"]
            if seen and "sha256" in item and seen.st_mtime_ns == at and not changes(item, seen, place / name):
                os.link(place / name, scratch / name)
            else:
                copy(copies / name, (copies / name).lstat(), scratch / name)
                made.append(name)
        for name in reversed(made):  # inner ones first: what is made in a directory moves its time
            _dress_path(scratch / name, items[name])
        if "sha256" in items[""]:
            with _opened(scratch) as descriptor:
                os.fsync(descriptor)
        elif "link" not in items[""]:
            sync_filesystem(scratch)


def _dress_path(path: Path, item: Item) -> None:
    """Give a file, link or directory the owner, mode and time of an item."""
    if "link" in item:
        os.lchown(path, item["uid"], item["gid"])
        os.utime(path, ns=(item["mtime_ns"], item["mtime_ns"]), follow_symlinks=False)
    else:
        with _opened(path, os.O_NOFOLLOW) as descriptor:
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
            (root / name).chmod(seen.st_mode & 0o555 | (folders if S_ISDIR(seen.st_mode) else 0))


def deviations(items: Mapping[str, Item], found: Mapping[str, os.stat_result], root: Path) -> list[str]:
    """Where what was found below root is not what was recorded: a line each. What an item does not name is not compared."""
    lines = [f"{root / name}: missing" for name in sorted(items.keys() - found.keys())]
    lines += [f"{root / name}: unexpected" for name in sorted(found.keys() - items.keys())]
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
    if "link" in item and str(path.readlink()) != item["link"]:
        changed.append("target")
    if "sha256" in item and sha256_file(path) != item["sha256"]:
        changed.append("content")
    return changed


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_bytes(content: bytes) -> str:
    """SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def sync_directory(path: Path) -> None:
    """Flush a directory, so that a name in it survives a crash."""
    with _opened(path, os.O_DIRECTORY) as descriptor:
        os.fsync(descriptor)


def sync_filesystem(path: Path) -> None:
    """Flush the file system that holds path, in one call for any number of files."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    with _opened(path) as descriptor:
        if libc.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), "syncfs failed", str(path))


@contextmanager
def _opened(path: Path, flags: int = 0) -> Iterator[int]:
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _create(path: Path, mode: int = 0o600) -> IO[bytes]:
    """A new file, open for writing."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb")
