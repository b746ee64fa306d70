"""One signal: the next safe place. Two: the safe path goes on. Three: the end, at once."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cutover.core.errors import ExitCode, Interrupted
from cutover.run.session import SIGNALS, StopSignal
from tests.checkout import ROOT
from tests.run.fakehosts import World, is_on_v1
from tests.run.killing import Machine, machines
from tests.waiting import PATIENCE_S

__all__ = ["machines"]

# A run that goes on until it may stop: it says each step, and a watchdog ends it should nothing else.
RUN = """
import signal, sys, time
from cutover.run.session import StopSignal
from cutover.core.errors import Interrupted
signal.alarm(180)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
stop = StopSignal(lambda words: print(words, flush=True))
with stop.watching():
    print("ready", flush=True)
    try:
        stop.wait(30)
    except Interrupted as end:
        print("safe path", flush=True)
        for line in sys.stdin:
            print("back on V1", flush=True)
            sys.exit(end.exit_code)
"""


def begin() -> "subprocess.Popen[str]":
    run = subprocess.Popen(
        [sys.executable, "-c", RUN], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert said(run) == "ready"
    return run


def said(run: "subprocess.Popen[str]") -> str:
    assert run.stdout is not None
    return run.stdout.readline().strip()


def end(run: "subprocess.Popen[str]", answer: str = "") -> int:
    run.communicate(answer, timeout=PATIENCE_S)
    return run.returncode


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_is_obeyed_at_the_next_safe_place(number: signal.Signals) -> None:
    run = begin()
    run.send_signal(number)
    assert said(run) == f"{number.name}: stopping at the next safe place"
    assert said(run) == "safe path"
    assert end(run, "go on\n") == ExitCode.INTERRUPTED


def test_a_second_does_not_cut_the_safe_path_short() -> None:
    run = begin()
    run.send_signal(signal.SIGINT)
    assert [said(run), said(run)][1] == "safe path"
    run.send_signal(signal.SIGTERM)
    assert said(run).startswith("SIGTERM again: the safe path is under way")
    out, _ = run.communicate("go on\n", timeout=PATIENCE_S)
    assert (out, run.returncode) == ("back on V1\n", ExitCode.INTERRUPTED)


def test_a_third_ends_at_once() -> None:
    run = begin()
    run.send_signal(signal.SIGINT)
    assert [said(run), said(run)][1] == "safe path"
    run.send_signal(signal.SIGINT)
    assert "once more ends at once" in said(run)
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate("go on\n", timeout=PATIENCE_S)
    assert ("back on V1" in out, run.returncode) == (False, ExitCode.INTERRUPTED)


def test_nobody_asked_means_on_with_it() -> None:
    stop = StopSignal()
    stop.check()
    stop.wait(0.001)
    assert stop.asked is False


def test_a_wait_ends_when_someone_asks() -> None:
    stop = StopSignal()
    came: list[BaseException] = []

    def wait() -> None:
        try:
            stop.wait(threading.TIMEOUT_MAX)
        except Interrupted as asked:
            came.append(asked)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    assert (waiting.is_alive(), came) == (True, [])
    stop._on_signal(signal.SIGINT, None)
    waiting.join(60)
    assert [type(one) for one in came] == [Interrupted]
    with pytest.raises(Interrupted):
        stop.check()


@pytest.fixture
def hangup() -> Iterator[None]:
    """Whatever this process does about a closed terminal is as before afterwards."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangup")
def test_a_run_under_nohup_goes_on_when_its_terminal_goes() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopSignal().watching() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert stop.asked is False
        signal.raise_signal(signal.SIGTERM)
        assert stop.asked is True


@pytest.mark.usefixtures("machines")
def test_during_a_rollback_it_is_ended_first_and_then_the_end_is_130(world: World, tmp_path: Path) -> None:
    one = Machine(world, tmp_path, (("a",), ("b",)))
    assert one.begin() is None
    world.host("a").meanwhile["rollback"] = one.interrupt
    _, end = one.rollback()
    assert isinstance(end, Interrupted)
    assert is_on_v1(world, "a")
    assert is_on_v1(world, "b")


@pytest.mark.usefixtures("hangup")
def test_the_handlers_of_before_are_put_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with StopSignal().watching() as stop:
        assert all(signal.getsignal(number) == stop._on_signal for number in SIGNALS)
    assert [signal.getsignal(number) for number in SIGNALS] == before
