"""What is far larger than it should be fills no memory, and is still judged."""

import json
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest

from cutover.core.verdict import Verdict
from cutover.evidence.bundle import read
from cutover.evidence.collect import make_bundle
from cutover.evidence.contents import follow
from cutover.evidence.manifest import NAME, header
from cutover.journal.record import Record
from tests.evidence.bundles import Ground, make_ground, members, signed

MB = 1 << 20
LARGE = 160 * MB  # of zeros that the file system need not keep


@contextmanager
def at_most(megabytes: int) -> Iterator[None]:
    """What is done in it takes no more memory at any moment."""
    tracemalloc.start()
    try:
        yield
        most = tracemalloc.get_traced_memory()[1] / MB
    finally:
        tracemalloc.stop()
    assert most < megabytes


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return make_ground(tmp_path, watched=False)


@pytest.mark.parametrize("name", [NAME, "plan.json", "journal.jsonl", "evidence/log"])
def test_a_large_member_fills_no_memory(ground: Ground, name: str) -> None:
    """Written as a hole, so that it is quickly made; each kind of member is read in a way of its own."""
    parts = members(ground.bundle(ground.run))
    if name != NAME:  # the manifest lists it with that size, so that it is read
        files = {one["path"]: one for one in json.loads(dict(parts)[NAME])["files"]}
        files[name] = {"path": name, "size": LARGE, "sha256": "0" * 64}
        parts = members(signed(parts, ground.ann, files=[files[path] for path in sorted(files)]))
        parts = [*parts[:2], *sorted({**dict(parts[2:]), name: b""}.items())]
    target = ground.root / "large.tar"
    with target.open("wb") as out:
        for one, content in parts:
            out.write(header(one, LARGE if one == name else len(content)))
            out.write(b"" if one == name else content + bytes(-len(content) % 512))
            out.seek(LARGE if one == name else 0, 1)
        out.write(bytes(1024))
        end = out.seek(0, 1)
        out.truncate(end + -end % 10240)
    with at_most(100):
        contents = read(target)
    found = " ".join(problem.found for problem in contents.problems)
    assert found
    assert "the rest was not read" not in found or name == NAME


def test_a_large_file_of_the_run_is_bundled_and_verified_in_little_memory(ground: Ground) -> None:
    with (ground.run.evidence / "log").open("wb") as file:
        file.truncate(60 * MB)
    with at_most(10):
        assert make_bundle(ground.run, ground.root, key=str(ground.ann)).verdict is Verdict.PASS


def test_a_long_journal_of_short_lines_fills_no_memory() -> None:
    some = [Record.following(None, "2026-01-02T03:04:05.000Z", "sample", {})]
    for _ in range(1_000):
        some.append(Record.following(some[-1], some[-1].at, "sample", {"note": "x" * 2000}))
    stream = BytesIO("".join(record.line() for record in some).encode())
    with at_most(1):
        chain = follow(stream, "j")
    assert (chain.seq, chain.broken) == (1_001, "")


def test_a_record_nested_without_end_is_reported() -> None:
    assert "not a journal record" in follow(BytesIO(b"[" * 1_000_000 + b"\n"), "j").broken
