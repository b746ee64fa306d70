"""The host agent on this machine, as whoever runs the tests."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cutover.remote.agent import HostAgent
from cutover.remote.base import Conversation
from cutover.remote.local import LocalTransport


class Here(LocalTransport):
    """The machine itself, as whoever runs the tests."""

    def converse(
        self,
        argv: Sequence[str],
        *,
        opening: bytes = b"",
        sudo: bool = False,  # noqa: ARG002 - nobody to become
        deadline: float,
    ) -> Conversation:
        """Start it without sudo, as there is nobody to become."""
        return super().converse(argv, opening=opening, sudo=False, deadline=deadline)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostAgent]:
    monkeypatch.delenv("SUDO_UID", raising=False)
    made = HostAgent(Here("here"), python=sys.executable, state_dir=str(tmp_path / "state"))
    yield made
    made.close()
