"""What a look reads of the trail: the newest part tied to the sealed ones, and runs counted on."""

from pathlib import Path

import pytest

from kpi.audit import Event, is_production_end, production, records_since, verify
from tests.kpi.trails import writing


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
