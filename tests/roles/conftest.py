"""A host that is this machine, for checks."""

from typing import Any

import pytest
import testinfra


@pytest.fixture
def host() -> Any:
    return testinfra.get_host("local://")
