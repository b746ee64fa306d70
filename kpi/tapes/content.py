"""The bytes of a tape, from memory or from a file: in chunks, with their digest, and watched for changes meanwhile."""

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kpi.findings import Finding, RefusedTapeError, UsageError

CHUNK_BYTES = 1 << 21  # several of them are in work at once, and fit the caches
PARQUET_MAGIC = b"PAR1"
GZIP_MAGIC = b"\x1f\x8b"


def no_sign() -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Content:
    """One tape's bytes. `sha256` is what they must digest to, where that is known already."""

    name: str
    held: bytes | Path
    sha256: str = ""

    @property
    def magic(self) -> bytes:
        """The first bytes."""
        if isinstance(self.held, bytes):
            return self.held[:4]
        with self._opened() as stream:
            return stream.read(4)

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        if isinstance(self.held, bytes):
            yield io.BytesIO(self.held)
            return
        try:
            stream = self.held.open("rb", buffering=0)
        except OSError as error:
            found = f"cannot be read: {error.strerror}"
            raise UsageError(Finding("unreadable", str(self.held), found, "give the path of a tape")) from error
        with stream:
            yield stream

    @contextmanager
    def watched(self) -> Iterator[IO[bytes]]:
        """The open tape; refuses it when the file is another one, longer or newer at the end than at the start."""
        with self._opened() as stream:
            before = _marks(stream)
            yield stream
            if isinstance(self.held, Path) and before != _marks(stream) | _marks_by_name(self.held):
                raise RefusedTapeError(self._changed("it was written to while it was read"))

    def span(self, begin: int, end: int, size: int = CHUNK_BYTES) -> Iterator[bytes]:
        """The bytes from one place to another, in order; never beyond, so that a file that grows comes to an end."""
        with self.watched() as stream:
            stream.seek(begin)
            while begin < end and (chunk := stream.read(min(size, end - begin))):
                begin += len(chunk)
                yield chunk

    def chunks(self, size: int = CHUNK_BYTES) -> Iterator[bytes]:
        """The bytes in order; at the end the digest is compared where one is known."""
        digest = hashlib.sha256()
        for chunk in self.span(0, self._size(), size):
            if self.sha256:
                digest.update(chunk)
            yield chunk
        self._compare(digest.hexdigest())

    def _size(self) -> int:
        with self._opened() as stream:
            return stream.seek(0, io.SEEK_END)

    def compare(self, alive: Callable[[], None] = no_sign) -> None:
        """Compare the digest where one is known; for a reader that does not take the bytes in order."""
        if self.sha256:
            self._compare(self.digest(alive))

    def _compare(self, digest: str) -> None:
        if self.sha256 and digest != self.sha256:
            raise RefusedTapeError(self._changed("its content is not what it was claimed by"))

    def digest(self, alive: Callable[[], None] = no_sign) -> str:
        """The digest of the bytes as they are now; `alive` is called for each chunk."""
        digest = hashlib.sha256()
        with self._opened() as stream:
            while chunk := stream.read(CHUNK_BYTES):
                alive()
                digest.update(chunk)
        return digest.hexdigest()

    def _changed(self, found: str) -> Finding:
        step = "find out who writes to it; have the tape delivered again, under a name of its own when it is whole"
        return Finding("content_changed", self.name, found, step)


def _marks(stream: IO[bytes]) -> set[tuple[int, ...]]:
    if isinstance(stream, io.BytesIO):
        return set()
    return {_mark(os.fstat(stream.fileno()))}


def _marks_by_name(path: Path) -> set[tuple[int, ...]]:
    try:
        return {_mark(path.stat())}
    except FileNotFoundError:
        return {()}


def _mark(stat: os.stat_result) -> tuple[int, ...]:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
