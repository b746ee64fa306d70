"""One signal: the next safe place. Two: the safe path goes on. Three: the end, at once."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cutover.core.errors import ExitCode, Interrupted
from cutover.run.session import SIGNALS, StopSignal
from tests.run.fakehosts import World, is_on_v1
from tests.run.killing import HOSTS, Machine


@pytest.fixture(autouse=True)
def hangup() -> Iterator[None]:
    """Whatever this process does about a closed terminal is as before afterwards."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_is_obeyed_at_the_next_safe_place(number: signal.Signals) -> None:
    said: list[str] = []
    with StopSignal(said.append).watching() as stop:
        stop.check()
        stop.wait(0.001)
        signal.raise_signal(number)
        with pytest.raises(Interrupted):
            stop.check()
    assert said == [f"{number.name}: stopping at the next safe place"]


def test_a_second_does_not_cut_the_safe_path_short_and_a_third_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    with StopSignal(said.append).watching():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert ended == []
        assert said[1].startswith("SIGTERM again: the safe path is under way")
        signal.raise_signal(signal.SIGINT)
    assert ended == [ExitCode.INTERRUPTED]


def test_a_run_under_nohup_goes_on_when_its_terminal_goes() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopSignal().watching() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert stop.asked is False
        signal.raise_signal(signal.SIGTERM)
        assert stop.asked is True


@pytest.mark.usefixtures("machines")
def test_during_a_rollback_it_is_ended_first_and_then_the_end_is_130(world: World, tmp_path: Path) -> None:
    one = Machine(world, tmp_path, HOSTS)
    assert one.begin() is None
    world.host("a").meanwhile["rollback"] = one.interrupt
    _, end = one.rollback()
    assert isinstance(end, Interrupted)
    assert is_on_v1(world, "a")
    assert is_on_v1(world, "b")
