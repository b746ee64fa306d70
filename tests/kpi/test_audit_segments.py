"""The audit trail over a long history: sealed segments, and every way to tamper with them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kpi.audit import GAP, INDEX, OPENED, TRAIL, Event, is_production_end, production, records_since, verify, verifying
from tests.kpi.trails import SEGMENT, numbers, write, writing


def _sealed(directory: Path) -> list[Path]:
    return sorted(directory.glob("trail-*.jsonl"))


def _found(directory: Path, *, full: bool = False) -> str:
    return "\n".join(str(problem) for problem in verify(directory, full=full).problems)


def _overwrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.chmod(0o644)
    path.write_bytes(change(path.read_bytes()))


def test_a_full_part_is_sealed_and_the_chain_goes_on(tmp_path: Path) -> None:
    write(tmp_path, 40)
    seen, everything = verify(tmp_path), verify(tmp_path, full=True)
    assert seen.problems == everything.problems == []
    assert seen.segments == len(_sealed(tmp_path)) > 3
    assert (seen.seq, seen.hash) == (everything.seq, everything.hash)
    assert seen.events == everything.parsed == seen.seq
    assert 0 < seen.parsed < seen.seq / 2
    assert seen.parsed + seen.digested == seen.seq
    assert numbers(tmp_path) == list(range(40))
    assert json.loads((tmp_path / TRAIL).read_bytes().split(b"\n")[0])["event"] == OPENED
    assert {oct(path.stat().st_mode & 0o777) for path in _sealed(tmp_path)} == {"0o444"}


def test_records_since_opens_only_the_segments_that_can_have_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 40)
    moment = next(one["at"] for one in records_since(tmp_path, "") if one["details"].get("number") == 35)
    opened: list[str] = []
    real = Path.read_bytes

    def read(path: Path) -> bytes:
        opened.append(path.name)
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    found = [one["details"]["number"] for one in records_since(tmp_path, moment) if "number" in one["details"]]
    assert found == [35, 36, 37, 38, 39]
    assert len([name for name in opened if name.startswith("trail-")]) <= 2 < len(_sealed(tmp_path))


def test_old_segments_beyond_the_budget_are_named_as_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 40)
    monkeypatch.setattr(verifying, "DIGEST_BYTES", SEGMENT + 500)
    seen = verify(tmp_path)
    assert seen.problems == []
    assert min(seen.parsed, seen.digested, seen.unread) > 0
    assert seen.events == seen.seq


def _edit(path: Path) -> None:
    _overwrite(path, lambda content: content.replace(b'"something"', b'"samething"', 1))


def _drop_line(path: Path) -> None:
    _overwrite(path, lambda content: content[content.index(b"\n") + 1 :])


def _drop_last_line(path: Path) -> None:
    _overwrite(path, lambda content: content[: content.rindex(b"\n", 0, -1) + 1])


def _reorder(path: Path) -> None:
    def swapped(content: bytes) -> bytes:
        first, second, *rest = content.split(b"\n")
        return b"\n".join([second, first, *rest])

    _overwrite(path, swapped)


def _scribble(path: Path) -> None:
    _overwrite(path, lambda content: b"scribble\n" + content)


@pytest.mark.parametrize("tamper", [_edit, _drop_line, _drop_last_line, _reorder, _scribble, Path.unlink])
@pytest.mark.parametrize("at", [0, 1, -1])
@pytest.mark.parametrize("full", [False, True])
def test_tampering_with_a_sealed_segment_is_found(
    tmp_path: Path, tamper: Callable[[Path], None], at: int, *, full: bool
) -> None:
    write(tmp_path, 40)
    segment = _sealed(tmp_path)[at]
    tamper(segment)
    assert f"{segment.name}: " in _found(tmp_path, full=full)


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (_drop_line, "does not follow what is before it"),
        (_drop_last_line, "opened after another segment"),
        (_reorder, "does not follow what is before it"),
        (_scribble, "is not an entry of the index"),
        (Path.unlink, "is a segment that the index does not list"),
        (lambda path: _overwrite(path, lambda content: content.replace(b"[]", b'["x"]', 1)), "was edited"),
        (lambda path: path.with_name("trail-000000000999.jsonl").touch(), "trail-000000000999.jsonl: is a segment"),
    ],
)
def test_tampering_with_the_index_and_a_foreign_segment_are_found(
    tmp_path: Path, tamper: Callable[[Path], None], found: str
) -> None:
    write(tmp_path, 40)
    tamper(tmp_path / INDEX)
    assert found in _found(tmp_path)


def test_an_active_part_that_was_removed_stays_found(tmp_path: Path) -> None:
    write(tmp_path, 40)
    (tmp_path / TRAIL).unlink()
    assert "though segments were sealed" in _found(tmp_path)
    write(tmp_path, 1)
    assert "opened after another segment" in _found(tmp_path)
    assert GAP in [record["event"] for record in verify(tmp_path).records]


@pytest.mark.parametrize("rotations", [1, 3])
def test_rotations_while_it_is_verified_are_waited_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rotations: int
) -> None:
    real, left = verifying._read_trail, rotations
    with writing(tmp_path) as trail:

        def read(path: Path) -> bytes:
            nonlocal left
            if left:
                left -= 1
                for number in range(15):
                    trail.record([Event("something", details={"number": number})])
            return real(path)

        trail.record([Event("something", details={"number": 0})])
        monkeypatch.setattr(verifying, "_read_trail", read)
        seen = verify(tmp_path)
    assert seen.problems == []
    assert (left, seen.segments > rotations) == (0, True)


@pytest.mark.parametrize("tamper", [_drop_line, _drop_last_line, _scribble, Path.unlink])
def test_a_broken_index_stays_found_while_the_trail_goes_on(tmp_path: Path, tamper: Callable[[Path], None]) -> None:
    write(tmp_path, 40)
    tamper(tmp_path / INDEX)
    write(tmp_path, 20, 40)
    assert numbers(tmp_path)[-20:] == list(range(40, 60))
    assert GAP in [record["event"] for record in records_since(tmp_path, "")]
    for full in (False, True):
        assert "an earlier break was found" in _found(tmp_path, full=full) or "when it was sealed" in _found(tmp_path)


def test_half_an_index_entry_is_written_again(tmp_path: Path) -> None:
    write(tmp_path, 40)
    index = tmp_path / INDEX
    index.write_bytes(index.read_bytes() + b'{"name": "trail-0000')
    assert verify(tmp_path).problems == []
    write(tmp_path, 20, 40)
    assert verify(tmp_path, full=True).problems == []
    assert numbers(tmp_path) == list(range(60))


def test_a_break_that_is_sealed_stays_found_and_is_recorded_once(tmp_path: Path) -> None:
    write(tmp_path, 3)
    _edit(tmp_path / TRAIL)
    write(tmp_path, 1, 3)
    write(tmp_path, 40, 4)
    gaps = [record for record in records_since(tmp_path, "") if record["event"] == GAP]
    assert len(gaps) == 1
    for full in (False, True):
        assert "when it was sealed: record 1 was edited" in _found(tmp_path, full=full)


# What a look of the watch reads: the newest part alone, with the runs counted on.


def test_runs_are_counted_on_through_sealed_parts_and_a_new_start(tmp_path: Path) -> None:
    def run(number: int, *, canary: bool = False) -> Event:
        return Event("run_failed" if number % 3 else "run_completed", details={"canary": canary, "sha256": str(number)})

    counted, events = [], []
    for start in range(3):
        with writing(tmp_path) as trail:
            for number in range(30):
                trail.record([run(100 * start + number), run(number, canary=True), Event("something")])
                seen = production(verify(tmp_path, newest=True).records)
                assert seen == trail.production
                counted.append(seen.runs)
                events.append(seen.events)
    assert counted == list(range(1, 91))
    assert events == list(range(2, 182, 2))
    assert verify(tmp_path).segments > 3
    assert sum(map(is_production_end, records_since(tmp_path, ""))) == 90


@pytest.mark.parametrize("edited", ['"last_at": "never"', '"last_at": 7'])
def test_a_part_whose_beginning_was_edited_is_counted_from_there_and_its_chain_says_so(
    tmp_path: Path, edited: str
) -> None:
    with writing(tmp_path) as trail:
        while not list(tmp_path.glob("trail-0*.jsonl")):
            trail.record([Event("something")])
        last = trail.production.last_at
    path = tmp_path / "trail.jsonl"
    before = path.read_text()
    at = before.index('"last_at": "')
    path.write_text(before[:at] + edited + before[before.index('"', at + len('"last_at": "')) + 1 :])
    seen = verify(tmp_path, newest=True)
    assert any("was edited" in problem.found for problem in seen.problems)
    assert (production(seen.records).events, production(seen.records).last_at) == (1, last)


def test_the_newest_part_alone_is_followed_and_still_tied_to_the_sealed_ones(tmp_path: Path) -> None:
    with writing(tmp_path) as trail:
        for number in range(60):
            trail.record([Event("something", details={"number": number})])
    seen = verify(tmp_path, newest=True)
    assert (seen.problems, seen.seq, seen.digested) == ([], verify(tmp_path).seq, 0)
    assert seen.parsed == len(seen.records) < seen.unread
    first = min(tmp_path.glob("trail-*.jsonl"))
    first.chmod(0o644)
    first.write_bytes(first.read_bytes()[:-1])
    assert [problem.where for problem in verify(tmp_path, newest=True).problems] == [first.name]
