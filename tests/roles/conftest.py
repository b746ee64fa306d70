"""A host that is this machine, for checks."""

import sys
from pathlib import Path
from typing import Any

import pytest
import testinfra


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv(
        "PATH", str(Path(sys.executable).parent), prepend=":"
    )  # a shim of python3 takes longer than a check
    here = testinfra.get_host("local://")
    # Whoever runs the tests is the service's user; that `host.sudo` becomes another one is shown with the agent.
    monkeypatch.setattr(here.backend, "get_sudo_command", lambda command, _user: command)
    return here
