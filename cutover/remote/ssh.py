"""Programs and uploads on a host over SSH: one Fabric connection, opened at first use and kept for the whole run."""

import random
import select
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO

from fabric import Connection
from paramiko import Channel, SSHException

from cutover.core.errors import Problem, Unreachable
from cutover.core.host import Host
from cutover.remote.connect import SshAccess, hang_up, is_transient
from cutover.remote.timeouts import (
    CHANNEL_S,
    CLOSE_S,
    CONNECT_S,
    CONNECT_TRIES,
    DOUBTED_S,
    EXIT_STATUS_S,
    RETRY_S,
)
from cutover.remote.transport import (
    MOST_BYTES,
    Deadline,
    DeadlinePassed,
    Flooded,
    LineChannel,
    Lost,
    Result,
    Transport,
    as_root,
    guarded,
    why_ended,
)

CHUNK = 32 * 1024 - 64  # what fills one packet of OpenSSH
ALL = 16 * 1024 * 1024  # take all output there is: Paramiko's buffer is slow to cut in pieces
BROKEN = (SSHException, OSError, EOFError)


class ExecChannel:
    """One command on one SSH channel: its input goes in while its output comes out, so that neither waits for the other."""

    def __init__(self, name: str, connection: Connection, channel: Channel) -> None:
        self._name = name  # of the host, in the inventory
        self.connection = connection
        self.input_error: Exception | None = None  # of the source of the input; the channel's own show on the channel
        self._channel = channel
        self._stdout: list[bytes] = []
        self._stderr: list[bytes] = []
        self._held = 0  # bytes of output that nobody has taken yet
        self._exit_code: int | None = None
        self._signal: str | None = None

    @property
    def alive(self) -> bool:
        """Whether the channel still stands, as far as is known."""
        return not (self._channel.closed or self._channel.eof_received)

    def result(self) -> Result | None:
        """What came of the command; None where its output or how it ended is not known."""
        if not self._channel.eof_received or (self._exit_code is None and self._signal is None):
            return None
        return Result(self._exit_code, b"".join(self._stdout), b"".join(self._stderr), self._signal)

    def start(self, command: str) -> None:
        """Send the command."""
        self._channel.exec_command(command)

    def send(self, content: bytes) -> bool:
        """Send input; False when the other side takes no more, which the command's own end will explain."""
        try:
            while content:
                count = self._channel.send(content)
                if count == 0:
                    return False
                content = content[count:]
        except BROKEN:
            return False
        return True

    def end_input(self) -> None:
        """Send the end of input, where the channel still stands."""
        with suppress(*BROKEN):
            self._channel.shutdown_write()

    def feed(self, source: BinaryIO) -> None:
        """Send a source and the end of input, in a thread of its own; where the source fails, close the channel without it."""
        try:
            while chunk := source.read(CHUNK):
                if not self.send(chunk):
                    return
            self.end_input()
        except Exception as error:  # noqa: BLE001 - raised again by the thread that waits for the command
            self.input_error = error
            self._channel.close()

    def wait(self, until: Deadline) -> None:
        """Collect output until the command has ended or the deadline has passed."""
        while self.alive and not until.passed:
            self._poll(until)
            self._drain()
        self._drain()
        # The output has ended; the exit status may come later, where a command has closed its output and works on.
        if self.alive or not self._channel.status_event.wait(until.left):
            return
        self._signal = getattr(self._channel, "exit_signal", None)
        if self._channel.exit_status >= 0:
            self._exit_code = self._channel.exit_status

    def read_line(self, until: Deadline) -> bytes | None:
        """The next line of output, without its end. None where the output or the time ended first."""
        searched = 0
        while True:
            over = not self.alive  # asked first: what came before the end is read below
            self._drain()
            new, searched = self._stdout[searched:], len(self._stdout)
            if any(b"\n" in piece for piece in new):
                line, _, rest = b"".join(self._stdout).partition(b"\n")
                self._stdout = [rest] if rest else []
                self._held = len(rest) + sum(map(len, self._stderr))
                return line
            if over or until.passed:
                return None
            self._poll(until)

    def close(self) -> None:
        """Close it; where even that gets no further, the connection is stuck and is given up."""
        if not self._channel.closed:
            with guarded(CLOSE_S, lambda: hang_up(self.connection)), suppress(*BROKEN):
                self._channel.close()

    def _poll(self, until: Deadline) -> None:
        poller = select.poll()
        poller.register(self._channel.fileno(), select.POLLIN)
        poller.poll(until.left * 1000 + 1)

    def _drain(self) -> None:
        while self._channel.recv_ready():
            self._take(self._stdout, self._channel.recv(ALL))
        while self._channel.recv_stderr_ready():
            self._take(self._stderr, self._channel.recv_stderr(ALL))

    def _take(self, output: list[bytes], piece: bytes) -> None:
        output.append(piece)
        self._held += len(piece)
        if self._held > MOST_BYTES:
            self.close()
            raise Flooded(self._name, f"it sent more than {MOST_BYTES >> 20} MB for one answer")


