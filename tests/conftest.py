"""What every test may ask for: an option, and a real host. The long series run only where they are asked for.

How long a test may hang before it fails is in pyproject.toml, and here for those that are long by themselves.
"""

import signal

import pytest

from tests.realhost import real

__all__ = ["pytest_addoption", "pytest_collection_modifyitems", "pytest_configure", "real"]

# In seconds, by mark: the first test of a lab may build its base and waits for its turn on the machine; a fault series is an hour.
LONGER = {"faults": 4 * 3600, "lab": 3600}


def pytest_configure() -> None:
    """What tests start can be interrupted, also where these tests run behind `&` or `nohup`, whose children ignore it."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_addoption(parser: pytest.Parser) -> None:
    """--update-golden writes the golden files anew, for a person to read the diff."""
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden anew from what the code gives now"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is marked `faults` takes an hour: only with -m faults (`./invokew test --faults`)."""
    for item in items:
        mark = next((mark for mark in LONGER if item.get_closest_marker(mark)), None)
        if mark and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LONGER[mark]))
    if "faults" in str(config.getoption("-m")):
        return
    long = [item for item in items if item.get_closest_marker("faults")]
    items[:] = [item for item in items if item not in long]
    config.hook.pytest_deselected(items=long)
