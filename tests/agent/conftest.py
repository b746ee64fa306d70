"""The host agent on this machine, as whoever runs the tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cutover.remote.agent import HostAgent
from tests.transports import LocalTransport


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostAgent]:
    monkeypatch.delenv("SUDO_UID", raising=False)
    made = HostAgent(LocalTransport("here", with_sudo=False), python=sys.executable, state_dir=str(tmp_path / "state"))
    yield made
    made.close()
