"""The pool: every host has an outcome, never two pieces of work on one host, never more at once than allowed."""

import _thread
import signal
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from cutover.core.host import Host
from cutover.remote.connect import SshAccess
from cutover.remote.fleet import Pool
from cutover.remote.timeouts import CONNECTS
from cutover.remote.transport import Deadline, DeadlinePassed


def hosts(count: int) -> dict[str, str]:
    return {f"host{number}": f"host{number}" for number in range(count)}


def test_every_host_has_its_outcome_also_the_failed_ones() -> None:
    def work(host: str) -> str:
        if host == "host3":
            raise ZeroDivisionError(host)
        if host == "host4":
            raise SystemExit(2)
        return host.upper()

    outcomes = Pool(forks=4).map(work, hosts(20), deadline=30)
    assert list(outcomes) == [f"host{number}" for number in range(20)]
    assert outcomes["host7"].unwrap() == "HOST7"
    with pytest.raises(ZeroDivisionError):
        outcomes["host3"].unwrap()
    assert isinstance(outcomes["host4"].error, SystemExit)


def test_no_more_hosts_at_once_than_forks_and_all_of_them_used() -> None:
    meet = threading.Barrier(3)
    lock, now, most = threading.Lock(), [0], [0]

    def work(_: str) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        meet.wait(20)
        with lock:
            now[0] -= 1

    outcomes = Pool(forks=3).map(work, hosts(9), deadline=30)
    assert most == [3]
    assert all(outcome.error is None for outcome in outcomes.values())


def test_who_hangs_is_named_and_does_not_hold_up_the_others() -> None:
    release = threading.Event()

    def work(host: str) -> str:
        if host == "host0":
            release.wait(30)
        return "done"

    pool = Pool(forks=2)
    outcomes = pool.map(work, hosts(5), deadline=0.5)
    assert isinstance(outcomes["host0"].error, DeadlinePassed)
    assert "had not ended" in str(outcomes["host0"].error)
    assert {outcomes[f"host{number}"].value for number in range(1, 5)} == {"done"}
    # As long as it hangs, no second piece of work begins on that host.
    again = pool.map(work, hosts(1), deadline=0.2)
    assert "had not begun" in str(again["host0"].error)
    release.set()
    assert pool.map(work, hosts(1), deadline=30)["host0"].value == "done"


def test_an_interrupt_comes_through_at_once_and_begins_nothing_new() -> None:
    started: list[str] = []
    release = threading.Event()

    def work(host: str) -> None:
        started.append(host)
        _thread.interrupt_main()  # as Ctrl-C does
        release.wait(30)

    # Whoever started us in the background may have had SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            Pool(forks=1).map(work, hosts(3), deadline=30)
    finally:
        signal.signal(signal.SIGINT, before)
        release.set()
    for thread in threading.enumerate():
        if thread.name.startswith("host-worker"):
            thread.join(20)
    assert started == ["host0"]


def test_only_a_few_connections_are_opened_at_once() -> None:
    access, host = SshAccess(), Host("web1", "192.0.2.1", "test", Path())
    with ExitStack() as taken:
        for _ in range(CONNECTS):
            taken.enter_context(access.place(host, Deadline(1)))
        with pytest.raises(DeadlinePassed, match="too many other connections"), access.place(host, Deadline(0.01)):
            pass
    with access.place(host, Deadline(0.01)):
        pass
