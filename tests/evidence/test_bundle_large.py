"""What is far larger than it should be fills no memory, and is still judged."""

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

from cutover.evidence.contents import MOST_RECORDS, follow
from cutover.evidence.manifest import NAME, SIGNATURE, header
from cutover.journal.record import Record
from tests.evidence.bundles import Ground, make_ground, members, records, signed, with_file

LARGE = 2 << 30  # of zeros that the file system need not keep
MOST_MB = 120
CODE = """
import pathlib, re, sys
from cutover.evidence.collect import make_bundle, verify_bundle
from cutover.journal.rundir import RunDir

def most():  # of this program alone: getrusage would begin with what the one that started it had
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1])

before, paths = most(), [pathlib.Path(one) for one in sys.argv[1:]]
verified = make_bundle(RunDir(paths[0]), paths[1], key=sys.argv[3]) if paths[1:] else verify_bundle(paths[0], None)
print(verified.verdict, (most() - before) // 1024)
print(*(problem.found for problem in verified.problems))
"""


def judged(*arguments: Path) -> tuple[str, int, str]:
    """Verdict, MB that it took, what was found."""
    done = subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, check=True)
    (first, *rest) = done.stdout.splitlines()
    return first.split()[0], int(first.split()[1]), " ".join(rest)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return make_ground(tmp_path, watched=False)


@pytest.mark.parametrize("name", [NAME, SIGNATURE, "plan.json", "journal.jsonl", "evidence/log"])
def test_a_member_of_2_gb_fills_no_memory(ground: Ground, name: str) -> None:
    """Written as a hole, so that it is quickly made; each kind of member is read in a way of its own."""
    parts = members(ground.bundle(ground.run))
    if name not in (NAME, SIGNATURE):  # the manifest lists it with that size, so that it is read
        files = {one["path"]: one for one in json.loads(dict(parts)[NAME])["files"]}
        files[name] = {"path": name, "size": LARGE, "sha256": "0" * 64}
        parts = members(signed(parts, ground.ann, files=[files[path] for path in sorted(files)]))
        parts = [*parts[:2], *sorted({**dict(parts[2:]), name: b""}.items())]
    target = ground.root / "large.tar"
    with target.open("wb") as out:
        for one, content in parts:
            size = LARGE if one == name else len(content)
            out.write(header(one, size) + (b"" if one == name else content + bytes(-size % 512)))
            out.seek(LARGE if one == name else 0, 1)
        out.write(bytes(1024))
        end = out.seek(0, 1)
        out.truncate(end + -end % 10240)
    verdict, megabytes, found = judged(target)
    assert (verdict, megabytes < MOST_MB) == ("FAIL", True), found
    assert "the rest was not read" not in found or name == NAME


def test_a_large_file_of_the_run_is_bundled_and_verified_in_little_memory(ground: Ground) -> None:
    with (ground.run.evidence / "log").open("wb") as file:
        file.truncate(300 << 20)
    verdict, megabytes, _ = judged(ground.run.path, ground.root, ground.ann)
    assert (verdict, megabytes < MOST_MB) == ("PASS", True)


def test_a_long_journal_of_short_lines_fills_no_memory(ground: Ground) -> None:
    parts = members(ground.bundle(ground.run))
    some = records(dict(parts)["journal.jsonl"])
    for _ in range(40_000):
        some.append(Record.following(some[-1], some[-1].at, "sample", {"note": "x" * 2000}))
    last = {"journal": some[0].hash, "seq": len(some), "hash": some[-1].hash}
    long = "".join(record.line() for record in some).encode()
    target = ground.root / "long.tar"
    target.write_bytes(signed(with_file(parts, "journal.jsonl", long), ground.bob, heads={"journal.jsonl": last}))
    verdict, megabytes, found = judged(target)
    assert (verdict, megabytes < 60 < len(long) // 1_000_000) == ("INCONCLUSIVE", True), (megabytes, found)


def test_a_record_nested_without_end_is_reported() -> None:
    assert "not a journal record" in follow(BytesIO(b"[" * 1_000_000 + b"\n"), "j").broken
    assert MOST_RECORDS * 32 <= 128_000_000
