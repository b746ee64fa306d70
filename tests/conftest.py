"""What every test may ask for: an option, a real host, and a fleet of three. The long series run only where they are asked for.

How long a test may hang before it fails is in pyproject.toml, and here for those that are long by themselves.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

import hypothesis
import pytest

from tests.checkout import ROOT
from tests.fleet import broken_release, checkout, fleet, hosts, other
from tests.realhost import real

__all__ = [
    "broken_release",
    "checkout",
    "fleet",
    "hosts",
    "other",
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_make_parametrize_id",
    "real",
]

# In seconds, by mark: the first test of a lab may build its base and waits for its turn on the machine; a fault series is an hour.
LONGER = {"faults": 4 * 3600, "lab": 3600}
TOOLS = (
    ROOT / ".cutover" / "tools" / "bin"
)  # programs that `./invokew test` unpacked, since nothing may be installed for a test
# Lab tests wait more than they work: two workers share them, each with a lab of its own, and these take as long as the others.
SECOND_LAB = {"test_watch", "test_commands", "test_second_service", "test_shadow"}
ID_CHARS = 100  # of a case's name, where pytest makes it from the content
MEMORY, ROOM_BYTES = Path("/dev/shm"), 2 << 30


def pytest_configure() -> None:
    """Set up the process: what tests start can be interrupted, finds the tools, and writes to memory.

    Interrupts matter where these tests run behind `&` or `nohup`, whose children ignore them.
    """
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    if not Path(sys.argv[0]).is_file():  # a worker's has no program, and an agent in a test keeps a copy of its own
        sys.argv[0] = pytest.__file__
    # How long an example takes is the machine's affair; what hangs meets the limit of the test.
    hypothesis.settings.register_profile(
        "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("patient")
    os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin:{TOOLS}"
    if roomy(MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def roomy(folder: Path) -> bool:
    """Whether temporary files may go here: the tests call fsync some ten thousand times, and a disk makes each of them wait."""
    if not os.access(folder, os.W_OK):
        return False
    found = os.statvfs(folder)
    return not found.f_flag & os.ST_NOEXEC and found.f_bavail * found.f_frsize >= ROOM_BYTES


def pytest_addoption(parser: pytest.Parser) -> None:
    """--update-golden writes the golden files anew, for a person to read the diff."""
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden anew from what the code gives now"
    )


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a case after its argument where its content is no name: bytes that hold a time differ from worker to worker."""
    return argname if isinstance(val, bytes) or (isinstance(val, str) and len(val) > ID_CHARS) else None


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is marked `faults` takes an hour: only with -m faults (`./invokew test --faults`)."""
    for item in items:
        for tool in item.iter_markers("tool"):
            if not any(map(shutil.which, tool.args)):
                found = f"none of {', '.join(tool.args)} is installed here"
                next_ = "tests/unpack-tools, as root, gets sshd, promtool and prometheus"
                item.add_marker(pytest.mark.skip(reason=f"{found}; {next_}"))
        mark = next((mark for mark in LONGER if item.get_closest_marker(mark)), None)
        if mark and (sys.platform != "linux" or os.geteuid() != 0):
            item.add_marker(pytest.mark.skip(reason="real hosts need root on Linux: run the tests with sudo"))
        if mark and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LONGER[mark]))
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(_group(item)))
    if "faults" in str(config.getoption("-m")):
        return
    long = [item for item in items if item.get_closest_marker("faults")]
    items[:] = [item for item in items if item not in long]
    config.hook.pytest_deselected(items=long)


def _group(item: pytest.Item) -> str:
    """Tests that one worker runs one after the other: those of a lab, which only one of them can have, and those of a file."""
    fixtures = getattr(item, "fixturenames", ())
    if "real" in fixtures:
        return "real"
    if "fleet" in fixtures:
        return f"fleet {1 + (item.path.stem in SECOND_LAB)}"
    return str(item.path.relative_to(ROOT)) if item.path.is_relative_to(ROOT) else item.path.name
