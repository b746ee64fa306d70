"""Bundles of evidence as files: which files of a run go in, and how one is written whole. world/bundling/reading.py reads it back."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cutover.agent.durable import CHUNK, sync_directory
from cutover.core.errors import Problem, UsageError
from cutover.evidence import manifest as manifests
from cutover.evidence import tar
from cutover.evidence.judging import must_hold
from cutover.evidence.manifest import Entry

# Other bundles, what is rebuilt from the journals, and half of what is just being written.
LEFT_OUT = ("evidence-*.tar", "*.sqlite", "*.sqlite-*", ".*")


@dataclass(frozen=True)
class File:
    """A file of the run as the bundle takes it: so many of its bytes, with this digest."""

    entry: Entry
    source: Path

    def chunks(self) -> Iterator[bytes]:
        """The bytes that were digested; Changed where they are others by now."""
        digest = hashlib.sha256()
        for chunk in _chunks(self.source, self.entry.size):
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != self.entry.sha256:
            raise tar.Changed(f"{self.entry.path} changed while it was bundled")


def files_of(run: Path) -> list[File]:
    """Every file of a run that is evidence, by path; UsageError with all that cannot go into a bundle."""
    found: list[File] = []
    problems: list[Problem] = []
    for path in sorted(run.rglob("*")):
        inside = path.relative_to(run)
        if any(Path(part).match(pattern) for part in inside.parts for pattern in LEFT_OUT):
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            next_ = "put the file itself there, or take it out of the run's directory"
            problems.append(Problem("it is a link or a device, and evidence is files alone", next_, path=str(path)))
        elif path.is_file():
            try:
                found.append(_file(path, inside.as_posix()))
            except OSError as unreadable:
                next_ = "see whose it is: all of the run's directory must be readable"
                problems.append(Problem(str(unreadable), next_, path=str(path)))
            except ValueError as unfit:
                next_ = "rename it (letters, digits and ._+@=:,~- alone), or take it out of the run's directory"
                problems.append(Problem(str(unfit), next_, path=str(path)))
    if problems:
        raise UsageError(problems)
    return sorted(found, key=lambda file: file.entry.path)


def scratch_of(target: Path) -> Path:
    """Where a bundle is written before it is whole."""
    return target.with_name(f".{target.name}.cutover-new")


def write(target: Path, manifest: bytes, signature: str, files: Iterable[File]) -> None:
    """Write a bundle and flush it."""
    signed = signature.encode()
    members: list[tuple[str, int, Callable[[], Iterable[bytes]]]] = [
        (manifests.NAME, len(manifest), lambda: [manifest]),
        (manifests.SIGNATURE, len(signed), lambda: [signed]),
        *((file.entry.path, file.entry.size, file.chunks) for file in files),
    ]
    try:
        with target.open("wb") as out:
            os.fchmod(out.fileno(), 0o600)
            tar.write(out, members)
            out.flush()
            os.fsync(out.fileno())
    except tar.Changed as changed:
        next_ = "something is at work on this run (`./invokew status`); bundle it when that has ended"
        raise UsageError(Problem(str(changed), next_, path=str(target.parent))) from changed
    except OSError as unwritten:
        next_ = "make room, or see whose the run's directory is; the run itself is as it was"
        raise UsageError(
            Problem(f"it could not be written: {unwritten}", next_, path=str(target.parent))
        ) from unwritten


def settle(scratch: Path, target: Path) -> None:
    """Put a finished bundle in its place."""
    scratch.replace(target)
    sync_directory(target.parent)


def _file(path: Path, inside: str) -> File:
    """A file with its digest. Of a journal only whole records count: one that is just being written has half of its last."""
    size = _to_last_line(path) if must_hold(inside) else path.stat().st_size
    if not manifests.is_plain(inside):
        raise ValueError(f"its name {inside!a} is not a plain one")
    try:
        tar.header(inside, size)
    except ValueError as unfit:
        raise ValueError(f"a tar has no room for its name or its {size} bytes: {unfit}") from unfit
    digest = hashlib.sha256()
    for chunk in _chunks(path, size):
        digest.update(chunk)
    return File(Entry(path=inside, size=size, sha256=digest.hexdigest()), path)


def _chunks(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while size > 0 and (chunk := file.read(min(CHUNK, size))):
            size -= len(chunk)
            yield chunk


def _to_last_line(path: Path) -> int:
    """How many bytes the whole lines of a file have."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - CHUNK)
            file.seek(start)
            if (found := file.read(end - start).rfind(b"\n")) >= 0:
                return start + found + 1
            end = start
    return 0
