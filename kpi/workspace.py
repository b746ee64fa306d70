"""Memory for blocks of amounts: large ones are kept by their thread and used again, since fresh memory costs more than the sums."""

import threading

import numpy as np
from numpy.typing import NDArray

SMALL = 1 << 20  # numbers; the allocator has room for fewer at hand


class _Kept(threading.local):
    """What this thread has kept, by purpose."""

    def __init__(self) -> None:
        self.buffers: dict[str, NDArray[np.float64]] = {}


_KEPT = _Kept()


def matrix(purpose: str, columns: int, rows: int) -> NDArray[np.float64]:
    """A matrix of any content, until this thread asks for the next one of the same purpose."""
    size = columns * rows
    if size < SMALL:
        return np.empty((columns, rows))
    kept = _KEPT.buffers.get(purpose)
    if kept is None or kept.size < size:
        kept = _KEPT.buffers[purpose] = np.empty(size)
    return kept[:size].reshape(columns, rows)
