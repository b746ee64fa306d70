"""Append to a file that others read: on disk when the call returns, and nothing left of what could not be written."""

import os
from pathlib import Path

from kpi import durable


class Appender:
    """An open file and how far it is known to be good; what a full disk left behind that point is cut off again."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.size = os.fstat(self._descriptor).st_size
        self._unsure = False

    def append(self, content: bytes) -> None:
        """Append all of it, or raise OSError and leave the file as it was."""
        if self._unsure:
            self.cut_back()
        self._unsure = True
        try:
            durable.append(self._descriptor, content)
        except OSError:
            self.cut_back()
            raise
        self.size += len(content)
        self._unsure = False

    def cut_back(self, size: int | None = None) -> None:
        """Cut off what was never acknowledged; where even that fails, it is tried again before the next append."""
        self.size = self.size if size is None else size
        os.ftruncate(self._descriptor, self.size)
        os.fsync(self._descriptor)
        self._unsure = False

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
