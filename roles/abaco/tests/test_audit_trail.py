"""The audit trail as this release writes it: chained, verified, sealed in parts, and every break of it found."""

import shutil
from pathlib import Path

import pytest

from kpi.audit import TRAIL, AuditTrail, Event, records_since, verify


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written once: each record waits for the disk, on every host that these tests are run on."""
    folder = tmp_path_factory.mktemp("trail")
    writer = AuditTrail(folder, "test", segment_bytes=1000)
    for number in range(20):
        writer.record([Event("something", details={"number": number})])
    writer.close()
    return folder


@pytest.fixture
def trail(written: Path, tmp_path: Path) -> Path:
    """A copy for each test, which may damage it."""
    return Path(shutil.copytree(written, tmp_path / "trail"))


def test_what_was_recorded_is_there_and_whole(trail: Path) -> None:
    seen = verify(trail, full=True)
    assert seen.problems == verify(trail).problems == []
    assert seen.segments > 1
    numbers = [record["details"].get("number") for record in records_since(trail, "")]
    assert [number for number in numbers if number is not None] == list(range(20))


def test_an_edited_record_is_found(trail: Path) -> None:
    path = trail / TRAIL
    path.write_bytes(path.read_bytes().replace(b'"number": 19', b'"number": 18'))
    assert [problem.code for problem in verify(trail).problems] == ["audit_chain"]


def test_a_cut_trail_is_found(trail: Path) -> None:
    path = trail / TRAIL
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"\n", 0, -1) + 1])
    assert any("the trail was cut" in problem.found for problem in verify(trail).problems)


def test_a_sealed_part_that_was_removed_is_found(trail: Path) -> None:
    min(trail.glob("trail-*.jsonl")).unlink()
    assert any("is missing" in problem.found for problem in verify(trail).problems)


def test_it_goes_on_where_it_ended(trail: Path) -> None:
    before = verify(trail)
    writer = AuditTrail(trail, "test")
    assert writer.position == (before.seq, before.hash)
    writer.record([Event("more")])
    writer.close()
    assert verify(trail).problems == []
