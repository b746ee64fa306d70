"""The host agent on this machine, as whoever runs the tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cutover.remote.agent import HostAgent
from tests.transports import LocalTransport


def here() -> LocalTransport:
    """The machine itself, without sudo."""
    return LocalTransport("here", with_sudo=False)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostAgent]:
    monkeypatch.delenv("SUDO_UID", raising=False)
    made = HostAgent(here(), python=sys.executable, state_dir=str(tmp_path / "state"))
    yield made
    made.close()
