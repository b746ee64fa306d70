"""What a journal in a bundle says of itself and of what is beside it, found in one reading and in little memory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cutover.journal.record import BrokenChain, Record, parse

MOST_RECORDS = 4_000_000  # 128 MB of hashes; a longer journal is larger than any member of a bundle can be
MOST_FACTS = 100_000
ABOUT_THE_RUN = ("run.created", "watch.started")
OF_THE_PLAN = ("plan.made", "approved", "run.started")


@dataclass(frozen=True)
class Named:
    """A claim of one record about something else: a head of a journal, or a file with its digest."""

    seq: int
    kind: str
    what: Any
    host: str = ""


@dataclass
class Chain:
    """A journal as far as its chain holds, and the claims of its records."""

    source: str
    seq: int = 0
    last_at: str = ""
    hashes: bytearray = field(default_factory=bytearray)
    broken: str = ""
    abouts: list[Named] = field(default_factory=list)  # which run, which environment
    fingerprints: list[Named] = field(default_factory=list)
    heads: list[Named] = field(default_factory=list)
    files: list[Named] = field(default_factory=list)

    @property
    def first(self) -> str:
        """Which journal it is: its first hash."""
        return self.hash_of(1)

    @property
    def last(self) -> str:
        """The hash of its last record."""
        return self.hash_of(self.seq)

    def hash_of(self, seq: int) -> str:
        """The hash of one record; empty where there is none."""
        return self.hashes[(seq - 1) * 32 : seq * 32].hex() if 1 <= seq <= self.seq else ""


def follow(lines: Iterable[str], source: str) -> Chain:
    """Read a journal to its end, or to where its chain breaks."""
    chain = Chain(source)
    try:
        for record in parse(lines, source):
            if not _is_sound(record.data, record.at):
                raise BrokenChain(f"{source}:{record.seq}: not a journal record")
            if record.seq > MOST_RECORDS or _claims(chain) > MOST_FACTS:
                raise BrokenChain(f"{source}:{record.seq}: longer than any journal of a run")
            _take(chain, record)
    except RecursionError:
        chain.broken = f"{source}:{chain.seq + 1}: not a journal record: nested without end"
    except ValueError as broken:  # BrokenChain, and what is no text or too long for a line
        chain.broken = str(broken)
    return chain


def _is_sound(data: object, at: object) -> bool:
    """Whether a record has what every record has; its chain says nothing of that."""
    return isinstance(data, dict) and isinstance(at, str)


def _claims(chain: Chain) -> int:
    return len(chain.abouts) + len(chain.fingerprints) + len(chain.heads) + len(chain.files)


def _take(chain: Chain, record: Record) -> None:
    chain.seq, chain.last_at = record.seq, record.at
    chain.hashes += bytes.fromhex(record.hash)
    data, kind = record.data, str(record.kind)
    if kind in ABOUT_THE_RUN:
        chain.abouts.append(Named(record.seq, kind, {key: data.get(key) for key in ("run", "environment")}))
    if kind in OF_THE_PLAN and "fingerprint" in data:
        chain.fingerprints.append(Named(record.seq, kind, data["fingerprint"]))
    if data.get("head") is not None:  # a watch that began where no journal of the run was names none
        chain.heads.append(Named(record.seq, kind, data["head"]))
    for host, heads in _mapping(data.get("heads")):
        several = heads if isinstance(heads, list) else [heads]
        chain.heads += [Named(record.seq, kind, head, host=str(host)) for head in several]
    chain.files += [Named(record.seq, kind, one) for one in _mapping(data.get("evidence"))]


def _mapping(value: Any) -> list[tuple[Any, Any]]:
    return list(value.items()) if isinstance(value, Mapping) else []
