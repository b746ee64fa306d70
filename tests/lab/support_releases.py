"""A release that breaks when a file on the host tells it to: one artifact for all ways of being broken."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.lab.support import Checkout

BREAK = ".break"  # below the data directory: its content says how
FAIL_A_TEST = ".fail-a-test"  # below the data directory: one of the release's tests fails

BREAKING = '''"""Breaks on purpose, as a file below the data directory says."""

import sys
import threading
from pathlib import Path


def told(root: Path) -> str:
    """How to break; empty for not at all."""
    file = root / ".break"
    return file.read_text().strip() if file.is_file() else ""


def at_start(root: Path) -> None:
    """Die, or never become ready."""
    if told(root) == "dies at start":
        sys.exit("told to die at start")
    if told(root) == "never ready":
        threading.Event().wait()
'''
FAILING = '''"""Fails where the host says so."""

from pathlib import Path


def test_that_fails_where_the_host_says_so() -> None:
    assert not Path("/var/lib/abaco/.fail-a-test").exists()
'''


@dataclass(frozen=True)
class BrokenRelease:
    """Where its artifact is."""

    artifact: Path


def build_broken(checkout: Checkout) -> BrokenRelease:
    """Build it from a checkout whose releases are its own."""
    (checkout.root / ".cutover" / "releases").unlink()
    (checkout.root / "kpi" / "breaking.py").write_text(BREAKING)
    checkout.edit(
        "kpi/service.py", "        self_test()\n", "        self_test()\n        breaking.at_start(self._config.root)\n"
    )
    checkout.edit(
        "kpi/service.py",
        "from kpi import VERSION, clock, vitals\n",
        "from kpi import VERSION, breaking, clock, vitals\n",
    )
    checkout.edit(
        "kpi/service.py",
        "        reason = self._why_not_ready()\n",
        "        reason = self._why_not_ready() or (breaking.told(self._config.root) == 'unhealthy' and 'told to be unhealthy')\n",
    )
    (checkout.root / "roles" / "abaco" / "tests" / "test_host_says.py").write_text(FAILING)
    script = (
        "import sys; from pathlib import Path; from cutover.release.build import spec;"
        "from cutover.release.artifact import build;"
        "print(build(spec(Path('.').absolute(), sys.argv[1], sys.argv[2])).path)"
    )
    built = subprocess.run(
        [sys.executable, "-c", script, "3.11", "x86_64"], cwd=checkout.root, capture_output=True, text=True, check=True
    )
    return BrokenRelease(Path(built.stdout.strip()))
