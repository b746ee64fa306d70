"""Whether manifest, journals and plan of a bundle are of one run and agree with each other; everything that is not so, at once."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from cutover.core.errors import Problem
from cutover.evidence.chains import Chain, Named
from cutover.evidence.manifest import NAME, Head, Manifest

JOURNAL, WATCH, PLAN = "journal.jsonl", "watch.jsonl", "plan.json"
SET_ASIDE = "journal-set-aside-"  # a journal that a rollback did not trust: kept as it was, so its chain may be broken
SKEW = timedelta(minutes=5)
ALTERED = "it was altered after it was written: compare it with the run's own directory, and with what the hosts hold"
FOREIGN = "it belongs to another run, or was put together by hand: have the bundle made anew from the run's directory"


@dataclass(frozen=True)
class PlanRead:
    """What a plan.json says: the digest over its content, and what it says that it is."""

    digest: str
    fingerprint: str
    run: str
    environment: str


def read_plan(content: bytes) -> PlanRead:
    """A plan for comparing; ValueError where it is none. No model of it: a bundle outlives the version that wrote its plan."""
    try:
        document = json.loads(content)
        fingerprint = document.pop("fingerprint")
        body = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
        return PlanRead(
            hashlib.sha256(body).hexdigest(), str(fingerprint), str(document["run"]), str(document["environment"])
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as unusable:
        raise ValueError(f"not a plan: {type(unusable).__name__}: {unusable}") from unusable


def judge(manifest: Manifest, chains: Mapping[str, Chain], plan: PlanRead | None, now: datetime) -> list[Problem]:
    """Everything in which the parts of a bundle contradict each other."""
    return [
        *_journals(manifest, chains),
        *(problem for chain in chains.values() for problem in _claims(manifest, chain, chains)),
        *_plan(manifest, chains, plan),
        *_times(manifest, chains, now),
    ]


def is_journal(path: str) -> bool:
    """Whether a file of a run is a chained journal."""
    return path in (JOURNAL, WATCH) or (path.startswith(SET_ASIDE) and path.endswith(".jsonl"))


def must_hold(path: str) -> bool:
    """Whether a broken chain is an alteration; of a journal that was set aside it is what was found in the run."""
    return path in (JOURNAL, WATCH)


def _journals(manifest: Manifest, chains: Mapping[str, Chain]) -> Iterator[Problem]:
    held = {path for path in chains if must_hold(path)}
    if JOURNAL not in held:
        yield Problem("there is no journal of the run in it", ALTERED, path=JOURNAL)
    if held != set(manifest.heads):
        said, have = ", ".join(sorted(manifest.heads)) or "none", ", ".join(sorted(held)) or "none"
        yield Problem(f"it names heads of the journals {said}; the bundle has {have}", ALTERED, path=NAME)
    for path in sorted(held):
        chain, head = chains[path], manifest.heads.get(path)
        if chain.broken:
            yield Problem(chain.broken, ALTERED, path=path)
        elif head is not None and (found := _lacks(chain, head)):
            yield Problem(f"{found}, by the manifest", ALTERED, path=path)
        elif head is not None and chain.seq != head.seq:
            found = f"it goes on to record {chain.seq} after record {head.seq}, which was its end by the manifest"
            yield Problem(found, ALTERED, path=path)


def _lacks(chain: Chain, head: Head) -> str:
    """What a journal lacks of a head that it had; empty: nothing."""
    if chain.first != head.journal:
        return f"it is another journal ({chain.first[:12] or 'empty'}, not {head.journal[:12]})"
    if chain.seq < head.seq:
        return f"its end was cut off: it has {chain.seq} records, and had come to record {head.seq}"
    if chain.hash_of(head.seq) != head.hash:
        return f"record {head.seq} is not the one that it had (its hash is {chain.hash_of(head.seq)[:12]}, not {head.hash[:12]})"
    return ""


def _claims(manifest: Manifest, chain: Chain, chains: Mapping[str, Chain]) -> Iterator[Problem]:
    """What the records of one journal say of the run, of the other journals, of the files beside them."""
    if not must_hold(chain.source):
        return
    if not chain.abouts and not chain.broken:
        yield Problem("no record of it says which run it is of", FOREIGN, path=chain.source)
    for about in chain.abouts:
        for key, meant in (("run", manifest.run), ("environment", manifest.environment)):
            if about.what[key] != meant:
                found = f"{_record(about)} is about {key} {about.what[key]}, the manifest about {key} {meant}"
                yield Problem(found, FOREIGN, path=chain.source)
    for named in chain.heads:
        yield from _head(named, chain.source, chains)
    digests = {entry.path: entry.sha256 for entry in manifest.files}
    for named in chain.files:
        path, digest = named.what
        if path not in digests:
            yield Problem(
                f"it is not in the bundle, and {_record(named)} of {chain.source} names it", ALTERED, path=path
            )
        elif digests[path] != digest:
            found = f"it is not the file that {_record(named)} of {chain.source} names by its digest"
            yield Problem(found, ALTERED, path=path)


def _head(named: Named, source: str, chains: Mapping[str, Chain]) -> Iterator[Problem]:
    """A head that a record names: of a journal in the bundle, which must have it. A host may also know of other machines' journals."""
    try:
        head = Head.model_validate(named.what)
    except ValidationError:
        yield Problem(f"{_record(named)} names a head that is none", ALTERED, path=source)
        return
    who = (
        f"host {named.host} had told at {_record(named)} of {source}" if named.host else f"{_record(named)} of {source}"
    )
    its = next((chain for chain in chains.values() if chain.first == head.journal), None)
    if its is None and not named.host:
        yield Problem(
            f"{_record(named)} names journal {head.journal[:12]}, which is not in the bundle", FOREIGN, path=source
        )
    elif its is not None and (found := _lacks(its, head)):
        yield Problem(f"{found}, by what {who}", ALTERED, path=its.source)


