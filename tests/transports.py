"""Two more transports, for tests: a host in memory, and this machine. The contract suite holds for both."""

import os
import selectors
import shlex
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO

from cutover.remote.transport import (
    Deadline,
    DeadlinePassed,
    LineChannel,
    Lost,
    Result,
    Transport,
    as_root,
    command_line,
    guarded,
    why_ended,
)


@dataclass(frozen=True)
class Call:
    """A program as the fake host was asked to start it, and what it was given to read."""

    argv: tuple[str, ...]
    stdin: bytes = b""


Answer = Callable[[Call], Result]


def says(
    stdout: bytes | str = b"", exit_code: int | None = 0, stderr: bytes = b"", signal: str | None = None
) -> Result:
    """A Result for an answer, without naming what does not matter."""
    return Result(exit_code, stdout.encode() if isinstance(stdout, str) else stdout, stderr, signal)


class FakeTransport(Transport):
    """A host in memory. `calls` and `files` are what reached it."""

    def __init__(self, name: str, answer: Answer = lambda _: says()) -> None:
        super().__init__(name)
        self.answer = answer
        self.calls: list[Call] = []
        self.files: dict[str, bytes] = {}
        self.lost = False

    def lose(self) -> None:
        """Lose the connection with a command in flight, before it took effect."""
        self.lost = True

    def open_channel(self, argv: Sequence[str], *, opening: bytes = b"", deadline: float) -> LineChannel:
        """A channel on which the function answers each line; it sees the opening before every one."""
        self.reach(deadline)
        return _FakeChannel(self, argv, opening)

    def close(self) -> None:
        """Nothing is kept open."""

    def reach(self, deadline: float) -> None:
        """Raise what a broken host raises."""
        if self.lost:
            raise Lost(self.name, "the connection was lost with a command in flight")
        if deadline <= 0:
            raise DeadlinePassed(self.name, f"no end of the command within {deadline:.1f} s")

    def _execute(self, command: str, stdin: BinaryIO, *, deadline: float) -> Result:
        self.reach(deadline)
        *_, target, digest = shlex.split(command)
        content = stdin.read()
        if (found := sha256(content).hexdigest()) != digest:
            return says(exit_code=1, stderr=f"arrived with digest {found} instead of {digest}".encode())
        self.files[target] = content
        return says()


class _FakeChannel(LineChannel):
    alive = True

    def __init__(self, transport: FakeTransport, argv: Sequence[str], opening: bytes) -> None:
        self._transport, self._argv, self._opening = transport, argv, opening

    def ask(self, line: bytes, *, deadline: float) -> bytes:
        self._transport.reach(deadline)
        call = Call(tuple(self._argv), self._opening + line + b"\n")
        self._transport.calls.append(call)
        result = self._transport.answer(call)
        answer, end, _ = result.stdout.partition(b"\n")
        if not end:
            self.alive = False
            raise why_ended(self._transport.name, result)
        return answer

    def close(self) -> None:
        self.alive = False


class LocalTransport(Transport):
    """The machine itself, asked just as a remote host would be: through its `sh`, in a session of its own."""

    def __init__(self, name: str = "localhost", *, with_sudo: bool = True) -> None:
        super().__init__(name)
        self._with_sudo = with_sudo  # without it agents run as whoever runs the tests

    def open_channel(self, argv: Sequence[str], *, opening: bytes = b"", deadline: float) -> LineChannel:
        """Start a program that answers lines."""
        if deadline <= 0:
            raise DeadlinePassed(self.name, "no time was left to begin")
        process = _start(as_root(argv) if self._with_sudo else command_line(argv))
        channel = _LocalChannel(self.name, process)
        try:
            channel.send(opening, Deadline(deadline))
        except BaseException:
            channel.close()
            raise
        return channel

    def close(self) -> None:
        """Nothing is kept open here; who opened a channel closes it."""

    def _execute(self, command: str, stdin: BinaryIO, *, deadline: float) -> Result:
        until, process = Deadline(deadline), _start(command)
        try:
            stdout, stderr = process.communicate(stdin.read(), timeout=until.left)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise DeadlinePassed(self.name, f"no end of the command within {deadline:.1f} s") from error
        return result_of(process.returncode, stdout, stderr)


class _LocalChannel(LineChannel):
    def __init__(self, name: str, process: "subprocess.Popen[bytes]") -> None:
        self._name, self._process = name, process
        self._output = b""

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, line: bytes, *, deadline: float) -> bytes:
        until = Deadline(deadline)
        self.send(line + b"\n", until)
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._output:
                if not selector.select(until.left):
                    raise DeadlinePassed(self._name, f"no answer within {deadline:.1f} s")
                more = os.read(self._process.stdout.fileno(), 1 << 20)
                if not more:
                    raise self._ended(until)
                self._output += more
        answer, _, self._output = self._output.partition(b"\n")
        return answer

    def close(self) -> None:
        """End its input, wait a moment, then kill what is still there."""
        try:
            self._process.communicate(timeout=1)
        except subprocess.TimeoutExpired:
            self._kill()
            self._process.communicate()

    def send(self, content: bytes, until: Deadline) -> None:
        assert self._process.stdin is not None
        try:
            with guarded(until.left, self._kill):  # one that does not read may not hold us for ever
                self._process.stdin.write(content)
                self._process.stdin.flush()
        except BrokenPipeError as broken:
            raise self._ended(until) from broken

    def _kill(self) -> None:
        with suppress(ProcessLookupError):  # it ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)

    def _ended(self, until: Deadline) -> Exception:
        assert self._process.stderr is not None
        if until.passed:
            return DeadlinePassed(self._name, f"no answer within {until.seconds:.1f} s")
        stderr = self._process.stderr.read()
        self._process.wait(timeout=until.left)
        return why_ended(self._name, result_of(self._process.returncode, self._output, stderr))


def answer(transport: Transport, script: str, *, deadline: float = 20) -> bytes:
    """The line that a script on the host says when it is asked for one."""
    channel = transport.open_channel(("sh", "-c", f"read -r question; {script}"), deadline=deadline)
    try:
        return channel.ask(b"", deadline=deadline)
    finally:
        channel.close()


def reaches(transport: Transport, *, deadline: float = 20) -> bool:
    """Whether the host answers; what keeps it from that is raised."""
    return answer(transport, "echo there", deadline=deadline) == b"there"


def _start(command: str) -> "subprocess.Popen[bytes]":
    pipe = subprocess.PIPE
    return subprocess.Popen(("/bin/sh", "-c", command), stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)


def result_of(returncode: int, stdout: bytes, stderr: bytes) -> Result:
    """The Result of a process of this machine."""
    if returncode < 0:
        return Result(None, stdout, stderr, signal.Signals(-returncode).name.removeprefix("SIG"))
    return Result(returncode, stdout, stderr)
