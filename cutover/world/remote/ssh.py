"""Commands and uploads on a host over SSH: one Fabric connection, opened at first use and kept for the whole run."""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from fabric import Connection
from paramiko import Channel, ChannelException, SSHException

from cutover.words.errors import Problem, Unreachable
from cutover.words.host import Host
from cutover.world.remote.base import Conversation, DeadlinePassed, Lost, Progress, Result, command_line
from cutover.world.remote.commands import Commands
from cutover.world.remote.connecting import CHANNEL_TIMEOUT, SshAccess, hang_up
from cutover.world.remote.conversing import SshConversation
from cutover.world.remote.deadline import Deadline, guarded
from cutover.world.remote.exchange import INLINE, Feeder, Heard, end_input, listen, send_all
from cutover.world.remote.refusals import is_transient

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
