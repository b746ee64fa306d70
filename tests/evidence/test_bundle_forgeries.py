"""Bundles put together by somebody who knows the format, and has a key. What contradicts itself is found even if the key may sign."""

from collections.abc import Iterator

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
    edited,
    make_ground,
    manifest_of,
    members,
    rechained,
    records,
    signed,
    survivors,
    together,
    with_file,
)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return make_ground(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def whole(ground: Ground) -> bytes:
    return ground.bundle(ground.run)


@pytest.fixture(scope="module")
def others(ground: Ground) -> Members:
    return members(ground.bundle(ground.other))


def test_signed_by_somebody_else(ground: Ground, whole: bytes, others: Members) -> None:
    """Who can write, and has a key of his own, and knows the format."""
    parts = members(whole)

    def mutants() -> Iterator[Mutant]:
        yield "the same", signed(parts, ground.bob)
        yield "the same, under the key of who may", signed(parts, ground.bob, key=manifest_of(parts).key)
        for name, content in parts[2:]:
            forged = with_file(parts, name, content + b"\n")
            yield f"{name} changed", signed(forged, ground.bob)
            theirs = members(signed(forged, ground.bob))
            yield f"{name} changed, old signature", together(with_file(theirs, SIGNATURE, dict(parts)[SIGNATURE]))
        yield (
            "their signature",
            together(with_file(parts, SIGNATURE, dict(members(signed(parts, ground.bob)))[SIGNATURE])),
        )
        yield "the signature of another run", together(with_file(parts, SIGNATURE, dict(others)[SIGNATURE]))

    assert survivors(ground, mutants(), whole) == []


@pytest.mark.parametrize("journal", ["journal.jsonl", "watch.jsonl"])
def test_each_record_lost_cut_changed_moved_or_added(ground: Ground, whole: bytes, journal: str) -> None:
    """By somebody who chains the rest anew and makes and signs the manifest over it with a key that may sign, but for the heads."""
    parts = members(whole)
    some = records(dict(parts)[journal])

    def mutants() -> Iterator[Mutant]:
        for number, record in enumerate(some):
            before, after = some[:number], some[number + 1 :]
            for words, altered in (
                ("lost", [*before, *after]),
                ("cut off here", before),
                ("changed", [*before, edited(record, more=1), *after]),
                ("twice", [*before, record, record, *after]),
                *((("moved", [*before, after[0], record, *after[1:]]),) if after else ()),
            ):
                content = rechained(altered)
                yield f"record {number + 1} {words}, signed", signed(with_file(parts, journal, content), ground.ann)
                yield f"record {number + 1} {words}", together(with_file(parts, journal, content))
            lines = [one.line() for one in some]
            for words, text in (
                ("lost", "".join(lines[:number] + lines[number + 1 :])),
                ("in half", "".join(lines[:number]) + lines[number][: len(lines[number]) // 2]),
                ("without its end", "".join(lines[: number + 1])[:-1]),
            ):
                yield f"line {number + 1} {words}, signed", signed(with_file(parts, journal, text.encode()), ground.ann)
        yield "added", signed(with_file(parts, journal, rechained([*some, some[-1]])), ground.ann)

    assert survivors(ground, mutants(), whole) == []


def test_heads_made_anew_do_not_hide_what_other_records_name(ground: Ground, whole: bytes) -> None:
    """Even with a key that may sign and heads made anew: the watch names the journal's head, the sign-off the watch's."""
    parts = members(whole)
    journal, watch = (records(dict(parts)[name]) for name in ("journal.jsonl", "watch.jsonl"))

    def mutants() -> Iterator[Mutant]:
        for name, some, named in (("journal.jsonl", journal, len(journal) - 1), ("watch.jsonl", watch, len(watch))):
            for number in range(named):
                content = rechained([*some[:number], *some[number + 1 :]])
                chain = records(content)
                head = {"journal": chain[0].hash, "seq": chain[-1].seq, "hash": chain[-1].hash}
                heads = {**manifest_of(parts).model_dump()["heads"], name: head}
                yield f"{name} record {number + 1}", signed(with_file(parts, name, content), ground.ann, heads=heads)

    assert survivors(ground, mutants(), whole) == []


def test_parts_of_two_runs_signed_as_one(ground: Ground, whole: bytes, others: Members) -> None:
    """Put together and signed by who may: each part that says of which run it is contradicts the others."""
    parts = members(whole)
    heads = {name: manifest.heads for name, manifest in (("mine", manifest_of(parts)), ("theirs", manifest_of(others)))}

    def mutants() -> Iterator[Mutant]:
        for name in ("journal.jsonl", "watch.jsonl", "plan.json"):
            mixed = with_file(parts, name, dict(others)[name])
            chosen = {
                path: (heads["theirs"] if path == name else heads["mine"])[path].model_dump() for path in heads["mine"]
            }
            yield f"{name} of another run", signed(mixed, ground.ann, heads=chosen)
            for field, value in (("run", manifest_of(others).run), ("fingerprint", manifest_of(others).fingerprint)):
                yield f"{name} and {field} of another run", signed(mixed, ground.ann, heads=chosen, **{field: value})

    assert survivors(ground, mutants(), whole) == []


def test_a_file_that_the_journal_names_is_missed(ground: Ground, whole: bytes) -> None:
    parts = members(whole)
    named = "evidence/checks-1-preflight.xml"
    without = [one for one in parts if one[0] != named]
    mutants = [
        ("gone", signed(without, ground.ann)),
        ("another", signed(with_file(parts, named, b"<fine/>"), ground.ann)),
    ]
    assert survivors(ground, iter(mutants), whole) == []


def test_a_manifest_in_another_form_is_none_even_where_it_is_signed(ground: Ground, whole: bytes) -> None:
    """Two readers may see two things in it: a key that stands there twice, say."""
    parts = members(whole)
    text, ann = dict(parts)[NAME], choose(str(ground.ann), ground.root)

    def mutants() -> Iterator[Mutant]:
        for words, other in (
            ("a key twice", text.replace(b"{\n", b'{\n "run": "x",\n', 1)),
            ("more space", text + b"\n"),
        ):
            signature = sign(other, ann).encode()
            yield words, together(with_file(with_file(parts, NAME, other), SIGNATURE, signature))

    assert survivors(ground, mutants(), whole) == []


def test_without_a_list_the_signature_is_still_held_against_the_manifest(ground: Ground, whole: bytes) -> None:
    parts = members(whole)
    forged = together(with_file(parts, NAME, dict(parts)[NAME].replace(b"ann@example.org", b"eve@example.org")))
    (ground.root / "forged.tar").write_bytes(forged)
    assert verify_bundle(ground.root / "forged.tar", None, now=NOW).verdict is Verdict.FAIL
