"""What a watch does to the world, as it is given to it: looking at hosts, telling people."""

from collections.abc import Sequence
from typing import Protocol

from cutover.conduct.watching.clock import WatchClock
from cutover.words.watching import Sample


class Look(Protocol):
    """Looks at all hosts once."""

    def __call__(self, clock: WatchClock, hosts: Sequence[str], *, row: bool) -> list[Sample]:
        """One sample of each host."""
        ...


class Tell(Protocol):
    """Tells people of an event; never raises, never waits for them."""

    def __call__(self, event: str, reasons: Sequence[str]) -> None:
        """What happened, and why."""
        ...
