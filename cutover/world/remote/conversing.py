"""A program kept running on a host over one SSH channel, asked line by line: what it costs to start is paid once."""

from collections.abc import Callable

from paramiko import Channel

from cutover.world.remote.base import DeadlinePassed, Lost, Result
from cutover.world.remote.commands import ended
from cutover.world.remote.deadline import Deadline, guarded
from cutover.world.remote.exchange import Heard, end_input, hear_line, listen, send_all

ENDING = 2.0  # seconds for a program that closed its output to say how it ended


class SshConversation:
    """One channel. `part` closes it, `doubt` tells the transport that its connection let a deadline pass."""

    def __init__(
        self, host: str, channel: Channel, *, sudo: bool, part: Callable[[], None], doubt: Callable[[], None]
    ) -> None:
        self._host, self._channel, self._sudo, self._part, self._doubt = host, channel, sudo, part, doubt
        self._heard = Heard()

    @property
    def alive(self) -> bool:
        """Whether the channel still stands, as far as is known."""
        return not (self._channel.closed or self._channel.eof_received)

    def open(self, opening: bytes, until: Deadline) -> None:
        """Send what the program reads first."""
        self._send(opening, until)

    def ask(self, line: bytes, *, deadline: float) -> bytes:
        """Send one line and wait for the answer; where the connection goes meanwhile, what was done is unknown."""
        until = Deadline(deadline)
        self._send(line + b"\n", until)
        answer = hear_line(self._channel, self._heard, until)
        if answer is None:
            raise self._why_silent(until)
        return answer

    def close(self) -> None:
        """End its input, and close the channel."""
        if self.alive:
            end_input(self._channel)
        self._part()

    def _send(self, content: bytes, until: Deadline) -> None:
        with guarded(until.left, self._part):
            sent = send_all(self._channel, content)
        if not sent:
            raise self._why_silent(until)

    def _why_silent(self, until: Deadline) -> Exception:
        if until.passed:
            self._doubt()
            return DeadlinePassed(self._host, f"no answer within {until.seconds:.1f} s")
        listen(self._channel, Deadline(min(until.left, ENDING)), self._heard)
        if not self._heard.complete:
            return Lost(self._host, "the connection was lost with a question in flight")
        stdout, stderr = b"".join(self._heard.stdout), b"".join(self._heard.stderr)
        result = Result(self._heard.exit_code, stdout, stderr, until.spent, self._heard.signal)
        return ended(self._host, result, sudo=self._sudo)
