"""The directory in which the engine keeps its own state on a host, and the locks that all its processes there share."""

from __future__ import annotations

import fcntl
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from cutover.agent.clock import FOREVER_S, LEASE_LOCK_S, LOCK_POLL_S
from cutover.agent.durable import read_json, sha256_bytes, write_atomically, write_json
from cutover.agent.paths import require_ours

RUN_ID = r"[A-Za-z0-9][A-Za-z0-9-]{0,63}"  # of a run: the name of a directory, here and on the controller
KNOWN_RUNS = 100  # of a host, the newest: what is older lies on its disk, and nobody goes on with it
SCHEMA = 1  # of everything below the state directory; a newer one is refused, not guessed at


class StateDir(NamedTuple):
    """The state directory of a service on a host (default /var/lib/cutover/<service>)."""

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

    @property
    def runs(self) -> Path:
        """One directory a run: its plan for this host, results of batches, the record of a revert."""
        return self.root / "runs"

    def run(self, run: str) -> Path:
        """The directory of one run."""
        return self.runs / run

    def refuse_shared(self) -> None:
        """Nothing in a directory that others than root can write or replace is believed: it says what root does here."""
        try:
            require_ours(self.root)
        except PermissionError as shared:
            raise Refusal("shared", f"{shared.filename}: {shared.strerror}") from shared

    def create(self) -> None:
        """Create the directory, and refuse one that a newer version has written."""
        self.root.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.runs.mkdir(mode=0o700, exist_ok=True)
        version = self.root / "schema"
        if not version.exists():
            version.write_text(f"{SCHEMA}\n")
        elif (found := version.read_text().strip()) != str(SCHEMA):
            raise Refusal("schema", f"{version} says {found}, this version of the tool writes {SCHEMA}")

    def install(self) -> Path:
        """Put the running agent on disk, for units that outlive this connection; it is named by its digest."""
        content = Path(sys.argv[0]).read_bytes()
        path = self.root / "agent" / f"{sha256_bytes(content)}.pyz"
        if not path.exists():
            path.parent.mkdir(mode=0o755, exist_ok=True)
            write_atomically(path, content, mode=0o644)
        return path

    def remove_partial_uploads(self) -> None:
        """Remove what uploads left whose shell was killed (kill -9, a reboot): its process id, in the name, is gone."""
        for part in self.incoming.glob("*.part-*"):
            shell = part.name.rpartition("-")[2]
            if not (shell.isdecimal() and Path("/proc", shell).exists()):
                part.unlink(missing_ok=True)

    def host_lock(self, patience_s: float = FOREVER_S) -> AbstractContextManager[None]:
        """Hold the host for one piece of work that changes it: a step, arming, the revert. It may take minutes.

        Refused as `busy` when another piece of work has not ended in time: who waited longer than its controller does would
        act when nobody expects it any more.
        """
        return self._locked("work.lock", patience_s)

    def lease_lock(self) -> AbstractContextManager[None]:
        """Hold the lease's own lock, for moments only: a renewal must not wait for a long step, or the lease would end in it.

        Who needs both takes `host_lock` first.
        """
        return self._locked("lease.lock", LEASE_LOCK_S)

    @contextmanager
    def _locked(self, name: str, patience_s: float) -> Iterator[None]:
        self.root.mkdir(mode=0o755, parents=True, exist_ok=True)
        end = time.monotonic() + patience_s
        with (self.root / name).open("w") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= end:
                        raise Refusal("busy", f"other work on this host has not ended after {patience_s:g} s") from None
                time.sleep(LOCK_POLL_S)
            yield


class Refusal(Exception):
    """The host refuses: the message is for people, `reason` a word for programs.

    It is one of: locked, fenced, busy, schema, shared, spent, unsettled, usage.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


# How far the journals of a run had come, as their controllers sent it: a journal that lost its end is found out by this.

HEADS = "journal-heads.json"


def note_head(folder: Path, head: Mapping[str, Any] | None) -> None:
    """Keep the newest head (journal, seq, hash) of each journal of the run in `folder`; one older than what is known changes nothing."""
    if head is None:
        return
    known = {one["journal"]: one for one in journal_heads(folder)}
    if known.get(head["journal"], {"seq": -1})["seq"] < head["seq"]:
        write_json(folder / HEADS, [*(known | {head["journal"]: dict(head)}).values()])


def journal_heads(folder: Path) -> list[dict[str, Any]]:
    """The heads that are known of a run: one for each machine that wrote a journal of it."""
    heads: list[dict[str, Any]] = read_json(folder / HEADS) or []
    return heads


def revert_unit(state_dir: Path | str) -> str:
    """Name of the units that revert this host: each state directory has its own, so that two services can be armed on one host."""
    parts = (part.replace("-", "--") for part in Path(state_dir).parts[1:])
    escaped = (re.sub(r"[^\w.-]", lambda odd: f"_{ord(odd[0]):x}_", part, flags=re.ASCII) for part in parts)
    return "-".join(("cutover-revert", *escaped))
