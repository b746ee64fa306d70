"""Where the engine keeps its own things on a host, and the locks that all its processes there share."""

import fcntl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from cutover.agent.clock import FOREVER_S
from cutover.agent.durable import sha256_bytes, write_atomically

RULING_S = 30.0  # what is done under the lease's own lock takes moments; who still waits then has met something broken
SCHEMA = 1  # of everything below the state directory; a newer one is refused, not guessed at


class Place(NamedTuple):
    """The state directory of the engine on a host (default /var/lib/cutover)."""

    root: Path

    @property
    def lease(self) -> Path:
        """Who may change this host."""
        return self.root / "lease.json"

    @property
    def armed(self) -> Path:
        """The revert that this host does by itself unless it is confirmed."""
        return self.root / "armed.json"

    @property
    def incoming(self) -> Path:
        """Where uploads arrive; belongs to the user who logs in."""
        return self.root / "incoming"

    def sweep(self) -> None:
        """Remove what uploads left whose shell was killed (kill -9, a reboot): its number is in the name, and nobody has it any more."""
        for part in self.incoming.glob("*.part-*"):
            shell = part.name.rpartition("-")[2]
            if not (shell.isdecimal() and Path("/proc", shell).exists()):
                part.unlink(missing_ok=True)

    @property
    def runs(self) -> Path:
        """One directory a run: its plan for this host, results of batches, the record of a revert."""
        return self.root / "runs"

    def install(self) -> Path:
        """Put the running agent on disk, for units that outlive this connection; it is named by its digest."""
        content = Path(sys.argv[0]).read_bytes()
        path = self.root / "agent" / f"{sha256_bytes(content)}.pyz"
        if not path.exists():
            path.parent.mkdir(mode=0o755, exist_ok=True)
            write_atomically(path, content, mode=0o644)
        return path

    def run(self, run: str) -> Path:
        """The directory of one run."""
        return self.runs / run

    def make(self) -> None:
        """Make the state directory, and refuse one that a newer version has written."""
        self.root.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.runs.mkdir(mode=0o700, exist_ok=True)
        version = self.root / "schema"
        if not version.exists():
            version.write_text(f"{SCHEMA}\n")
        elif version.read_text().strip() != str(SCHEMA):
            raise Refusal(
                "schema", f"{version} says {version.read_text().strip()}, this version of the tool writes {SCHEMA}"
            )

    @contextmanager
    def working(self, patience_s: float = FOREVER_S) -> Iterator[None]:
        """Hold the host for one piece of work that changes it: a step, arming, the revert. It may take minutes.

        Refused as `busy` when another piece of work has not ended in time: who waited longer than its controller does would
        act when nobody expects it any more.
        """
        with self._holding("work.lock", patience_s):
            yield

    @contextmanager
    def ruling(self) -> Iterator[None]:
        """Hold the lease's own lock, for moments only: a renewal must not wait for a long step, or the lease would end in it.

        Who needs both takes `working` first.
        """
        with self._holding("lease.lock", RULING_S):
            yield

    @contextmanager
    def _holding(self, name: str, patience_s: float) -> Iterator[None]:
        self.root.mkdir(mode=0o755, parents=True, exist_ok=True)
        end = time.monotonic() + patience_s
        with (self.root / name).open("w") as file:
            while not _locked(file):
                if time.monotonic() >= end:
                    raise Refusal("busy", f"other work on this host has not ended after {patience_s:g} s")
                time.sleep(0.005)
            yield


def _locked(file: IO[str]) -> bool:
    """Take the lock of a file, if nobody has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Refusal(Exception):
    """The host says no: the message is for people, `reason` a word for programs: locked, fenced, busy, schema, spent, unsettled, usage."""

    def __init__(self, reason: str, message: str, **details: object) -> None:
        super().__init__(message)
        self.reason = reason
        self.details = details