def _plan(manifest: Manifest, chains: Mapping[str, Chain], plan: PlanRead | None) -> Iterator[Problem]:
    said = [
        (chain.source, named) for chain in chains.values() if must_hold(chain.source) for named in chain.fingerprints
    ]
    if plan is None:
        if said or manifest.fingerprint is not None:
            yield Problem("it is not in the bundle, or not readable, and the run had a plan", ALTERED, path=PLAN)
        return
    yield from _differing("its own line", plan.fingerprint, plan.digest)
    yield from _differing(NAME, str(manifest.fingerprint), plan.digest)
    for source, named in said:
        yield from _differing(f"{_record(named)} of {source}", str(named.what), plan.digest)
    for key, own, meant in (("run", plan.run, manifest.run), ("environment", plan.environment, manifest.environment)):
        if own != meant:
            yield Problem(f"it is of {key} {own}, the manifest of {key} {meant}", FOREIGN, path=PLAN)


def _differing(by: str, said: str, found: str) -> Iterable[Problem]:
    if said != found:
        yield Problem(f"its fingerprint is {found[:12]}, and {said[:12]} by {by}", ALTERED, path=PLAN)


def _times(manifest: Manifest, chains: Mapping[str, Chain], now: datetime) -> Iterator[Problem]:
    """A bundle is made after what it holds, and before it is read: by its time the signer is judged."""
    made = moment(manifest.made_at)
    if made is None:
        yield Problem(f"it was made at {manifest.made_at!a}, which is no time in UTC", ALTERED, path=NAME)
        return
    if made > now + SKEW:
        next_ = "see the clocks of both machines; a bundle from the future proves nothing"
        yield Problem(f"it says that it was made at {manifest.made_at}, which is still to come", next_, path=NAME)
    for chain in chains.values():
        last = moment(chain.last_at)
        if must_hold(chain.source) and last is not None and last > made + SKEW:
            found = f"it was made at {manifest.made_at}, before the last record ({chain.last_at}) of {chain.source}"
            yield Problem(found, ALTERED, path=NAME)


def moment(at: str) -> datetime | None:
    """A time of a journal or manifest; None where it is none, or none in UTC."""
    try:
        found = datetime.fromisoformat(at)
    except ValueError:
        return None
    return found if found.utcoffset() == timedelta(0) else None


def _record(named: Named | Any) -> str:
    return f"record {named.seq} ({named.kind})"
