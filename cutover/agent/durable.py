"""Write files so that a crash leaves either the old or the new one, on disk, never a half."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

CHUNK = 1 << 20


def write_atomically(
    path: Path, content: bytes, *, mode: int = 0o600, uid: int = -1, gid: int = -1, mtime_ns: int | None = None
) -> None:
    """Write content to a file beside path, flush it to disk, and rename it into place; its time is now, or the one given."""
    scratch = path.with_name(f".{path.name}.cutover-new")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchown(file.fileno(), uid, gid)
            os.fchmod(file.fileno(), mode)  # after chown, which clears set-id bits
            file.flush()
            if mtime_ns is not None:
                os.utime(file.fileno(), ns=(mtime_ns, mtime_ns))
            os.fsync(file.fileno())
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def link_atomically(path: Path, target: str) -> None:
    """Point a symbolic link at target; readers see the old or the new one."""
    scratch = path.with_name(f".{path.name}.cutover-new")
    scratch.unlink(missing_ok=True)
    scratch.symlink_to(target)
    try:
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def write_json(path: Path, document: Any, *, mode: int = 0o600) -> None:
    """Write one JSON document atomically."""
    write_atomically(path, (json.dumps(document, indent=1, sort_keys=True) + "\n").encode(), mode=mode)


def write_over(path: Path, document: Any) -> None:
    """Write a small JSON document over a longer one, in one call and without taking room: for a full disk, and nothing else."""
    text = json.dumps(document, sort_keys=True)
    content = text.ljust(path.stat().st_size).encode()
    if len(content) > path.stat().st_size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        os.pwrite(descriptor, content, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path) -> Any:
    """Read one JSON document; None where there is no such file."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def sync_directory(path: Path) -> None:
    """Flush a directory, so that a name in it survives a crash."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_filesystem(path: Path) -> None:
    """Flush the file system that holds path, in one call for any number of files."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if libc.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), "syncfs failed", str(path))
    finally:
        os.close(descriptor)


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
