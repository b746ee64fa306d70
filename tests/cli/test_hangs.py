"""A test that hangs is a failure that says where, and the tests after it run: tried on tests that hang on purpose."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT

# Each would wait for a minute and then pass, so that only the limit can make it fail.
BODY = "def test_it():\n    threading.Event().wait(60)\n"
THREAD = "def test_it():\n    other = threading.Thread(target=time.sleep, args=(60,), daemon=True)\n    other.start()\n    other.join()\n"
CHILD = "def test_it():\n    subprocess.run(['sleep', '60'], check=True)\n"
FIXTURE = "@pytest.fixture\ndef slow():\n    time.sleep(60)\ndef test_it(slow):\n    pass\n"
SWALLOWED = "def test_it():\n    try:\n        time.sleep(60)\n    except Exception:\n        pass\n"


def run(tmp_path: Path, tests: str, *more: str) -> "subprocess.CompletedProcess[str]":
    """Run tests under the project's own settings, but for the seconds."""
    file = tmp_path / "test_hanging.py"
    file.write_text(f"import subprocess, threading, time, pytest\n{tests}def test_after():\n    pass\n")
    options = ["-ptests.conftest", "-pno:cacheprovider", f"-c{ROOT / 'pyproject.toml'}", "-otimeout=0.5"]
    command = [sys.executable, "-m", "pytest", *options, *more, str(file)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("tests", "ended"),
    [
        (BODY, "1 failed, 1 passed"),
        (THREAD, "1 failed, 1 passed"),
        (CHILD, "1 failed, 1 passed"),
        (SWALLOWED, "1 failed, 1 passed"),
        (FIXTURE, "1 passed, 1 error"),
    ],
    ids=["body", "thread", "child", "swallowed", "fixture"],
)
def test_what_hangs_fails_and_the_next_test_runs(tmp_path: Path, tests: str, ended: str) -> None:
    done = run(tmp_path, tests)
    assert done.returncode == 1, done.stdout + done.stderr
    assert ended in done.stdout
    assert "Failed: Timeout (>0.5s) from pytest-timeout" in done.stdout


@pytest.mark.parametrize("mark", ["lab", "faults"])
def test_what_waits_for_a_lab_is_given_longer(tmp_path: Path, mark: str) -> None:
    done = run(tmp_path, f"@pytest.mark.{mark}\ndef test_it():\n    time.sleep(1)\n", "-m", mark)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_this_very_run_has_the_limit_that_is_shipped(pytestconfig: pytest.Config) -> None:
    assert float(pytestconfig.getini("timeout")) >= 60
    assert pytestconfig.getini("timeout_method") == "signal"
