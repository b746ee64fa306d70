"""What the parts of a bundle say of each other: the journals record by record, the plan, the manifest."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from pydantic import ValidationError

from cutover.core.errors import Problem
from cutover.evidence.manifest import NAME, JournalHead, Manifest, moment
from cutover.journal.record import BrokenChain, Record, parse

JOURNAL, WATCH, PLAN = "journal.jsonl", "watch.jsonl", "plan.json"
LONGEST_LINE, MOST_RECORDS, MOST_CLAIMS = 32 << 20, 4_000_000, 100_000
SKEW = timedelta(minutes=5)
ALTERED = "altered, or from another run: compare it with the run's own directory and with what the hosts hold"


@dataclass(frozen=True)
class RecordClaim:
    """What a document says of another one, e.g. ("journal.jsonl", "record 1 (run.created)", "run", "20260102-abc")."""

    path: str
    by: str
    about: str
    value: Any
    host: str = ""  # which held a head


@dataclass
class Chain:
    """A journal as far as its chain holds: 32 bytes for each record, and what its records claim."""

    source: str
    seq: int = 0
    last_at: str = ""
    broken: str = ""
    hashes: bytearray = field(default_factory=bytearray)
    claims: list[RecordClaim] = field(default_factory=list)

    def hash_of(self, seq: int) -> str:
        """The hash of one record; empty where there is none."""
        return self.hashes[(seq - 1) * 32 : seq * 32].hex() if 1 <= seq <= self.seq else ""

    def lacks(self, head: JournalHead) -> str:
        """What it lacks of a head that it had; empty: nothing."""
        for seq, expected in ((1, head.journal), (head.seq, head.hash)):
            if (found := self.hash_of(seq)) != expected:
                what = f"record {seq} has the hash {found[:12]}" if found else f"it ends at record {self.seq}"
                return f"{what}; expected record {seq} with {expected[:12]}"
        return ""


def is_journal(path: str) -> bool:
    """Whether a file of a run is a chained journal. One that a rollback set aside may be broken: that is what was found."""
    return path in (JOURNAL, WATCH) or (path.startswith("journal-") and path.endswith(".jsonl"))


def follow(stream: BinaryIO, source: str) -> Chain:
    """Read a journal to its end, or to where its chain breaks."""
    chain = Chain(source)
    try:
        for record in parse(_lines(stream), source):
            if not _is_sound(record.data, record.at):
                raise BrokenChain(f"{source}:{record.seq}: not a journal record")
            chain.seq, chain.last_at = record.seq, record.at
            chain.hashes += bytes.fromhex(record.hash)
            chain.claims += _claims(record, source)
            if chain.seq > MOST_RECORDS or len(chain.claims) > MOST_CLAIMS:
                raise BrokenChain(f"{source}:{record.seq}: longer than any journal of a run")
    except RecursionError:
        chain.broken = f"{source}:{chain.seq + 1}: not a journal record: nested too deeply"
    except ValueError as broken:  # BrokenChain, and what is not text
        chain.broken = str(broken)
    return chain


def _is_sound(data: object, at: object) -> bool:
    """Whether a record has what every record has; its chain says nothing of that."""
    return isinstance(data, dict) and isinstance(at, str)


def _lines(stream: BinaryIO) -> Iterator[str]:
    while line := stream.readline(LONGEST_LINE):
        if not line.endswith(b"\n"):
            raise ValueError(f"a line is cut off, or longer than {LONGEST_LINE} bytes")
        yield line.decode()


def _claims(record: Record, path: str) -> Iterator[RecordClaim]:
    data, by = record.data, f"record {record.seq} ({record.kind})"
    if record.kind in ("run.created", "watch.started"):
        named = ("run", "environment", "service") if record.kind == "run.created" else ("run", "environment")
        yield from (RecordClaim(path, by, about, data.get(about)) for about in named)
    if record.kind in ("plan.made", "approved", "run.started") and "fingerprint" in data:
        yield RecordClaim(path, by, "fingerprint", data["fingerprint"])
    if data.get("head") is not None:  # a watch that began where no journal of the run was names none
        yield RecordClaim(path, by, "head", data["head"])
    for host, heads in _items(data.get("heads")):
        yield from (RecordClaim(path, by, "head", one, host) for one in (heads if isinstance(heads, list) else [heads]))
    yield from (RecordClaim(path, by, f"file {name}", digest) for name, digest in _items(data.get("evidence")))


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, Mapping) else []


def read_plan(content: bytes) -> dict[str, str]:
    """The digest over a plan's content, and the fingerprint, run, environment and service that it says; ValueError where it is not one.

    No model of it: a bundle outlives the version that wrote its plan.
    """
    try:
        document = json.loads(content)
        fingerprint = document.pop("fingerprint")
        digest = hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
        about = {"run": document["run"], "environment": document["environment"], "service": document["service"]["name"]}
    except (KeyError, TypeError, AttributeError, RecursionError) as unusable:
        raise ValueError(f"not a plan: {type(unusable).__name__}: {unusable}") from unusable
    return {"digest": digest, "fingerprint": str(fingerprint), **{key: str(value) for key, value in about.items()}}


def contradictions(
    manifest: Manifest, chains: Mapping[str, Chain], plan: Mapping[str, str], now: datetime
) -> Iterator[Problem]:
    """Everything in which the parts of a bundle contradict each other."""
    facts: dict[str, str | None] = {f"file {file.path}": file.sha256 for file in manifest.files}
    facts |= {"run": manifest.run, "environment": manifest.environment, "service": manifest.service}
    facts["fingerprint"] = plan.get("digest")
    claims = [RecordClaim(NAME, "the manifest", "fingerprint", manifest.fingerprint)]
    claims += [RecordClaim(PLAN, "the plan", about, value) for about, value in plan.items() if about != "digest"]
    for path in (JOURNAL, WATCH):
        if chain := chains.get(path):
            yield from _journal(chain, manifest.heads.get(path))
            claims += chain.claims
        elif path == JOURNAL or path in manifest.heads:
            yield Problem("missing from the bundle", ALTERED, path=path)
    for claim in claims:
        if claim.about == "head":
            yield from _head(claim, chains)
        elif claim.value != (fact := facts.get(claim.about)):
            found = f"{claim.by} names {claim.about} {str(claim.value)[:80]}; the bundle has {fact or 'none'}"
            yield Problem(found, ALTERED, path=claim.path)
    yield from _times(manifest, chains, now)


def _journal(chain: Chain, head: JournalHead | None) -> Iterator[Problem]:
    """A journal must hold from its first record to its head in the manifest, and say which run it is of."""
    if chain.broken:
        yield Problem(chain.broken, ALTERED, path=chain.source)
    elif head is None or chain.seq > head.seq:
        expected = f"{head.seq} records" if head else "no such journal"
        yield Problem(f"it has {chain.seq} records; expected {expected} by the manifest", ALTERED, path=chain.source)
    elif lacking := chain.lacks(head):
        yield Problem(f"{lacking} by the manifest", ALTERED, path=chain.source)
    elif not any(claim.about == "run" for claim in chain.claims):
        yield Problem("no record says which run it is of", ALTERED, path=chain.source)


def _head(claim: RecordClaim, chains: Mapping[str, Chain]) -> Iterator[Problem]:
    """A journal that a record names must be here and have that head. A host may also know journals of other machines."""
    try:
        head = JournalHead.model_validate(claim.value)
    except ValidationError:
        yield Problem(f"{claim.by} names a head that is not valid", ALTERED, path=claim.path)
        return
    chain = next((chain for chain in chains.values() if chain.hash_of(1) == head.journal), None)
    if chain is None and not claim.host:
        found = f"{claim.by} names journal {head.journal[:12]}, which is missing from the bundle"
        yield Problem(found, ALTERED, path=claim.path)
    elif chain is not None and (lacking := chain.lacks(head)):
        by = f"{claim.by} of {claim.path}" + (f", from host {claim.host}" if claim.host else "")
        yield Problem(f"{lacking} by {by}", ALTERED, path=chain.source)


def _times(manifest: Manifest, chains: Mapping[str, Chain], now: datetime) -> Iterator[Problem]:
    """A bundle is made after what it holds, and before it is read: by its time the signer is judged."""
    made = moment(manifest.made_at) or now
    if made > now + SKEW:
        yield Problem(f"made at {manifest.made_at}, in the future", "compare the clocks of both machines", path=NAME)
    for path in (JOURNAL, WATCH):
        last = moment(chains[path].last_at) if path in chains else None
        if last is not None and last > made + SKEW:
            found = f"made at {manifest.made_at}, before the last record of {path} ({chains[path].last_at})"
            yield Problem(found, ALTERED, path=NAME)
