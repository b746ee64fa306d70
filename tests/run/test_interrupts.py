"""One signal: the next safe place. Two: the safe path goes on. Three: the end, at once."""

import os
import signal
from collections.abc import Iterator

import pytest

from cutover.core.errors import ExitCode, Interrupted
from cutover.run.session import SIGNALS, StopSignal
from tests.run.fakehosts import ALL, COMMITS, World, is_on_v1, run, session_of, when_baking
from tests.run.killing import Machine
from tests.waiting import PATIENCE_S, wait_until


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
            stop.wait(PATIENCE_S)
    assert said == [f"{number.name}: stopping at the next safe place"]


def test_a_second_does_not_cut_the_safe_path_short_and_a_third_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    with StopSignal(said.append).watching():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        wait_until(lambda: len(said) == 2)
        assert ended == []
        assert said[1].startswith("SIGTERM again: the safe path is under way")
        signal.raise_signal(signal.SIGINT)
    assert ended == [ExitCode.INTERRUPTED]


def test_a_run_under_nohup_goes_on_when_its_terminal_goes() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    said: list[str] = []
    with StopSignal(said.append).watching() as stop:
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
        wait_until(lambda: stop.asked)
    assert len(said) == 1


def test_a_signal_may_come_at_any_moment() -> None:
    """Also while the lock is held that is needed to note it: what a handler waits for then, it waits for without end."""
    stop = StopSignal(lambda _: None)
    with stop.watching(), getattr(stop._asked, "_cond"):  # noqa: B009 - typeshed does not declare this private lock
        signal.raise_signal(signal.SIGTERM)
        assert stop.asked is False
    assert stop.asked is True


def test_during_a_rollback_it_is_ended_first_and_then_the_end_is_130(world: World, confirmed: Machine) -> None:
    world.host("a").meanwhile["rollback"] = confirmed.interrupt
    _, end = confirmed.rollback()
    assert isinstance(end, Interrupted)
    assert is_on_v1(world, "a", "b")


# Whenever a person asks to stop, the safe path is taken.


@pytest.mark.parametrize("phase", ALL[:3])
def test_before_phase_3_it_just_ends(world: World, phase: str) -> None:
    session = session_of(world, "a", "b")
    world.host("a").meanwhile[phase] = lambda: session.stop.hear(signal.SIGINT)
    end = run(session, ("a",), ("b",))
    assert isinstance(end, Interrupted)
    assert phase in world.host("a").marks  # what was begun was finished
    assert session.journal.of("rollback.started") == [] or phase == ALL[2]
    assert is_on_v1(world, "a", "b")


@pytest.mark.parametrize("phase", COMMITS)
def test_from_phase_3_on_all_go_back(world: World, phase: str) -> None:
    session = session_of(world, "a", "b", bake=30)
    world.host("a").meanwhile[phase] = lambda: session.stop.hear(signal.SIGTERM)
    end = run(session, ("a",), ("b",))
    assert isinstance(end, Interrupted)
    assert "rolled back: a" in end.problems[-1].found
    assert world.host("a").changes == [*ALL[: ALL.index(phase) + 1], "rollback"]
    assert is_on_v1(world, "a", "b")


def test_during_the_bake_time(world: World) -> None:
    session = session_of(world, "a", bake=30)
    when_baking(session, lambda: session.stop.hear(signal.SIGINT))
    assert isinstance(run(session, ("a",)), Interrupted)
    assert is_on_v1(world, "a")
