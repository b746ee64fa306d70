"""What every test may ask for: an option, and a real host. The long series run only where they are asked for."""

import pytest

from tests.realhost import real

__all__ = ["pytest_addoption", "pytest_collection_modifyitems", "real"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """--update-golden writes the golden files anew, for a person to read the diff."""
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden anew from what the code gives now"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is marked `faults` takes an hour: only with -m faults (`./invokew test --faults`)."""
    if "faults" in str(config.getoption("-m")):
        return
    long = [item for item in items if item.get_closest_marker("faults")]
    items[:] = [item for item in items if item not in long]
    config.hook.pytest_deselected(items=long)
