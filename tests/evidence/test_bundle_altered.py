"""Every alteration of a bundle is found. What is altered, and where, is enumerated from the bundle itself, never picked by hand."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from tarfile import BLOCKSIZE, GNU_FORMAT, PAX_FORMAT, USTAR_FORMAT, TarInfo

import pytest

from cutover.core.verdict import Verdict
from cutover.evidence.collect import verify_bundle
from cutover.evidence.manifest import NAME, SIGNATURE
from cutover.evidence.signing import choose, sign
from tests.evidence.bundles import (
    NOW,
    Ground,
    Members,
    Mutant,
    make_ground,
    manifest_of,
    members,
    rechained,
    records,
    signed,
    survivors,
    together,
    with_file,
)  # fmt: skip

# Where the fields of a tar header begin: name, mode, uid, gid, size, mtime, checksum, type, linkname, magic, version, uname, gname,
# devmajor, devminor, prefix, the rest.
FIELDS = (0, 100, 108, 116, 124, 136, 148, 156, 157, 257, 263, 265, 297, 329, 337, 345, 500, BLOCKSIZE)
JUNIT = "evidence/checks-1-preflight.xml"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return make_ground(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def whole(ground: Ground) -> bytes:
    return ground.bundle(ground.run)


@pytest.fixture(scope="module")
def parts(whole: bytes) -> Members:
    return members(whole)


@pytest.fixture(scope="module")
def others(ground: Ground) -> Members:
    return members(ground.bundle(ground.other))


def regions(parts: Members, whole: bytes) -> Iterator[tuple[int, int]]:
    """Every region of a tar: each field of each header, each content, each padding, the end."""
    at = 0
    for _, content in parts:
        yield from ((at + start, at + end) for start, end in pairwise(FIELDS))
        at += BLOCKSIZE
        yield at, at + len(content)
        yield at + len(content), at + len(content) + -len(content) % BLOCKSIZE
        at += len(content) + -len(content) % BLOCKSIZE
    yield at, len(whole)


def test_a_bit_in_each_region_and_in_each_byte_of_the_signature(ground: Ground, whole: bytes, parts: Members) -> None:
    places = {at for start, end in regions(parts, whole) if end > start for at in (start, (start + end) // 2, end - 1)}
    signature = whole.index(dict(parts)[SIGNATURE])
    places |= {*range(0, signature, 20), *range(signature, signature + len(dict(parts)[SIGNATURE]))}
    mutants = ((f"byte {at}", whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]) for at in sorted(places))
    assert survivors(ground, mutants, whole) == []


def test_cut_off_and_appended(ground: Ground, whole: bytes) -> None:
    def mutants() -> Iterator[Mutant]:
        for at in range(0, len(whole), BLOCKSIZE):
            yield from ((f"{end} bytes", whole[:end]) for end in (at - 1, at, at + 1) if end >= 0)
        end = whole.rstrip(b"\0")
        for more in (b"\0", bytes(BLOCKSIZE), bytes(10240), b"x", whole):
            yield f"{len(more)} bytes after the end", whole + more
            cut = len(end) + -len(end) % BLOCKSIZE
            yield f"{len(more)} bytes before the end", whole[:cut] + more.ljust(BLOCKSIZE, b"\0") + whole[cut:]

    assert survivors(ground, mutants(), whole) == []


def test_each_member_deleted_doubled_renamed_moved_cut_or_swapped(
    ground: Ground, whole: bytes, parts: Members, others: Members
) -> None:
    def mutants() -> Iterator[Mutant]:
        for number, (name, content) in enumerate(parts):
            before, after = parts[:number], parts[number + 1 :]
            rest = [*before, *after]
            yield f"{name} deleted", together(rest)
            for place in range(len(parts) + 1):
                yield f"{name} doubled at {place}", together([*parts[:place], (name, content), *parts[place:]])
                if place not in (number, len(parts)):
                    yield f"{name} moved to {place}", together([*rest[:place], (name, content), *rest[place:]])
            for one in [(f"{name}x", content), *((name, other) for other in (b"", content[:-1], content + b"\n"))]:
                yield f"{name} is {one[0]}, {len(one[1])} bytes", together([*before, one, *after])
            yield f"something before {name}", together([*before, ("aaa.txt", b"x"), (name, content), *after])
            for other, foreign in [*parts, *others]:
                if foreign != content:
                    yield f"{name} is {other}", together(with_file(parts, name, foreign))
            if dict(others)[name] != content:
                yield f"all but {name} of another run", together(with_file(others, name, content))

    assert survivors(ground, mutants(), whole) == []


def test_links_devices_and_other_places(ground: Ground, whole: bytes, parts: Members) -> None:
    names = (
        "/etc/passwd",
        "../../x",
        "a/../../x",
        "./report.html",
        "a//b",
        "C:\\x",
        "x\n",
        "é",
        "...",
        "a/" + "b" * 300,
    )

    def blocks() -> Iterator[Mutant]:
        for kind in (b"\0", *(bytes([each]) for each in b"123456 7xgLKSVD")):
            info = TarInfo(parts[-1][0])
            info.type, info.linkname = kind, "/etc/passwd"
            yield f"type {kind!r}", info.tobuf(USTAR_FORMAT)
        for name in names:
            yield from ((f"name {name!r}", TarInfo(name).tobuf(form)) for form in (PAX_FORMAT, GNU_FORMAT))
        renaming = TarInfo.create_pax_global_header({"path": "elsewhere", "size": "1"})
        yield "a global header that renames", renaming

    starts = [
        start for start, end in regions(parts, whole) if end - start == 100 and whole[start : start + 2] != b"\0\0"
    ]
    end = len(whole.rstrip(b"\0")) // BLOCKSIZE * BLOCKSIZE + BLOCKSIZE
    before = sorted(ground.root.rglob("*"))
    mutants = (
        (f"{words} at byte {at}", whole[:at] + block + whole[at:])
        for words, block in blocks()
        for at in (0, starts[2], starts[-2], end)
    )
    assert survivors(ground, mutants, whole) == []
    assert set(ground.root.rglob("*")) - {*before, ground.root / "bundle.tar", ground.root / "mutant.tar"} == set()


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


def test_each_value_of_the_manifest(ground: Ground, whole: bytes, parts: Members) -> None:
    text = dict(parts)[NAME]
    ann = choose(str(ground.ann), ground.root)

    def mutants() -> Iterator[Mutant]:
        for path, changed in changes(json.loads(text)):
            again = (json.dumps(changed, indent=1, sort_keys=True) + "\n").encode()
            yield f"{path} changed", together(with_file(parts, NAME, again))
        yield "nested deeply", together(with_file(parts, NAME, b"[" * 100_000))
        # Two readers may see two things in another form, so it is none even where it is signed.
        for words, other in (("a key twice", text.replace(b"{\n", b'{\n "run": "x",\n', 1)), ("space", text + b"\n")):
            yield words, together(with_file(with_file(parts, NAME, other), SIGNATURE, sign(other, ann)))

    assert survivors(ground, mutants(), whole) == []


def test_signed_by_somebody_else(ground: Ground, whole: bytes, parts: Members, others: Members) -> None:
    """By one who can write, has a key of his own, and knows the format."""
    theirs = dict(members(signed(parts, ground.bob)))

    def mutants() -> Iterator[Mutant]:
        yield "the same", signed(parts, ground.bob)
        yield "the same, under the key of who may", signed(parts, ground.bob, public_key=manifest_of(parts).public_key)
        for name, content in parts[2:]:
            forged = with_file(parts, name, content + b"\n")
            yield f"{name} changed", signed(forged, ground.bob)
            old = with_file(members(signed(forged, ground.ann)), SIGNATURE, dict(parts)[SIGNATURE])
            yield f"{name} changed, old signature", together(old)
        for words, signature in (("theirs", theirs[SIGNATURE]), ("of another run", dict(others)[SIGNATURE])):
            yield f"signature {words}", together(with_file(parts, SIGNATURE, signature))

    assert survivors(ground, mutants(), whole) == []
    forged = together(with_file(parts, NAME, dict(parts)[NAME].replace(b"ann@example.org", b"eve@example.org")))
    (ground.root / "forged.tar").write_bytes(forged)
    assert verify_bundle(ground.root / "forged.tar", None, now=NOW).verdict is Verdict.FAIL


@pytest.mark.parametrize("journal", ["journal.jsonl", "watch.jsonl"])
def test_each_record_lost_cut_changed_moved_or_added(
    ground: Ground, whole: bytes, parts: Members, journal: str
) -> None:
    """By somebody who chains the rest again and signs it with a key that may sign, but for the heads of the manifest."""
    some = records(dict(parts)[journal])
    lines = [one.line() for one in some]

    def journals() -> Iterator[tuple[str, bytes]]:
        for number, record in enumerate(some):
            before, after = some[:number], some[number + 1 :]
            yield f"{number} lost", rechained([*before, *after])
            yield f"{number} cut off", rechained(before)
            yield f"{number} changed", rechained([*before, replace(record, data={**record.data, "more": 1}), *after])
            yield f"{number} twice", rechained([*before, record, record, *after])
            if after:
                yield f"{number} moved", rechained([*before, after[0], record, *after[1:]])
            for text in (
                lines[:number] + lines[number + 1 :],
                [*lines[:number], lines[number][: len(lines[number]) // 2]],
            ):
                yield f"{number} not chained", "".join(text).encode()
            yield f"{number} without its end", "".join(lines[: number + 1])[:-1].encode()

    mutants = ((words, signed(with_file(parts, journal, content), ground.ann)) for words, content in journals())
    assert survivors(ground, mutants, whole) == []


def test_parts_that_contradict_each_other_signed_by_who_may(
    ground: Ground, whole: bytes, parts: Members, others: Members
) -> None:
    """With heads made again: the watch names the journal's head, the sign-off the watch's, records the files and the plan."""

    def resigned(name: str, content: bytes, **changed: object) -> bytes:
        chain = records(content) if name.endswith(".jsonl") else []
        head = {name: {"journal": chain[0].hash, "seq": len(chain), "hash": chain[-1].hash}} if chain else {}
        heads = {**manifest_of(parts).model_dump()["heads"], **head}
        return signed(with_file(parts, name, content), ground.ann, heads=heads, **changed)

    def mutants() -> Iterator[Mutant]:
        for name, more in (("journal.jsonl", 1), ("watch.jsonl", 0)):
            some = records(dict(parts)[name])
            for number in range(len(some) - more):
                yield f"{name} without {number}", resigned(name, rechained([*some[:number], *some[number + 1 :]]))
        theirs = manifest_of(others)
        for name in ("journal.jsonl", "watch.jsonl", "plan.json"):
            for changed in ({}, {"run": theirs.run}, {"fingerprint": theirs.fingerprint}, {"service": "other"}):
                yield f"{name} of another run, {changed}", resigned(name, dict(others)[name], **changed)
        forged = json.dumps({**json.loads(dict(parts)["plan.json"]), "pattern": "db*"}).encode()
        yield "another plan", resigned("plan.json", forged)
        yield "another file", resigned(JUNIT, b"<fine/>")
        yield "no file", signed([one for one in parts if one[0] != JUNIT], ground.ann)

    assert survivors(ground, mutants(), whole) == []
