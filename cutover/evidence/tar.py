"""A tar of which each byte is decided by names and contents alone, and a reader that accepts no other. It never extracts.

Headers are those of ustar with mode 0644, no owner, time 0; the end is two empty blocks, and nothing after them. Since
the reader makes each header anew and compares, a link, a device, a foreign time or one changed bit is always found.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from tarfile import BLOCKSIZE, USTAR_FORMAT, HeaderError, TarInfo
from typing import BinaryIO

END = 2 * BLOCKSIZE
CHUNK = 1 << 20
MOST_MEMBERS = 200_000  # more than a manifest has room for
EXTENSION = "an extension header"
KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"5": "a directory",
    b"6": "a pipe",
    b"S": "a sparse file",
    **dict.fromkeys((b"x", b"g", b"L", b"K"), EXTENSION),
}


class Changed(OSError):
    """A file did not stay as it was while it was written into the tar."""


@dataclass
class Content:
    """The bytes of one member, to be read once; they are digested as they go by."""

    file: BinaryIO
    offset: int
    size: int
    _taken: int = 0
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def chunks(self) -> Iterator[bytes]:
        """What was not read so far."""
        while self._taken < self.size:
            self.file.seek(self.offset + self._taken)
            chunk = self.file.read(min(CHUNK, self.size - self._taken))
            if not chunk:
                raise Changed(f"it ends at byte {self._taken} of {self.size}")
            self._taken += len(chunk)
            self._digest.update(chunk)
            yield chunk

    def lines(self, longest: int) -> Iterator[str]:
        """As lines of text; ValueError for one that is longer, is no UTF-8, or is the last and does not end."""
        rest = b""
        for chunk in self.chunks():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line.decode() + "\n"
            if len(rest) > longest:
                raise ValueError(f"a line of more than {longest} bytes")
        if rest:
            raise ValueError("its last line is cut off")

    def whole(self, largest: int) -> bytes:
        """All of it at once; ValueError where it is larger than it can be."""
        if self.size > largest:
            raise ValueError(f"it has {self.size} bytes, {largest} are the most")
        return b"".join(self.chunks())

    def sha256(self) -> str:
        """The digest over all of it; what was not read is read now."""
        for _ in self.chunks():
            pass
        return self._digest.hexdigest()


@dataclass(frozen=True)
class Member:
    """One file in a tar: name, content, and what is wrong with how it is written there."""

    name: str
    content: Content
    wrong: str = ""


@dataclass(frozen=True)
class Flaw:
    """What is wrong with the tar itself."""

    found: str


def header(name: str, size: int) -> bytes:
    """The one header of a file; ValueError for a name or size that the format has no room for."""
    info = TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(USTAR_FORMAT, "ascii", "strict")


def write(target: BinaryIO, files: Iterable[tuple[str, int, Callable[[], Iterable[bytes]]]]) -> None:
    """Write a tar: each file by name, size, and its bytes."""
    for name, size, chunks in files:
        target.write(header(name, size))
        written = 0
        for chunk in chunks():
            target.write(chunk)
            written += len(chunk)
        if written != size:
            raise Changed(f"{name} had {size} bytes, and then {written}")
        target.write(bytes(-size % BLOCKSIZE))
    target.write(bytes(END))


def walk(file: BinaryIO) -> Iterator[Member | Flaw]:
    """Members in the order in which they lie there, and every flaw between and behind them. Of a member only its header is read."""
    length, at = file.seek(0, 2), 0
    for _ in range(MOST_MEMBERS):
        block = _read(file, at, BLOCKSIZE)
        if block == bytes(BLOCKSIZE):
            yield from _end(file, at, length)
            return
        info = _info(block)
        if info is None or info.size < 0:
            what = "the bundle is cut off" if len(block) < BLOCKSIZE else "this is not the header of a file"
            yield Flaw(f"byte {at}: {what}; nothing after it can be read")
            return
        start, end = at + BLOCKSIZE, at + BLOCKSIZE + info.size + -info.size % BLOCKSIZE
        if end > length:
            yield Flaw(f"byte {length}: the bundle is cut off within {info.name!a}")
            return
        yield Member(info.name, Content(file, start, info.size), _wrong(info, block))
        if any(_read(file, start + info.size, end - start - info.size)):
            yield Flaw(f"byte {start + info.size}: there is something between the end of {info.name} and the next file")
        at = end
    yield Flaw(f"byte {at}: more than {MOST_MEMBERS} files, which is no evidence of one run")


def _read(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)


def _info(block: bytes) -> TarInfo | None:
    try:
        return TarInfo.frombuf(block, "utf-8", "strict")
    except (HeaderError, ValueError):
        return None


def _wrong(info: TarInfo, block: bytes) -> str:
    """Why a header is not the one that we write for a file of this name and size; empty where it is."""
    if info.type in KINDS:
        return f"it is {KINDS[info.type]}, and a bundle holds files alone"
    try:
        ours = header(info.name, info.size)
    except ValueError:
        return "its name is one that no bundle has"
    return "" if block == ours else "its header in the tar was changed"


def _end(file: BinaryIO, at: int, length: int) -> Iterator[Flaw]:
    if length - at < END or any(_read(file, at, END)):
        yield Flaw(f"byte {at}: the bundle is cut off in its end mark, or files go on behind an empty block")
    elif length - at > END:
        yield Flaw(f"byte {at + END}: {length - at - END} bytes follow after the end")
