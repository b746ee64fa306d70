"""Loan ids of a block as 64-bit keys, worked out for all rows at once: equal ids on equal dates have equal keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
_WORD = 8
_MIX = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_KEPT = np.array(
    [(1 << (8 * size)) - 1 for size in range(_WORD + 1)], dtype=np.uint64
)  # of a word's bytes, the first n


@dataclass(frozen=True)
class LoanIds:
    """Ids end to end in one buffer: id `i` is `text[starts[i] : starts[i + 1]]`."""

    text: bytes
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, ids: Sequence[str]) -> "LoanIds":
        """These ids."""
        encoded = [one.encode() for one in ids]
        starts = np.fromiter(accumulate(map(len, encoded), initial=0), dtype=np.int64, count=len(encoded) + 1)
        return cls(b"".join(encoded), starts)

    def __getitem__(self, at: int) -> str:
        return self.text[self.starts[at] : self.starts[at + 1]].decode()

    def keys(self, days: NDArray[np.int32]) -> tuple[Keys, NDArray[np.bool_]]:
        """The key of each row, and which rows have an id at all."""
        begin, length = self.starts[:-1], np.diff(self.starts)
        words = np.ndarray((len(self.text) + 1,), "<u8", self.text + bytes(_WORD), strides=(1,))
        keys = days.astype(np.uint64) * _MIX + length.astype(np.uint64)
        for offset in range(0, int(length.max(initial=0)), _WORD):
            left = np.clip(length - offset, 0, _WORD)
            word = words[np.minimum(begin + offset, len(self.text))] & _KEPT[left]
            mixed = _stirred(keys ^ word)
            keys = mixed if offset == 0 else np.where(left > 0, mixed, keys)
        return _stirred(keys), length > 0


def _stirred(keys: Keys) -> Keys:
    keys = (keys ^ (keys >> np.uint64(30))) * _FIRST
    keys = (keys ^ (keys >> np.uint64(27))) * _SECOND
    return keys ^ (keys >> np.uint64(31))
