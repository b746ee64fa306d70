"""Every alteration of a bundle is found. What is altered, and where, is enumerated from the bundle itself, never picked by hand."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from tarfile import BLOCKSIZE, GNU_FORMAT, PAX_FORMAT, USTAR_FORMAT, TarInfo

import pytest

from cutover.evidence.manifest import NAME, SIGNATURE
from cutover.journal import signing
from cutover.journal.signing import EVIDENCE, choose, sign
from tests.evidence import bundles
from tests.evidence.bundles import Ground, Members, Mutant, members, records, signed, together, with_file

# Where the fields of a tar header begin: name, mode, uid, gid, size, mtime, checksum, type, linkname, magic, version, uname, gname,
# devmajor, devminor, prefix, the rest.
FIELDS = (0, 100, 108, 116, 124, 136, 148, 156, 157, 257, 263, 265, 297, 329, 337, 345, 500, BLOCKSIZE)
JUNIT = "evidence/checks-1-preflight.xml"
ELSEWHERE = ("/etc/passwd", "../../x", "a/../../x", "./x", "a//b", "C:\\x", "é", "...", "a/", "x\n", "a/" + "b" * 300)  # fmt: skip


@dataclass(frozen=True)
class Bundle:
    """A good bundle, taken apart, and the parts of another run's."""

    ground: Ground
    whole: bytes
    parts: Members
    others: Members


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    ground = bundles.make_ground(tmp_path_factory.mktemp("bundles"))
    whole = ground.bundle(ground.run)
    return Bundle(ground, whole, members(whole), members(ground.bundle(ground.other)))


def regions(bundle: Bundle) -> Iterator[tuple[int, int]]:
    """Every region of a tar: each field of each header, each content, each padding, the end."""
    at = 0
    for _, content in bundle.parts:
        edges = (*(at + field for field in FIELDS), at + BLOCKSIZE + len(content))
        at = edges[-1] + -len(content) % BLOCKSIZE
        yield from pairwise((*edges, at))
    yield at, len(bundle.whole)


