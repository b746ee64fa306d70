"""Questions to a program that is kept running on a host: started when there is something to ask, and used again."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from cutover.world.remote.base import Conversation, Transport

# The agent ends by itself after a longer silence (hostside/serve.py): one that may be about to is not asked any more.
FRESH_S = 40.0


@dataclass(frozen=True)
class _Idle:
    conversation: Conversation
    since: float  # monotonic


class Asking:
    """One question at a time goes to each running program; who finds all of them busy starts another."""

    def __init__(self, transport: Transport, argv: Sequence[str], opening: bytes) -> None:
        self._transport, self._argv, self._opening = transport, argv, opening
        self._idle: list[_Idle] = []
        self._lock = threading.Lock()

    def ask(self, line: bytes, *, deadline: float) -> bytes:
        """The line that answers this one; the deadline (seconds) covers the start of a program as well."""
        end = time.monotonic() + deadline
        conversation = self._take() or self._transport.converse(
            self._argv, opening=self._opening, sudo=True, deadline=deadline
        )
        try:
            answer = conversation.ask(line, deadline=end - time.monotonic())
        except BaseException:
            conversation.close()
            raise
        with self._lock:
            self._idle.append(_Idle(conversation, time.monotonic()))
        return answer

    def close(self) -> None:
        """End the programs that nobody is waiting for."""
        with self._lock:
            idle, self._idle = self._idle, []
        for one in idle:
            one.conversation.close()

    def _take(self) -> Conversation | None:
        """The one that was used last, if it can be used again; the others are ended as they get old."""
        with self._lock:
            fresh_after = time.monotonic() - FRESH_S
            usable = [one for one in self._idle if one.conversation.alive and one.since > fresh_after]
            ended = [one for one in self._idle if one not in usable]
            self._idle, taken = usable[:-1], usable[-1:]
        for one in ended:
            one.conversation.close()
        return taken[0].conversation if taken else None
