"""Every alteration of a bundle is found. What is altered, and where, is enumerated from the bundle itself, never picked by hand."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tarfile import BLOCKSIZE, GNU_FORMAT, PAX_FORMAT, USTAR_FORMAT, TarInfo

import pytest

from cutover.core.verdict import Verdict
from cutover.evidence.manifest import NAME, SIGNATURE
from tests.evidence.bundles import (
    Ground,
    Members,
    Mutant,
    is_found,
    make_ground,
    members,
    survivors,
    together,
    with_file,
)

# The fields of a tar header, as the format has them: name and width.
FIELDS = (
    ("name", 100), ("mode", 8), ("uid", 8), ("gid", 8), ("size", 12), ("mtime", 12), ("checksum", 8), ("type", 1), ("linkname", 100),
    ("magic", 6), ("version", 2), ("uname", 32), ("gname", 32), ("devmajor", 8), ("devminor", 8), ("prefix", 155), ("rest", 12),
)  # fmt: skip


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return make_ground(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def whole(ground: Ground) -> bytes:
    return ground.bundle(ground.run)


@pytest.fixture(scope="module")
def others(ground: Ground) -> Members:
    return members(ground.bundle(ground.other))


def regions(content: bytes) -> Iterator[tuple[str, int, int]]:
    """Every region of a tar: each field of each header, each content, each padding, the end."""
    at = 0
    for name, inside in members(content):
        for field, width in FIELDS:
            yield f"{name}: {field}", at, at + width
            at += width
        yield f"{name}: content", at, at + len(inside)
        at += len(inside)
        yield f"{name}: padding", at, at + -len(inside) % BLOCKSIZE
        at += -len(inside) % BLOCKSIZE
    yield "end", at, len(content)
    assert sum(width for _, width in FIELDS) == BLOCKSIZE


def flipped(content: bytes, at: int, bit: int) -> bytes:
    return content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :]


def test_a_bit_in_each_region(ground: Ground, whole: bytes) -> None:
    def mutants() -> Iterator[Mutant]:
        for words, start, end in regions(whole):
            for at in sorted({start, (start + end) // 2, end - 1} if end > start else ()):
                yield f"{words} byte {at}", flipped(whole, at, at % 8)

    assert survivors(ground, mutants(), whole) == []


def test_each_byte_of_manifest_and_signature(ground: Ground, whole: bytes) -> None:
    parts = members(whole)
    assert [name for name, _ in parts[:2]] == [NAME, SIGNATURE]
    end = 2 * BLOCKSIZE + sum(len(content) + -len(content) % BLOCKSIZE for _, content in parts[:2])
    mutants = ((f"byte {at}", flipped(whole, at, at % 8)) for at in range(end))
    assert survivors(ground, mutants, whole) == []


def test_what_reading_finds_fails(ground: Ground, whole: bytes) -> None:
    assert not is_found(ground, whole)
    verified = ground.judge(whole + b"x")
    assert (verified.verdict, len(verified.problems)) == (Verdict.FAIL, 1)


def test_truncated_at_every_block_and_around(ground: Ground, whole: bytes) -> None:
    ends = {at + more for at in range(0, len(whole), BLOCKSIZE) for more in (-1, 0, 1)} & set(range(len(whole)))
    assert survivors(ground, ((f"{end} bytes", whole[:end]) for end in sorted(ends)), whole) == []


@pytest.mark.parametrize("more", [b"\0", b"\0" * BLOCKSIZE, b"\0" * 9216, b"x", b"again"])
def test_appended_after_the_end(ground: Ground, whole: bytes, more: bytes) -> None:
    tail = whole if more == b"again" else more
    assert survivors(ground, iter([("after the end", whole + tail)]), whole) == []
    cut = whole[: -2 * BLOCKSIZE]
    assert (
        survivors(ground, iter([("before the end", cut + tail.ljust(BLOCKSIZE, b"\0") + whole[len(cut) :])]), whole)
        == []
    )


def test_each_member_deleted_doubled_renamed_moved_cut_or_lengthened(ground: Ground, whole: bytes) -> None:
    parts = members(whole)

    def mutants() -> Iterator[Mutant]:
        for number, (name, content) in enumerate(parts):
            before, after = parts[:number], parts[number + 1 :]
            yield f"{name} deleted", together([*before, *after])
            yield f"{name} doubled", together([*before, (name, content), (name, content), *after])
            yield f"{name} doubled at the end", together([*parts, (name, content)])
            yield f"{name} renamed", together([*before, (f"{name}x", content), *after])
            yield f"{name} empty", together([*before, (name, b""), *after])
            yield f"{name} cut", together([*before, (name, content[:-1]), *after])
            yield f"{name} lengthened", together([*before, (name, content + b"\n"), *after])
            yield f"something before {name}", together([*before, ("aaa.txt", b"x"), (name, content), *after])
            for place in range(len(parts)):
                if place != number:
                    rest = [*before, *after]
                    yield f"{name} moved to {place}", together([*rest[:place], (name, content), *rest[place:]])

    assert survivors(ground, mutants(), whole) == []


def test_each_member_under_another_members_name(ground: Ground, whole: bytes) -> None:
    parts = members(whole)

    def mutants() -> Iterator[Mutant]:
        for one, _ in parts:
            for other, content in parts:
                if one != other:
                    yield f"{one} is {other}", together(with_file(parts, one, content))

    assert survivors(ground, mutants(), whole) == []


def test_each_member_of_another_run(ground: Ground, whole: bytes, others: Members) -> None:
    """Alone, and also where all others are swapped and this one is not. Files that are equal in both runs tell nothing of a run."""
    parts = members(whole)
    assert [name for name, _ in parts] == [name for name, _ in others]
    differing = [name for (name, mine), (_, other) in zip(parts, others, strict=True) if mine != other]
    assert {NAME, SIGNATURE, "journal.jsonl", "watch.jsonl", "plan.json", "report.html"} <= set(differing)

    def mutants() -> Iterator[Mutant]:
        for name in differing:
            yield f"{name} swapped", together(with_file(parts, name, dict(others)[name]))
            yield f"all but {name} swapped", together(with_file(others, name, dict(parts)[name]))

    assert survivors(ground, mutants(), whole) == []


def kinds(name: str) -> Iterator[Mutant]:
    """Headers of what is no file, and of files that would lie elsewhere, as other programs write them."""
    for kind in (b"\0", *(bytes([each]) for each in b"123456 7xgLKSVD")):
        info = TarInfo(name)
        info.type, info.linkname, info.mode = kind, "/etc/passwd", 0o644
        yield f"type {kind!r}", info.tobuf(USTAR_FORMAT)
    for elsewhere in (
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
    ):
        for form in (PAX_FORMAT, GNU_FORMAT):
            yield f"name {elsewhere!r}", TarInfo(elsewhere).tobuf(form)


def test_links_devices_and_other_places(ground: Ground, whole: bytes, tmp_path: Path) -> None:
    cut = len(whole) - 2 * BLOCKSIZE
    before = sorted(ground.root.rglob("*"))

    def mutants() -> Iterator[Mutant]:
        for words, block in kinds("zzz"):
            yield f"{words} at the end", whole[:cut] + block + whole[cut:]
            yield f"{words} at the beginning", block + whole

    assert survivors(ground, mutants(), whole) == []
    assert set(ground.root.rglob("*")) - {*before, ground.root / "bundle.tar", ground.root / "mutant.tar"} == set()
    assert list(tmp_path.iterdir()) == []


def test_each_value_of_the_manifest(ground: Ground, whole: bytes) -> None:
    parts = members(whole)
    text = dict(parts)[NAME]
    document = json.loads(text)

    def mutants() -> Iterator[Mutant]:
        for path, changed in changes(document):
            again = (json.dumps(changed, indent=1, sort_keys=True) + "\n").encode()
            yield f"{path} changed", together(with_file(parts, NAME, again))
        yield "other spacing", together(with_file(parts, NAME, json.dumps(document, sort_keys=True).encode()))
        yield "a key twice", together(with_file(parts, NAME, text.replace(b"{\n", b'{\n "run": "x",\n', 1)))
        yield "deep", together(with_file(parts, NAME, b"[" * 100_000))

    assert survivors(ground, mutants(), whole) == []


def changes(document: object, path: str = "") -> Iterator[tuple[str, object]]:
    """The document with each of its values changed, dropped and added to, one at a time."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield f"{path}.{key} dropped", {other: kept for other, kept in document.items() if other != key}
            for words, changed in changes(value, f"{path}.{key}"):
                yield words, {**document, key: changed}
        yield f"{path} more", {**document, "zzz": 1}
    elif isinstance(document, list):
        for number, value in enumerate(document):
            yield f"{path}[{number}] dropped", [*document[:number], *document[number + 1 :]]
            for words, changed in changes(value, f"{path}[{number}]"):
                yield words, [*document[:number], changed, *document[number + 1 :]]
        for one, two in pairwise(range(len(document))):
            yield f"{path}[{one}] moved", [*document[:one], document[two], document[one], *document[two + 1 :]]
    else:
        yield path, document + 1 if isinstance(document, int) else f"{document}x"
        yield path, None
