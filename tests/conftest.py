"""Options that every test may ask for."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """--update-golden writes the golden files anew, for a person to read the diff."""
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden anew from what the code gives now"
    )
