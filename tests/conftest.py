"""What every test may ask for: an option, and a real host."""

import pytest

from tests.realhost import real

__all__ = ["pytest_addoption", "real"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """--update-golden writes the golden files anew, for a person to read the diff."""
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden anew from what the code gives now"
    )
