"""Bundles as files: a tar of which the signed manifest decides every byte, and a reader that accepts no other.

The reader goes through the tar once, in constant memory, and extracts nothing. Each header must be the one that the manifest's
entry has, byte for byte: so a link, a device, another path, an extended header, a doubled or foreign member does not fit.
"""

import hashlib
import os
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BufferedReader, BytesIO, RawIOBase
from pathlib import Path
from tarfile import BLOCKSIZE, RECORDSIZE, TarInfo
from typing import Any, BinaryIO

from cutover.agent.durable import CHUNK
from cutover.core.errors import Problem, UsageError
from cutover.evidence.contents import ALTERED, PLAN, Chain, follow, is_journal, read_plan
from cutover.evidence.manifest import NAME, SIGNATURE, BundledFile, Manifest, header, read_manifest, tar_info

LARGEST = {NAME: 16 << 20, SIGNATURE: 64 << 10, PLAN: 64 << 20}  # bytes of what is read at once


@dataclass
class Contents:
    """What was read: the manifest and its signature, what the parts say, and everything that is wrong with the whole."""

    manifest: Manifest | None = None
    signature: bytes = b""
    chains: dict[str, Chain] = field(default_factory=dict)
    plan: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, path: str, found: str) -> None:
        """One more thing that is wrong."""
        self.problems.append(Problem(found, ALTERED, path=path))


class MemberContent(RawIOBase):
    """The next `size` bytes of a file, digested as they are read."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.left, self._digest = file, size, hashlib.sha256()

    def readable(self) -> bool:
        """Always: BufferedReader asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what fits into the buffer."""
        chunk = self._file.read(min(len(buffer), self.left))
        self.left -= len(chunk)
        self._digest.update(chunk)
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def sha256(self) -> str:
        """The digest over all of it; what was not read so far is read now."""
        while self.left and self.read(CHUNK):
            pass
        return self._digest.hexdigest()


def write(target: Path, manifest: bytes, signature: bytes, files: Iterable[tuple[BundledFile, Path]]) -> None:
    """Write a bundle with mode 0600 and flush it; OSError where that fails, or where a file is shorter by now."""
    with target.open("wb") as out:
        os.fchmod(out.fileno(), 0o600)
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT, encoding="ascii", errors="strict") as tar:
            for name, content in ((NAME, manifest), (SIGNATURE, signature)):
                tar.addfile(tar_info(name, len(content)), BytesIO(content))
            for entry, source in files:
                with source.open("rb") as file:
                    tar.addfile(tar_info(entry.path, entry.size), file)
        out.flush()
        os.fsync(out.fileno())


def read(bundle: Path) -> Contents:
    """Everything that a bundle says and everything that is wrong with it; UsageError where there is no such file."""
    contents = Contents()
    try:
        with bundle.open("rb") as file:
            _members(file, contents)
    except FileNotFoundError:
        next_ = "name the bundle itself: .cutover/runs/RUN/evidence-RUN.tar"
        raise UsageError(Problem("no such file", next_, path=str(bundle))) from None
    except (OSError, ValueError) as unreadable:
        contents.problems.append(Problem(f"{unreadable}; the rest was not read", ALTERED, path=bundle.name))
    return contents


def _members(file: BinaryIO, contents: Contents) -> None:
    """The manifest, the signature, and each file that the manifest has, in its order; ValueError where another thing stands there."""
    manifest = _signed(file, NAME)
    contents.signature = _signed(file, SIGNATURE)
    contents.manifest, wrong = read_manifest(manifest)
    for found in wrong:
        contents.wrong(NAME, found)
    for entry in contents.manifest.files if contents.manifest is not None else ():
        at = file.tell()
        if file.read(BLOCKSIZE) != header(entry.path, entry.size):
            raise ValueError(
                f"byte {at}: not the file {entry.path} of {entry.size} bytes, which the manifest has there"
            )
        content = MemberContent(file, entry.size)
        _take(entry, content, contents)
        _padded(file, entry.path, content.left, entry.size)
    at = file.tell()
    zeros = 2 * BLOCKSIZE + -(at + 2 * BLOCKSIZE) % RECORDSIZE  # two blocks, filled up to a whole record
    if contents.manifest is not None and file.read(zeros + 1) != bytes(zeros):
        raise ValueError(f"byte {at}: expected {zeros} zeros and the end; it is cut off, or something follows")


def _signed(file: BinaryIO, name: str) -> bytes:
    """The content of the manifest, or of the signature over it, whose sizes nothing else says."""
    block = file.read(BLOCKSIZE)
    try:
        size = TarInfo.frombuf(block, "utf-8", "backslashreplace").size
    except tarfile.HeaderError as broken:
        raise ValueError(f"it does not begin with {NAME} and {SIGNATURE} ({broken})") from broken
    if block != header(name, size) or size > LARGEST[name]:
        raise ValueError(f"it does not begin with {NAME} and {SIGNATURE}, each of a size that it can have")
    content = file.read(size)
    _padded(file, name, size - len(content), size)
    return content


def _padded(file: BinaryIO, name: str, missing: int, size: int) -> None:
    """What stands between a member's end and the next header must be zeros."""
    if missing:
        raise ValueError(f"cut off in {name}: {missing} of {size} bytes are missing")
    if any(file.read(-size % BLOCKSIZE)):
        raise ValueError(f"not zero between the end of {name} and the next header")


def _take(entry: BundledFile, content: MemberContent, contents: Contents) -> None:
    """One file: what it says, where it is one that says something, and whether it is the one that was signed."""
    if is_journal(entry.path):
        contents.chains[entry.path] = follow(BufferedReader(content, CHUNK), entry.path)
    elif entry.path == PLAN and entry.size <= LARGEST[PLAN]:
        try:
            contents.plan = read_plan(content.read(entry.size))
        except ValueError as unusable:
            contents.wrong(PLAN, str(unusable))
    if (digest := content.sha256()) != entry.sha256:
        contents.wrong(entry.path, f"its digest is {digest[:12]}; expected {entry.sha256[:12]}")