class SshLineChannel(LineChannel):
    """A program kept running over one SSH channel: what it costs to start is paid once."""

    def __init__(self, transport: "SshTransport", channel: ExecChannel) -> None:
        self._transport, self._channel = transport, channel

    @property
    def alive(self) -> bool:
        """Whether the channel still stands, as far as is known."""
        return self._channel.alive

    def ask(self, line: bytes, *, deadline: float) -> bytes:
        """Send one line and wait for the answer; where the connection goes meanwhile, what was done is unknown (Lost)."""
        until = Deadline(deadline)
        with guarded(until.left, self._channel.close):
            sent = self._channel.send(line + b"\n")
        answer = self._channel.read_line(until) if sent else None
        if answer is None:
            raise self._why_silent(until)
        return answer

    def close(self) -> None:
        """End its input, and close the channel, which counts as one of sshd's sessions until then."""
        if self.alive:
            self._channel.end_input()
        self._channel.close()

    def _why_silent(self, until: Deadline) -> Exception:
        host = self._transport.name
        if until.passed:
            self._transport.doubted = self._channel.connection
            return DeadlinePassed(host, f"no answer within {until.seconds:.1f} s")
        self._channel.wait(Deadline(min(until.left, EXIT_STATUS_S)))
        result = self._channel.result()
        return why_ended(host, result) if result else Lost(host, "the connection was lost with a question in flight")


class SshTransport(Transport):
    """One host over SSH. Several threads may use it at once: each command has a channel of its own."""

    def __init__(self, host: Host, access: SshAccess) -> None:
        super().__init__(host.name)
        self.doubted: Connection | None = None  # one that let a deadline pass: the command may hang, or all of it
        self._host, self._access = host, access
        self._connection: Connection | None = None
        self._connecting = threading.Lock()

    def close(self) -> None:
        """End the connection; commands in flight end as Lost."""
        connection, self._connection = self._connection, None
        if connection is not None:
            hang_up(connection)

    def open_channel(self, argv: Sequence[str], *, opening: bytes = b"", deadline: float) -> LineChannel:
        """Start a program on a channel of its own. Where it ended before it had read the opening, the first question says why."""
        return SshLineChannel(self, self._start(as_root(argv), opening, Deadline(deadline)))

    def _execute(self, command: str, stdin: BinaryIO, *, deadline: float) -> Result:
        until = Deadline(deadline)
        channel = self._start(command, b"", until)
        try:
            threading.Thread(target=channel.feed, args=(stdin,), name="ssh-input", daemon=True).start()
            channel.wait(until)
        finally:
            channel.close()
        result = channel.result()
        self.doubted = None if result is not None else channel.connection
        if channel.input_error is not None:
            raise channel.input_error
        if result is None:
            raise self._unknown(until)
        return result

    def _start(self, command: str, first: bytes, until: Deadline) -> ExecChannel:
        """Send a command and the first of its input; from here on it may have run, and is never sent again."""
        if until.passed:
            raise DeadlinePassed(self.name, "no time was left to begin")
        channel = self._open_session(until)
        try:
            with guarded(until.left, channel.close):
                channel.start(command)
                channel.send(first)
        except BROKEN as error:
            channel.close()
            self.doubted = channel.connection
            raise self._unknown(until, error) from error
        except BaseException:
            channel.close()
            raise
        return channel

    def _open_session(self, until: Deadline) -> ExecChannel:
        """A new channel; nothing has been sent yet, so a dead connection is replaced and tried again, once."""
        for last in (False, True):
            connection = self._connected(until)
            patience = min(until.left, DOUBTED_S if connection is self.doubted else CHANNEL_S)
            try:
                with guarded(patience + CLOSE_S, lambda stuck=connection: hang_up(stuck)):  # type: ignore[misc]
                    channel = connection.transport.open_session(timeout=patience)
                return ExecChannel(self.name, connection, channel)
            except BROKEN as error:
                if until.passed:
                    self.doubted = connection
                    raise DeadlinePassed(self.name, f"no session opened within {until.seconds:.1f} s") from error
                self._replace(connection)
                if last:
                    problem = Problem(
                        host=self.name,
                        found=f"connected, but sshd opens no session: {error}",
                        next="see MaxSessions in its sshd_config, and `journalctl -u ssh` on the host",
                    )
                    raise Unreachable(problem) from error
        raise AssertionError("unreachable: the second round returns or raises")

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
        for attempt in range(1, CONNECT_TRIES + 1):
            try:
                with self._access.place(self._host, until):
                    return self._access.open(self._host, Deadline(min(until.left, CONNECT_S)))
            except Unreachable as error:
                if attempt == CONNECT_TRIES or not is_transient(error.__cause__):
                    raise
            time.sleep(min(attempt * random.uniform(*RETRY_S), until.left))  # noqa: S311 - no secret
        raise AssertionError("unreachable: the last try returns or raises")

    def _replace(self, connection: Connection) -> None:
        """Let the next call connect anew; what runs on the old connection ends as Lost."""
        with self._connecting:
            if self._connection is not connection:
                return  # another thread was quicker
            self._connection = None
        hang_up(connection)
