"""Work on pieces of a tape by several threads, a few pieces ahead, with the answers in the order of the pieces."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar

MOST_THREADS = 4
THREADS = min(len(os.sched_getaffinity(0)), MOST_THREADS)
_AHEAD = 2  # pieces that wait beyond those in work: enough to keep all busy, few enough to be held

Piece = TypeVar("Piece")
Answer = TypeVar("Answer")


def in_order(work: Callable[[Piece], Answer], pieces: Iterable[Piece]) -> Iterator[Answer]:
    """`work` on each piece; numpy and pyarrow let the threads run side by side. One piece alone needs no thread."""
    stream = iter(pieces)
    head = list(islice(stream, 2))
    if len(head) < 2 or THREADS < 2:
        yield from map(work, chain(head, stream))
        return
    with ThreadPoolExecutor(THREADS, thread_name_prefix="tape") as pool:
        under_way: deque[Future[Answer]] = deque()
        try:
            for piece in chain(head, stream):
                under_way.append(pool.submit(work, piece))
                if len(under_way) > THREADS + _AHEAD:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for waiting in under_way:
                waiting.cancel()
