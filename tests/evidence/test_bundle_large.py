"""What is far larger than it should be fills no memory, and is still judged."""

import subprocess
import sys
from pathlib import Path

import pytest

from cutover.evidence import tar
from cutover.evidence.chains import MOST_RECORDS, follow
from cutover.evidence.manifest import NAME
from cutover.journal.record import Record
from tests.evidence.bundles import Ground, make_ground, members, records, signed, with_file

LARGE = 2 << 30  # of zeros that the file system need not keep
MOST_MB, FEW_MB = 120, 60
CODE = """
import pathlib, re, sys
from cutover.evidence.collect import make_bundle, verify_bundle

def most():  # of this program alone: getrusage would begin with what the one that started it had
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1])

before = most()
verified = verify_bundle(pathlib.Path(sys.argv[1]), None)
print(verified.verdict, (most() - before) // 1024)
print(*(problem.found for problem in verified.problems))
"""


def judged(bundle: Path) -> tuple[str, int, str]:
    """Verdict, MB that it took, what was found."""
    done = subprocess.run([sys.executable, "-c", CODE, bundle], capture_output=True, text=True, check=True)
    (first, *rest) = done.stdout.splitlines()
    return first.split()[0], int(first.split()[1]), " ".join(rest)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return make_ground(tmp_path, watched=False)


@pytest.mark.parametrize("name", [NAME, "plan.json", "journal.jsonl", "evidence/log", "MANIFEST.json.sig"])
def test_a_member_of_2_gb_fills_no_memory(ground: Ground, name: str) -> None:
    """Written as a hole, so that it is quickly made; each kind of member is read in a way of its own."""
    parts = members(ground.bundle(ground.run))
    target = ground.root / "large.tar"
    with target.open("wb") as out:
        for one, content in parts:
            size = LARGE if one == name else len(content)
            out.write(tar.header(one, size))
            if one == name:
                out.seek(size, 1)
            else:
                out.write(content + bytes(-size % 512))
        if name == "evidence/log":
            out.write(tar.header(name, LARGE))
            out.seek(LARGE, 1)
        out.write(bytes(tar.END))
    verdict, megabytes, found = judged(target)
    assert (verdict, megabytes < MOST_MB) == ("FAIL", True), found


def test_a_large_file_of_the_run_is_bundled_and_verified_in_little_memory(ground: Ground) -> None:
    with (ground.run.evidence / "log").open("wb") as file:
        file.truncate(300 << 20)
    code = CODE.replace(
        "verify_bundle(pathlib.Path(sys.argv[1]), None)", "make_bundle(*map(eval, sys.argv[1:3]), key=sys.argv[3])"
    )
    run = f"__import__('cutover.journal.rundir').journal.rundir.RunDir(pathlib.Path({str(ground.run.path)!r}))"
    argv = [sys.executable, "-c", code, run, f"pathlib.Path({str(ground.root)!r})", str(ground.ann)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    verdict, megabytes = done.stdout.split()[:2]
    assert (verdict, int(megabytes) < MOST_MB) == ("PASS", True)


def test_a_long_journal_of_short_lines_fills_no_memory(ground: Ground) -> None:
    """Its manifest names it and its records are chained, so that it is read to its end, and judged by who signed it."""
    parts = members(ground.bundle(ground.run))
    some = records(dict(parts)["journal.jsonl"])
    for _ in range(40_000):
        some.append(Record.following(some[-1], some[-1].at, "sample", {"note": "x" * 2000}))
    last = {"journal": some[0].hash, "seq": len(some), "hash": some[-1].hash}
    long = "".join(record.line() for record in some).encode()
    target = ground.root / "long.tar"
    target.write_bytes(signed(with_file(parts, "journal.jsonl", long), ground.bob, heads={"journal.jsonl": last}))
    verdict, megabytes, found = judged(target)
    assert (verdict, megabytes < FEW_MB < len(long) // 1_000_000) == ("INCONCLUSIVE", True), (megabytes, found)


def test_a_record_nested_without_end_is_told() -> None:
    assert "not a journal record" in follow(iter(["[" * 1_000_000 + "\n"]), "j").broken
    assert MOST_RECORDS * 32 <= 128_000_000
