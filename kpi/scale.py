"""One tape on a Dask cluster: cut into pieces, counted by its workers, merged here; the same KPIs to the last digit.

Needs `pip install .[scale]`. Each worker must see the tape under the same path and run this same code; both are held
against ours, piece by piece. A piece of a worker that dies is counted again by another. What cannot be cut (gzip,
quoted fields) is read as a whole by one worker.
"""

from asyncio import CancelledError  # of a scheduler that is gone; not an Exception
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from kpi.engine import Evaluation, evaluate
from kpi.findings import Finding, KpiError, RefusedTapeError, UsageError
from kpi.reading import STRICT, combine, read_tape
from kpi.release import code_digest
from kpi.tape import Tape
from kpi.tapes.batch import TapePart
from kpi.tapes.pieces import PIECE_BYTES, Piece, UnsplittableError, split, tally_piece
from kpi.tapes.rules import InputRules

CONNECT_SECONDS = 10.0
PATIENCE_SECONDS = 30.0  # for a worker, where none is there
_AHEAD = 2  # pieces handed out per thread of the cluster, so that none waits for us and few results wait in memory


class ClusterError(KpiError):
    """The cluster could not do it; says nothing about the tape."""


@dataclass(frozen=True)
class TapeMark:
    """The tape as it was when it was cut, and the code that cut it; every worker must find the same."""

    path: Path
    size: int
    changed_ns: int
    code: str

    @classmethod
    def of(cls, path: Path) -> "TapeMark":
        """As it is here and now."""
        try:
            stat = path.stat()
        except OSError as error:
            found = f"cannot be read: {error.strerror}"
            raise UsageError(Finding("unreadable", str(path), found, "give the path of a tape")) from error
        return cls(path, stat.st_size, stat.st_mtime_ns, code_digest())

    def require(self) -> None:
        """Refuse to count another tape, or by other code."""
        try:
            here = TapeMark.of(self.path)
        except UsageError as error:
            raise _failed(f"a worker says: {error.findings[0]}", "share the tape under one path") from error
        if here.code != self.code:
            found = f"a worker runs code {here.code[:16]}, and this is {self.code[:16]}"
            raise ClusterError(Finding("other_code", "cluster", found, "install the same release on every worker"))
        if here != self:
            step = "have all machines see one file there, whole before it is read, and read it again"
            raise RefusedTapeError(Finding("content_changed", self.path.name, "it is not what was cut", step))


def evaluate_on(
    path: Path, cluster: Any, policy: str = "fail", rules: InputRules = STRICT, piece_bytes: int = PIECE_BYTES
) -> Evaluation:
    """As `kpi.engine.evaluate`, by the workers of a cluster: the address of its scheduler, or a `distributed.Client`."""
    with _client(cluster) as client:
        tape = read_tape_on(client, path.absolute(), rules, piece_bytes)
    return evaluate(tape.apply_policy(policy))


def read_tape_on(client: Any, path: Path, rules: InputRules = STRICT, piece_bytes: int = PIECE_BYTES) -> Tape:
    """As `kpi.reading.read_tape`."""
    seen = TapeMark.of(path)
    try:
        tape = combine(path, path.name, parts_on(client, seen, split(path, rules, piece_bytes)), rules)
    except UnsplittableError:
        tape = _result(client, client.submit(_read_whole, seen, rules, pure=False))
    seen.require()  # a change behind a piece that was counted already
    return tape


def parts_on(client: Any, seen: TapeMark, pieces: list[Piece]) -> Iterator[TapePart]:
    """What each piece comes to, in order; a few pieces a thread are under way at a time, so that memory stays flat."""
    todo = iter(pieces)
    under_way = deque(_submitted(client, seen, islice(todo, _AHEAD)))
    while under_way:
        wanted = _AHEAD * max(_threads(client), 1)
        under_way.extend(_submitted(client, seen, islice(todo, max(wanted - len(under_way), 0))))
        yield _result(client, under_way.popleft())


def _submitted(client: Any, seen: TapeMark, pieces: Iterator[Piece]) -> list[Any]:
    return [client.submit(_count, seen, piece, pure=False) for piece in pieces]


def _count(seen: TapeMark, piece: Piece) -> TapePart:
    """On a worker."""
    seen.require()
    return tally_piece(piece)


def _read_whole(seen: TapeMark, rules: InputRules) -> Tape:
    """On a worker."""
    seen.require()
    return read_tape(seen.path, rules=rules)


def _result(client: Any, future: Any) -> Any:
    """What came out of it; while it takes long, somebody must be there to work on it."""
    while True:
        try:
            return future.result(timeout=PATIENCE_SECONDS)
        except KpiError:
            raise
        except (Exception, CancelledError) as error:
            if not isinstance(error, TimeoutError) or future.status == "error":
                raise _lost(error) from error
            if not future.done() and not _threads(client):
                raise _failed(f"no worker for {PATIENCE_SECONDS:g} s", "start workers, then try again") from error


def _threads(client: Any) -> int:
    """How many pieces the cluster works on at once."""
    try:
        return sum(client.nthreads().values())
    except (Exception, CancelledError) as error:
        raise _lost(error) from error


@contextmanager
def _client(cluster: Any) -> Iterator[Any]:
    try:
        from distributed import Client
    except ImportError as error:
        step = "pip install '.[scale]', or compute without a cluster"
        raise UsageError(Finding("no_dask", "--cluster", f"Dask is not installed: {error}", step)) from error
    with nullcontext(cluster) if isinstance(cluster, Client) else _connected(Client, cluster) as client:
        yield client


def _connected(make: Callable[..., Any], address: str) -> Any:
    try:
        return make(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        step = "give the address of a running scheduler, such as tcp://127.0.0.1:8786"
        raise UsageError(Finding("no_cluster", address, f"no scheduler answers: {error}", step)) from error


def _lost(error: BaseException) -> ClusterError:
    return _failed(f"{type(error).__name__}: {error}", "inspect the logs of scheduler and workers, then try again")


def _failed(found: str, step: str) -> ClusterError:
    return ClusterError(Finding("cluster", "cluster", found, step))
