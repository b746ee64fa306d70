"""The only place that changes files: replaced as a whole, moved, or appended to, and on disk when the call returns."""

import errno
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

TEMPORARY = ".tmp-"


def to_json(document: Any) -> bytes:
    """A document as it is written to files; NaN and infinity are refused."""
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def write_files(files: Mapping[Path, bytes]) -> None:
    """Replace each file as a whole; all contents are on disk before the first name changes."""
    from concurrent.futures import ThreadPoolExecutor  # here, since who only reads does without it

    temporary = {path.with_name(f"{TEMPORARY}{path.name}"): path for path in files}
    with ExitStack() as stack:
        outs = [stack.enter_context(written.open("wb", buffering=0)) for written in temporary]
        for out, path in zip(outs, temporary.values(), strict=True):
            _write_all(out.fileno(), files[path])
        # Side by side they share the disk's commits: half the time of one after the other.
        pool = stack.enter_context(ThreadPoolExecutor(len(outs)))
        list(pool.map(os.fsync, [out.fileno() for out in outs]))
    for written, path in temporary.items():
        written.replace(path)
    sync_directories(path.parent for path in files)


def replace_lazily(path: Path, content: bytes) -> None:
    """Replace a file atomically; after a power cut it may be the one before, but never half of one."""
    written = path.with_name(f"{TEMPORARY}{path.name}")
    with written.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    written.replace(path)


def move(source: Path, target: Path) -> None:
    """Rename within one file system; refuses to replace what is there already."""
    move_lazily(source, target)
    sync_directories((source.parent, target.parent))


def move_lazily(source: Path, target: Path) -> None:
    """Rename likewise; after a power cut the file may be under its old name again, but never under both or none."""
    if target.exists():
        raise FileExistsError(errno.EEXIST, "is there already", str(target))
    source.rename(target)


def append(descriptor: int, content: bytes) -> None:
    """Append to an open file and wait for the disk."""
    _write_all(descriptor, content)
    os.fsync(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_directories(directories: Iterable[Path]) -> None:
    """Make new names in these directories survive a power cut."""
    for directory in sorted(set(directories)):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sweep(directory: Path) -> int:
    """Remove what an interrupted write left behind; how many files that were."""
    left = [path for path in directory.iterdir() if path.name.startswith(TEMPORARY)]
    for path in left:
        path.unlink()
    return len(left)
