"""One line of the journal, and the chain that ties each to the one before."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

START = "0" * 64  # what the first record follows


@dataclass(frozen=True)
class Record:
    """What happened: sequence number, time (ISO 8601 UTC), kind, details; `hash` covers all of it and the previous hash."""

    seq: int
    at: str
    kind: str
    data: dict[str, Any] = field(default_factory=dict)
    prev: str = START
    hash: str = ""

    @classmethod
    def following(cls, before: "Record | None", at: str, kind: str, data: dict[str, Any]) -> "Record":
        """The record that comes after another one."""
        seq, prev = (before.seq + 1, before.hash) if before else (1, START)
        record = cls(seq, at, kind, data, prev)
        return replace(record, hash=record.digest())

    def digest(self) -> str:
        """SHA-256 over everything but the hash itself."""
        body = {"seq": self.seq, "at": self.at, "kind": self.kind, "data": self.data, "prev": self.prev}
        return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def line(self) -> str:
        """The record as one line of JSON."""
        return json.dumps(vars(self), separators=(",", ":")) + "\n"

    @property
    def host(self) -> str:
        """The host it is about; empty where it is about the run."""
        return str(self.data.get("host", ""))

    @property
    def phase(self) -> str:
        """The phase it is about; empty where it is about the run."""
        return str(self.data.get("phase", ""))


class BrokenChain(ValueError):
    """A record was changed, removed, added or moved; the message says where."""


def parse(lines: Iterable[str], source: str) -> Iterator[Record]:
    """Records of a journal in order, each checked against the one before.

    A line without its end is being written now, or a crash cut it off: it is left out, and so is what a writer adds while we read.
    """
    before: Record | None = None
    for number, text in enumerate(lines, start=1):
        if not text.endswith("\n"):
            return
        try:
            record = Record(**json.loads(text))
        except (ValueError, TypeError) as unreadable:
            raise BrokenChain(f"{source}:{number}: not a journal record: {unreadable}") from unreadable
        if record != Record.following(before, record.at, record.kind, record.data):
            found = f"record {record.seq} is not what followed record {before.seq if before else 0}"
            raise BrokenChain(f"{source}:{number}: the chain is broken: {found}")
        yield record
        before = record
