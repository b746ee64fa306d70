"""One command on one open SSH channel: input goes in while output comes out, so that neither waits for the other."""

import select
import threading
from dataclasses import dataclass, field
from typing import BinaryIO

from paramiko import Channel, SSHException

from cutover.world.remote.base import Progress
from cutover.world.remote.deadline import Deadline
from cutover.world.remote.wire import exit_signal

INLINE = 32 * 1024  # input up to here fits in the first window of any sshd, so sending it cannot block
CHUNK = 32 * 1024 - 64  # what fills one packet of OpenSSH
GULP = 16 * 1024 * 1024  # take all there is: Paramiko's buffer is slow to cut in pieces


@dataclass
class Heard:
    """What came back over a channel. `complete`: all output and how the command ended are known."""

    stdout: list[bytes] = field(default_factory=list)
    stderr: list[bytes] = field(default_factory=list)
    exit_code: int | None = None
    signal: str | None = None
    complete: bool = False


class Feeder(threading.Thread):
    """Sends a large input from a thread of its own; a command that stops reading, or a lost channel, just ends it."""

    def __init__(self, channel: Channel, source: BinaryIO, progress: Progress | None, *, sent: int) -> None:
        super().__init__(name="ssh-feeder", daemon=True)
        self._channel, self._source, self._progress, self._sent = channel, source, progress, sent
        self.error: Exception | None = None  # of the source or of `progress`; the channel's own show on the channel

    def run(self) -> None:
        """Send everything, then the end of input; where our own side fails, close the channel without it."""
        try:
            self._send()
        except Exception as error:  # noqa: BLE001 - raised again by the thread that waits for the command
            self.error = error
            self._channel.close()

    def _send(self) -> None:
        sent = self._sent
        while chunk := self._source.read(CHUNK):
            if not send_all(self._channel, chunk):
                return
            sent += len(chunk)
            if self._progress is not None:
                self._progress(sent)
        end_input(self._channel)


def send_all(channel: Channel, chunk: bytes) -> bool:
    """Send one chunk; False when the other side takes no more, which the command's own end will explain."""
    try:
        while chunk:
            count = channel.send(chunk)
            if count == 0:
                return False
            chunk = chunk[count:]
    except (OSError, SSHException, EOFError):
        return False
    return True


def end_input(channel: Channel) -> bool:
    """Send the end of input; False when the channel is gone already."""
    try:
        channel.shutdown_write()
    except (OSError, SSHException, EOFError):
        return False
    return True


def listen(channel: Channel, deadline: Deadline, heard: Heard | None = None) -> Heard:
    """Collect output, after what was `heard` already, until the command has ended or the deadline has passed."""
    heard = heard or Heard()
    while not (channel.eof_received or channel.closed):
        if deadline.passed:
            return heard
        _wait(channel, deadline)
        _drain(channel, heard)
    _drain(channel, heard)
    # Output has ended; the exit status may come later, where a command has closed its output and works on.
    if not channel.status_event.wait(deadline.left):
        return heard
    heard.signal = exit_signal(channel)
    if channel.exit_status >= 0:
        heard.exit_code = channel.exit_status
    heard.complete = bool(channel.eof_received) and (heard.exit_code is not None or heard.signal is not None)
    return heard


def hear_line(channel: Channel, heard: Heard, deadline: Deadline) -> bytes | None:
    """The next line of output, without its end; what came after it stays in `heard`. None where the output or the time ended first."""
    searched = 0
    while True:
        over = channel.eof_received or channel.closed  # asked first: what came before the end is read below
        _drain(channel, heard)
        new, searched = heard.stdout[searched:], len(heard.stdout)
        if any(b"\n" in piece for piece in new):
            line, _, rest = b"".join(heard.stdout).partition(b"\n")
            heard.stdout = [rest] if rest else []
            return line
        if over or deadline.passed:
            return None
        _wait(channel, deadline)


def _wait(channel: Channel, deadline: Deadline) -> None:
    poller = select.poll()
    poller.register(channel.fileno(), select.POLLIN)
    poller.poll(deadline.left * 1000 + 1)


def _drain(channel: Channel, heard: Heard) -> None:
    while channel.recv_ready():
        heard.stdout.append(channel.recv(GULP))
    while channel.recv_stderr_ready():
        heard.stderr.append(channel.recv_stderr(GULP))