def bits(bundle: Bundle) -> Iterator[Mutant]:
    """A bit in each region, and all along the signature."""
    whole, signature = bundle.whole, dict(bundle.parts)[SIGNATURE]
    at = whole.index(signature)
    places = {*range(0, at, 40), *range(at, at + len(signature), 7)}
    places |= {at for start, end in regions(bundle) if end > start for at in (start, (start + end) // 2, end - 1)}
    for at in sorted(places):
        yield f"byte {at}", whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]


def ends(bundle: Bundle) -> Iterator[Mutant]:
    """Cut off at each block and beside it; something before the end and behind it."""
    whole, end = bundle.whole, list(regions(bundle))[-1][0]
    for at in range(0, len(whole), BLOCKSIZE):
        yield from ((f"{cut} bytes", whole[:cut]) for cut in (at - 1, at, at + 1) if cut >= 0)
    for more in (b"\0", bytes(BLOCKSIZE), bytes(10240), b"x", whole):
        yield f"{len(more)} bytes after the end", whole + more
        yield f"{len(more)} bytes before the end", whole[:end] + more.ljust(BLOCKSIZE, b"\0") + whole[end:]


def lists_of_members(bundle: Bundle) -> Iterator[Mutant]:
    """Each member deleted, doubled, moved, renamed, cut, lengthened, swapped; a foreign one before each."""
    parts, others = bundle.parts, bundle.others
    for number, (name, content) in enumerate(parts):
        before, after = parts[:number], parts[number + 1 :]
        rest = [*before, *after]
        yield f"{name} deleted", together(rest)
        for place in range(len(parts) + 1):
            yield f"{name} doubled at {place}", together([*parts[:place], (name, content), *parts[place:]])
            if place not in (number, len(parts)):
                yield f"{name} moved to {place}", together([*rest[:place], (name, content), *rest[place:]])
        yield f"{name} renamed", together([*before, (f"{name}x", content), *after])
        yield f"something before {name}", together([*before, ("aaa.txt", b"x"), (name, content), *after])
        foreign = [("empty", b""), ("cut", content[:-1]), ("lengthened", content + b"\n"), *parts, *others]
        yield from (
            (f"{name} is {other}", together(with_file(parts, name, one))) for other, one in foreign if one != content
        )
        if dict(others)[name] != content:
            yield f"all but {name} of another run", together(with_file(others, name, content))


def headers(bundle: Bundle) -> Iterator[Mutant]:
    """Links, devices, extended headers, and names that lead elsewhere, as other programs write them."""
    blocks = [TarInfo.create_pax_global_header({"path": "elsewhere", "size": "1"})]
    for kind in (b"\0", *(bytes([each]) for each in b"123456 7xgLKSVD")):
        info = TarInfo(bundle.parts[-1][0])
        info.type, info.linkname = kind, "/etc/passwd"
        blocks.append(info.tobuf(USTAR_FORMAT))
    blocks += [TarInfo(name).tobuf(form) for name in ELSEWHERE for form in (PAX_FORMAT, GNU_FORMAT)]
    starts = [start for start, end in regions(bundle)][:: len(FIELDS) + 1]
    for block in blocks:
        for at in (starts[0], starts[2], starts[-2], starts[-1]):
            yield f"{block[:160]!r} at byte {at}", bundle.whole[:at] + block + bundle.whole[at:]


def changes(document: object, path: str = "") -> Iterator[tuple[str, object]]:
    """The document with each of its values changed, dropped and added to, one at a time."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield f"{path}.{key} dropped", {other: kept for other, kept in document.items() if other != key}
            yield from ((words, {**document, key: changed}) for words, changed in changes(value, f"{path}.{key}"))
        yield f"{path} more", {**document, "zzz": 1}
    elif isinstance(document, list):
        for number, value in enumerate(document):
            before, after = document[:number], document[number + 1 :]
            yield f"{path}[{number}] dropped", [*before, *after]
            yield f"{path}[{number}] twice", [*before, value, value, *after]
            yield from ((words, [*before, new, *after]) for words, new in changes(value, f"{path}[{number}]"))
    else:
        yield path, document + 1 if isinstance(document, int) else f"{document}x"
        yield path, None if document is not None else "x"


def manifests(bundle: Bundle) -> Iterator[Mutant]:
    """Each value of the manifest; and other forms of it, which two readers may read as two things, even where they are signed."""
    parts, text = bundle.parts, dict(bundle.parts)[NAME]
    for path, changed in changes(json.loads(text)):
        again = (json.dumps(changed, indent=1, sort_keys=True) + "\n").encode()
        yield f"{path} changed", together(with_file(parts, NAME, again))
    yield "nested deeply", together(with_file(parts, NAME, b"[" * 100_000))
    for words, other in (("a key twice", text.replace(b"{\n", b'{\n "run": "x",\n', 1)), ("space", text + b"\n")):
        signature = sign(other, choose(str(bundle.ground.ann)), EVIDENCE)
        yield words, together(with_file(with_file(parts, NAME, other), SIGNATURE, signature))


def forgeries(bundle: Bundle) -> Iterator[Mutant]:
    """By one who can write, has a key of his own, and knows the format."""
    parts, ann, bob = bundle.parts, bundle.ground.ann, bundle.ground.bob
    theirs = signed(parts, bob)
    yield "the same", theirs
    yield "the same, under the key of who may", signed(parts, bob, public_key=bundles.manifest_of(parts).public_key)
    for words, signature in (("theirs", dict(members(theirs))), ("of another run", dict(bundle.others))):
        yield f"signature {words}", together(with_file(parts, SIGNATURE, signature[SIGNATURE]))
    for name, content in parts[2:]:
        forged = with_file(parts, name, content + b"\n")
        yield f"{name} changed", signed(forged, bob)
        old = with_file(members(signed(forged, ann)), SIGNATURE, dict(parts)[SIGNATURE])
        yield f"{name} changed, old signature", together(old)


def journals(bundle: Bundle) -> Iterator[Mutant]:
    """Each record lost, cut, changed, moved or added by one who chains the rest again and signs it with a key that may sign."""
    for name in ("journal.jsonl", "watch.jsonl"):
        some = records(dict(bundle.parts)[name])
        lines = [one.line() for one in some]
        for number, record in enumerate(some):
            before, after = some[:number], some[number + 1 :]
            altered = [[*before, *after], before, [*before, replace(record, data={**record.data, "more": 1}), *after]]
            altered += [
                [*before, record, record, *after],
                *([[*before, after[0], record, *after[1:]]] if after else []),
            ]
            texts = [bundles.rechained(one) for one in altered]
            half = [*lines[:number], lines[number][: len(lines[number]) // 2]]
            unchained = (lines[:number] + lines[number + 1 :], half, [*lines[:number], lines[number].rstrip("\n")])
            for text in (*texts, *("".join(one).encode() for one in unchained)):
                yield f"{name} {number}: {text[-99:]!r}", signed(with_file(bundle.parts, name, text), bundle.ground.ann)


def contradictions(bundle: Bundle) -> Iterator[Mutant]:
    """Signed by who may, with heads made again: but records name heads, files and the plan."""
    parts, others, ann = dict(bundle.parts), dict(bundle.others), bundle.ground.ann
    theirs = bundles.manifest_of(bundle.others)

    def resigned(name: str, content: bytes, **changed: object) -> Mutant:
        chain = records(content) if name.endswith(".jsonl") else []
        head = {name: {"journal": chain[0].hash, "seq": len(chain), "hash": chain[-1].hash}} if chain else {}
        heads = {**json.loads(parts[NAME])["heads"], **head}
        return f"{name} {changed}", signed(with_file(bundle.parts, name, content), ann, heads=heads, **changed)

    for name, more in (("journal.jsonl", 1), ("watch.jsonl", 0)):
        some = records(parts[name])
        for number in range(len(some) - more):
            yield resigned(name, bundles.rechained([*some[:number], *some[number + 1 :]]))
    for name in ("journal.jsonl", "watch.jsonl", "plan.json"):
        for changed in ({}, {"run": theirs.run}, {"fingerprint": theirs.fingerprint}, {"service": "other"}):
            yield resigned(name, others[name], **changed)
    yield resigned("plan.json", json.dumps({**json.loads(parts["plan.json"]), "pattern": "db*"}).encode())
    yield resigned(JUNIT, b"<fine/>")
    yield "made in the future", signed(bundle.parts, ann, made_at="2026-01-05T00:00:00.000Z")
    yield "no file", signed([one for one in bundle.parts if one[0] != JUNIT], ann)


@pytest.mark.parametrize("mutants", [bits, ends, lists_of_members, headers, manifests, forgeries])
def test_every_alteration_is_found(bundle: Bundle, mutants: Callable[[Bundle], Iterator[Mutant]]) -> None:
    before = {*bundle.ground.root.rglob("*")}
    assert bundles.survivors(bundle.ground, mutants(bundle), bundle.whole) == []
    written = {path.name for path in bundle.ground.root.rglob("*")} - {path.name for path in before}
    assert written <= {"bundle.tar", "mutant.tar"}  # nothing was unpacked


@pytest.mark.parametrize("mutants", [journals, contradictions])
def test_who_may_sign_is_found_too(
    bundle: Bundle, mutants: Callable[[Bundle], Iterator[Mutant]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if every signature were good: what the parts say of each other is enough."""
    monkeypatch.setattr(bundles, "sign", lambda *_: dict(bundle.parts)[SIGNATURE])
    monkeypatch.setattr(signing, "judge", lambda *_: [])
    assert bundles.survivors(bundle.ground, mutants(bundle), bundle.whole) == []
