"""A release's own tests: counted, on stdout alone, and good only when all ran and passed."""

import json
import subprocess
from pathlib import Path

import pytest

from cutover.release.artifact import build
from cutover.release.build import ReleaseSpec
from tests.release.toys import CACHE, REQUIREMENTS, replace, unpack

TESTS = """
import pytest

def test_good(tmp_path):
    print("not the document")
    assert "/release-tests-" in str(tmp_path)

{more}
"""


@pytest.mark.network
@pytest.mark.parametrize(
    ("more", "status", "counts"),
    [
        ("", 0, (1, 0, 0, 0)),
        ("def test_bad():\n    assert 1 == 2\n", 1, (1, 1, 0, 0)),
        ("@pytest.mark.skip(reason='not here')\ndef test_left_out():\n    pass\n", 1, (1, 0, 0, 1)),
        ("@pytest.mark.xfail\ndef test_expected():\n    assert 1 == 2\n", 1, (1, 0, 0, 1)),
        ("def test_no_fixture(nothing):\n    pass\n", 1, (1, 0, 1, 0)),
        ("import no_such_module\n", 1, (0, 0, 1, 0)),
        (None, 1, (0, 0, 1, 0)),
    ],
)
def test_run_tests_counts_and_passes_only_when_all_ran_and_passed(
    spec: ReleaseSpec, tmp_path: Path, more: str | None, status: int, counts: tuple[int, ...]
) -> None:
    (spec.tests / "test_toy.py").write_text("" if more is None else TESTS.format(more=more))
    whole = replace(spec, testing_lock=REQUIREMENTS / "release-testing.lock", cache=CACHE)
    release = unpack(build(whole), tmp_path / "r")
    before = sorted(release.rglob("*"))
    done = subprocess.run([str(release / "bin" / "run-tests")], capture_output=True, text=True, check=False)
    document = json.loads(done.stdout)
    assert tuple(document[outcome] for outcome in ("passed", "failed", "errors", "skipped")) == counts
    assert done.returncode == status
    assert sorted(release.rglob("*")) == before
    if more is None:
        assert "NO_TESTS_COLLECTED" in document["issues"][0]["found"]
    else:
        assert document["by_file"]["test_toy.py"]["errors"] == counts[2]
    assert len(document["issues"]) == sum(counts[1:])
    if counts[1]:
        (named,) = document["issues"]
        assert (named["where"], named["found"]) == ("test_toy.py::test_bad", "fails: assert 1 == 2")
        assert str(release / "bin" / "run-tests") in named["next"]
