"""A test that hangs is a failure that says where, and the tests after it run: tried on tests that hang on purpose."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT

# Each would wait for a minute and then pass, so that only the limit can make it fail.
HANGING = {
    "body": "def test_it():\n    threading.Event().wait(60)\n",
    "thread": "def test_it():\n    other = threading.Thread(target=time.sleep, args=(60,), daemon=True)\n    other.start(); other.join()\n",
    "child": "def test_it():\n    subprocess.run(['sleep', '60'], check=True)\n",
    "fixture": "@pytest.fixture\ndef slow():\n    time.sleep(60)\ndef test_it(slow):\n    pass\n",
    "swallowed": "def test_it():\n    try:\n        time.sleep(60)\n    except Exception:\n        pass\n",
}


def run(folder: Path, files: dict[str, str], *more: str) -> "subprocess.CompletedProcess[str]":
    """Run tests under the project's own settings, but for the seconds."""
    for name, tests in files.items():
        (folder / f"test_{name}.py").write_text(
            f"import subprocess, threading, time, pytest\n{tests}def test_after():\n    pass\n"
        )
    options = ["-ptests.conftest", "-pno:cacheprovider", f"-c{ROOT / 'pyproject.toml'}", "-otimeout=0.5", "-rA"]
    command = [sys.executable, "-m", "pytest", *options, *more, str(folder)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_what_hangs_fails_and_the_next_test_runs(tmp_path: Path) -> None:
    done = run(tmp_path, HANGING)
    assert done.returncode == 1, done.stdout + done.stderr
    for name in HANGING:
        ended = "ERROR" if name == "fixture" else "FAILED"
        assert re.search(
            rf"^{ended} \S*test_{name}\.py::test_it - Failed: Timeout \(>0\.5s\) from pytest-timeout",
            done.stdout,
            re.MULTILINE,
        ), name
        assert re.search(rf"^PASSED \S*test_{name}\.py::test_after", done.stdout, re.MULTILINE), name


@pytest.mark.parametrize("mark", ["lab", "faults"])
def test_what_waits_for_a_lab_is_given_longer(tmp_path: Path, mark: str) -> None:
    done = run(tmp_path, {mark: f"@pytest.mark.{mark}\ndef test_it():\n    time.sleep(1)\n"}, "-m", mark)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_this_very_run_has_the_limit_that_is_shipped(pytestconfig: pytest.Config) -> None:
    assert float(pytestconfig.getini("timeout")) >= 60
    assert pytestconfig.getini("timeout_method") == "signal"
