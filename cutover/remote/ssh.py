"""Commands and uploads on a host over SSH: one Fabric connection, opened at first use and kept for the whole run."""

import random
import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

from fabric import Connection
from paramiko import Channel, ChannelException, SSHException

from cutover.core.errors import Problem, Unreachable
from cutover.core.host import Host
from cutover.remote.base import Conversation, DeadlinePassed, Lost, Progress, Result, command_line
from cutover.remote.commands import Commands, ended
from cutover.remote.connect import CHANNEL_TIMEOUT, SshAccess, exit_signal, hang_up, is_transient
from cutover.remote.deadline import Deadline, guarded

# One command on one open SSH channel: input goes in while output comes out, so that neither waits for the other.

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


# A program kept running on a host over one SSH channel, asked line by line: what it costs to start is paid once.

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


CONNECT = 10.0  # seconds for one try to connect
TRIES = 3
SESSIONS = 8  # at once on one connection; sshd allows 10 (MaxSessions), and an ended one is freed a moment later
DOUBTED = 2.0  # seconds for a connection that let a deadline pass to show that it is alive
PARTING = 1.0  # seconds for a channel to be closed before the connection under it is given up
BROKEN = (SSHException, OSError, EOFError)


class SshTransport(Commands):
    """One host over SSH. Several threads may use it at once: each command has a channel of its own."""

    def __init__(self, host: Host, access: SshAccess) -> None:
        super().__init__(host.name)
        self._host, self._access = host, access
        self._connection: Connection | None = None
        self._retired: Connection | None = None  # one without room for more sessions, where commands may still run
        self._doubted: Connection | None = None  # one that let a deadline pass: the command may hang, or all of it
        self._connecting = threading.Lock()
        self._sessions = threading.BoundedSemaphore(SESSIONS)

    def close(self) -> None:
        """End the connection; commands in flight end as Lost."""
        ended = (self._connection, self._retired)
        self._connection = self._retired = None
        for connection in ended:
            if connection is not None:
                hang_up(connection)

    def converse(
        self, argv: Sequence[str], *, opening: bytes = b"", sudo: bool = False, deadline: float
    ) -> Conversation:
        """Start a program on a channel of its own, which counts as one of the connection's sessions until it is closed."""
        until = Deadline(deadline)
        connection, channel = self._channel(until)
        freed = threading.Lock()  # held by who gives the session back

        def part() -> None:
            if freed.acquire(blocking=False):
                self._sessions.release()
            _part(connection, channel)

        def doubt() -> None:
            self._doubted = connection

        conversation = SshConversation(self.name, channel, sudo=sudo, part=part, doubt=doubt)
        try:
            with guarded(until.left, part):
                channel.exec_command(command_line(argv, sudo=sudo))
            conversation.open(opening, until)
        except BROKEN as error:
            part()
            doubt()
            raise self._unknown(until, error) from error
        except BaseException:
            part()
            raise
        return conversation

    def _execute(self, command: str, stdin: BinaryIO, *, deadline: float, progress: Progress | None = None) -> Result:
        until = Deadline(deadline)
        connection, channel = self._channel(until)
        try:
            with _parting(connection, channel):
                feeder = self._begin(connection, channel, command, stdin, until, progress)
                heard = listen(channel, until)
            self._doubted = None if heard.complete else connection
            return self._judge(heard, feeder, until)
        finally:
            self._sessions.release()

    def _channel(self, until: Deadline) -> tuple[Connection, Channel]:
        """A new channel, once there is room for one; who ends it gives the session back."""
        if until.passed:
            raise DeadlinePassed(self.name, "no time was left to begin")
        if not self._sessions.acquire(timeout=until.left):
            raise DeadlinePassed(self.name, f"{SESSIONS} commands were running at once for {until.seconds:.1f} s")
        try:
            return self._open_channel(until)
        except BaseException:
            self._sessions.release()
            raise

    def _open_channel(self, until: Deadline) -> tuple[Connection, Channel]:
        """A new channel; nothing has been sent yet, so a dead connection is replaced and tried again, once."""
        for last in (False, True):
            connection = self._connected(until)
            patience = min(until.left, DOUBTED if connection is self._doubted else CHANNEL_TIMEOUT)
            try:
                with guarded(patience + PARTING, lambda stuck=connection: hang_up(stuck)):  # type: ignore[misc]
                    return connection, connection.transport.open_session(timeout=patience)
            except BROKEN as error:
                if until.passed:
                    self._doubted = connection
                    raise DeadlinePassed(self.name, f"no session opened within {until.seconds:.1f} s") from error
                self._replace(connection, alive=isinstance(error, ChannelException))
                if last:
                    raise Unreachable(_no_session(self.name, error)) from error
        raise AssertionError("unreachable: the second round returns or raises")

    def _begin(
        self,
        connection: Connection,
        channel: Channel,
        command: str,
        stdin: BinaryIO,
        until: Deadline,
        progress: Progress | None,
    ) -> Feeder | None:
        """Send the command and its input; from here on it may have run, and is never sent again."""
        try:
            with guarded(until.left, lambda: _part(connection, channel)):
                channel.exec_command(command)
                first = stdin.read(INLINE)
                sent = send_all(channel, first)
                if len(first) < INLINE:
                    end_input(channel)
        except BROKEN as error:
            self._doubted = connection
            raise self._unknown(until, error) from error
        if progress is not None and sent:
            progress(len(first))
        if len(first) < INLINE or not sent:
            return None
        feeder = Feeder(channel, stdin, progress, sent=len(first))
        feeder.start()
        return feeder

    def _judge(self, heard: Heard, feeder: Feeder | None, until: Deadline) -> Result:
        if feeder is not None and feeder.error is not None:
            raise feeder.error
        if not heard.complete:
            raise self._unknown(until)
        stdout, stderr = b"".join(heard.stdout), b"".join(heard.stderr)
        return Result(heard.exit_code, stdout, stderr, until.spent, heard.signal)

    def _unknown(self, until: Deadline, error: Exception | None = None) -> Lost | DeadlinePassed:
        if until.passed:
            return DeadlinePassed(self.name, f"no end of the command within {until.seconds:.1f} s")
        return Lost(self.name, f"the connection was lost with a command in flight{f' ({error})' if error else ''}")

    def _connected(self, until: Deadline) -> Connection:
        """The live connection, or a new one; one thread opens it, the others wait for that."""
        if not self._connecting.acquire(timeout=until.left):
            raise DeadlinePassed(self.name, "another thread was connecting all the time")
        try:
            if self._connection is None or not self._connection.is_connected:
                self._connection = self._connect(until)
            return self._connection
        finally:
            self._connecting.release()

    def _connect(self, until: Deadline) -> Connection:
        for attempt in range(1, TRIES + 1):
            try:
                with self._access.gate.place(until.left) as mine:
                    if not mine:
                        raise DeadlinePassed(self.name, "too many other connections were being opened all the time")
                    return self._access.open(self._host, Deadline(min(until.left, CONNECT)))
            except Unreachable as error:
                cause = error.__cause__
                if attempt == TRIES or not isinstance(cause, Exception) or not is_transient(cause):
                    raise
            jitter = random.uniform(0.1, 0.4)  # noqa: S311 - no secret: hosts that fail together shall not retry together
            time.sleep(min(attempt * jitter, until.left))
        raise AssertionError("unreachable: the last try returns or raises")

    def _replace(self, connection: Connection, *, alive: bool) -> None:
        """Let the next call connect anew. Where sshd lives and only gives no session, what runs there runs on.

        That is so when commands that were given up still fill MaxSessions: a new connection has room again.
        """
        with self._connecting:
            if self._connection is not connection:
                return  # another thread was quicker
            self._connection = None
            gone, self._retired = (self._retired, connection) if alive else (connection, self._retired)
        if gone is not None:
            hang_up(gone)


@contextmanager
def _parting(connection: Connection, channel: Channel) -> Iterator[None]:
    """Close the channel at the end, whatever the end is."""
    try:
        yield
    finally:
        if not channel.closed:
            _part(connection, channel)


def _part(connection: Connection, channel: Channel) -> None:
    """Close a channel; where even that gets no further, the whole connection is stuck and is given up."""
    with guarded(PARTING, lambda: hang_up(connection)):
        _close(channel)


def _close(channel: Channel) -> bool:
    try:
        channel.close()
    except BROKEN:
        return False  # the connection went first: closed is closed
    return True


def _no_session(host: str, error: Exception) -> Problem:
    refused = isinstance(error, ChannelException)
    return Problem(
        host=host,
        found=f"connected, but sshd opens no session: {error}",
        next="see MaxSessions in its sshd_config" if refused else "see `journalctl -u ssh` on the host",
    )
