"""Does one thing on many hosts at once: bounded, within a deadline, and with an outcome for every single host."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from cutover.world.remote.base import DeadlinePassed

FORKS = 10
R = TypeVar("R")


class Named(Protocol):
    """A host, a transport, or whatever else stands for one host."""

    @property
    def name(self) -> str:
        """The host's name in the inventory."""
        ...


N = TypeVar("N", bound=Named)


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What came of one host: a value, or the error that ended it."""

    name: str
    value: R | None = None
    error: BaseException | None = None
    seconds: float = 0.0

    def unwrap(self) -> R:
        """The value; raises the error where there is one."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # R itself may be None


class Pool:
    """At most `forks` hosts at work at once, and never two pieces of work on one host, also across calls of `map`."""

    def __init__(self, forks: int = FORKS) -> None:
        if forks < 1:
            raise ValueError("a pool needs at least one worker")
        self.forks = forks
        self._hosts: dict[str, threading.Lock] = {}

    def map(self, work: Callable[[N], R], hosts: Sequence[N], *, deadline: float) -> dict[str, Outcome[R]]:
        """Do `work` on every host; who has not ended after `deadline` seconds has DeadlinePassed as outcome."""
        names = [host.name for host in hosts]
        if len(set(names)) != len(names):
            raise ValueError(f"a host is named twice: {sorted({name for name in names if names.count(name) > 1})}")
        for name in names:
            self._hosts.setdefault(name, threading.Lock())
        return _Round(work, hosts, self._hosts, deadline).run(self.forks)


class _Round(Generic[N, R]):
    """One `map`: workers take hosts from a queue until it is empty, the time is up, or a person interrupts.

    The workers are daemons: one that hangs beyond its own deadline holds up neither the other hosts nor the exit.
    """

    def __init__(
        self, work: Callable[[N], R], hosts: Sequence[N], locks: dict[str, threading.Lock], deadline: float
    ) -> None:
        self._work, self._locks = work, locks
        self._names = [host.name for host in hosts]
        self._waiting = deque(hosts)
        self._outcomes: dict[str, Outcome[R]] = {}
        self._begun: set[str] = set()
        self._changed = threading.Condition()
        self._seconds, self._end = deadline, time.monotonic() + deadline

    def run(self, forks: int) -> dict[str, Outcome[R]]:
        """Start the workers and wait for the outcomes."""
        try:
            for number in range(min(forks, len(self._names))):
                threading.Thread(target=self._take_turns, name=f"host-worker-{number}", daemon=True).start()
            with self._changed:
                while len(self._outcomes) < len(self._names) and self._left > 0:
                    self._changed.wait(self._left)
        finally:
            # Also when interrupted: nothing new begins on any host.
            with self._changed:
                self._waiting.clear()
        with self._changed:
            return {name: self._outcomes.get(name) or self._late(name) for name in self._names}

    @property
    def _left(self) -> float:
        return max(self._end - time.monotonic(), 0.0)

    def _late(self, name: str) -> Outcome[R]:
        what = "had not ended" if name in self._begun else "was not begun"
        return Outcome(name, error=DeadlinePassed(name, f"the work {what} after {self._seconds:.1f} s"))

    def _take_turns(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    return
                host = self._waiting.popleft()
            outcome = self._one(host)
            with self._changed:
                self._outcomes[host.name] = outcome
                self._changed.notify_all()

    def _one(self, host: N) -> Outcome[R]:
        # Held by a worker of an earlier round that overran its deadline.
        if not self._locks[host.name].acquire(timeout=self._left):
            return self._late(host.name)
        self._begun.add(host.name)
        began = time.monotonic()
        try:
            value = self._work(host)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is this host's outcome
            return Outcome(host.name, error=error, seconds=time.monotonic() - began)
        finally:
            self._locks[host.name].release()
        return Outcome(host.name, value=value, seconds=time.monotonic() - began)
