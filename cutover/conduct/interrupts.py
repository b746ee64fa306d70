"""Ctrl-C, SIGTERM and SIGHUP ask a run to stop. It stops where that is safe, not where it happens to be.

The first is obeyed at the next safe place; a second is refused, since the safe path is under way; a third ends at once,
and the hosts then go back by themselves.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from cutover.words.errors import ExitCode, Interrupted, Problem

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignal:
    """Remembers that a person wants the run to stop."""

    def __init__(self, say: Callable[[str], None] = lambda _words: None) -> None:
        self._asked = threading.Event()
        self._times = 0
        self._say = say

    @property
    def asked(self) -> bool:
        """Whether someone asked to stop."""
        return self._asked.is_set()

    def check(self) -> None:
        """A safe place: raise Interrupted if someone asked to stop."""
        if self.asked:
            raise Interrupted(Problem(found="interrupted", next="see the summary for where each host is"))

    def wait(self, seconds: float) -> None:
        """Wait, but not beyond a request to stop."""
        self._asked.wait(seconds)
        self.check()

    @contextmanager
    def watching(self) -> Iterator["StopSignal"]:
        """Catch the signals for the duration of a run (main thread only)."""
        # A run under nohup was told beforehand that its terminal may go; Ctrl-C and SIGTERM are always meant.
        heard = [one for one in SIGNALS if one is not signal.SIGHUP or signal.getsignal(one) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._on_signal) for number in heard}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._times += 1
        self._asked.set()
        name = signal.Signals(number).name
        if self._times == 1:
            self._say(f"{name}: stopping at the next safe place")
        elif self._times == 2:
            self._say(
                f"{name} again: the safe path is under way, and cutting it short could leave a host in between; "
                "once more ends at once, and armed hosts go back by themselves"
            )
        else:
            os._exit(ExitCode.INTERRUPTED)
