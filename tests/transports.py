"""Two more transports, for tests: a host in memory that can be broken in every way, and this machine. The contract suite holds for both."""

import os
import selectors
import shlex
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from typing import BinaryIO

from cutover.core.errors import Problem, Unreachable
from cutover.remote.transport import (
    RECEIVE,
    Deadline,
    DeadlinePassed,
    LineChannel,
    Lost,
    Result,
    Transport,
    command_line,
    guarded,
    why_ended,
)


@dataclass(frozen=True)
class Call:
    """One command as the fake host was asked it."""

    argv: tuple[str, ...]
    stdin: bytes = b""
    sudo: bool = False


Answer = Callable[[Call], Result]


def says(
    stdout: bytes | str = b"", exit_code: int | None = 0, stderr: bytes = b"", signal: str | None = None
) -> Result:
    """A Result for an answer, without naming what does not matter."""
    return Result(exit_code, stdout.encode() if isinstance(stdout, str) else stdout, stderr, 0.0, signal)


class FakeTransport(Transport):
    """A host in memory. `calls` and `files` are what reached it; what is broken stays so until `heal`."""

    def __init__(self, name: str, answer: Answer = lambda _: says()) -> None:
        super().__init__(name)
        self.answer = answer
        self.calls: list[Call] = []
        self.files: dict[str, bytes] = {}
        self.closed = 0
        self._before: Exception | None = None
        self._after: Exception | None = None
        self._lock = Lock()

    def lose(self, *, after: bool = False) -> None:
        """Lose the connection with a command in flight: before it took effect, or `after` it did."""
        self._break(Lost(self.name, "the connection was lost with a command in flight"), after=after)

    def hang(self, *, after: bool = False) -> None:
        """Never answer; the deadline passes at once, without waiting."""
        self._break(DeadlinePassed(self.name, "no end of the command in time"), after=after)

    def refuse(self, problem: Problem | None = None) -> None:
        """Let nobody log in."""
        refused = Problem(
            host=self.name, found=f"{self.name}:22 refused the connection", next="see that sshd runs there"
        )
        self._break(Unreachable(problem or refused), after=False)

    def heal(self) -> None:
        """Work again."""
        self._before = self._after = None

    def open_channel(
        self, argv: Sequence[str], *, opening: bytes = b"", sudo: bool = False, deadline: float
    ) -> LineChannel:
        """A channel on which the function answers each line; it sees the opening before every one."""
        self._reach(deadline)
        return _FakeChannel(self, argv, opening, sudo=sudo)

    def close(self) -> None:
        """Count that it was closed."""
        self.closed += 1

    def _execute(self, command: str, stdin: BinaryIO, *, deadline: float) -> Result:
        self._reach(deadline)
        argv = shlex.split(command)[1:]  # without `exec`
        sudo = argv[:3] == ["sudo", "-n", "--"]
        call = Call(tuple(argv[3:] if sudo else argv), stdin.read(), sudo)
        if RECEIVE in argv:
            result = self._receive(argv[-2], argv[-1], call.stdin)
        else:
            with self._lock:
                self.calls.append(call)
            result = self.answer(call)
        if self._after is not None:
            raise self._after
        return result

    def _receive(self, target: str, digest: str, content: bytes) -> Result:
        if (found := sha256(content).hexdigest()) != digest:
            return says(exit_code=1, stderr=f"arrived with digest {found} instead of {digest}".encode())
        self.files[target] = content
        return says()

    def _reach(self, deadline: float) -> None:
        if self._before is not None:
            raise self._before
        if deadline <= 0:
            raise DeadlinePassed(self.name, f"no end of the command within {deadline:.1f} s")

    def _break(self, error: Exception, *, after: bool) -> None:
        if after:
            self._after = error
        else:
            self._before = error


class _FakeChannel(LineChannel):
    alive = True

    def __init__(self, transport: FakeTransport, argv: Sequence[str], opening: bytes, *, sudo: bool) -> None:
        self._transport, self._argv, self._opening, self._sudo = transport, argv, opening, sudo

    def ask(self, line: bytes, *, deadline: float) -> bytes:
        result = self._transport.run(self._argv, stdin=self._opening + line + b"\n", sudo=self._sudo, deadline=deadline)
        answer, end, _ = result.stdout.partition(b"\n")
        if not end:
            self.alive = False
            raise why_ended(self._transport.name, result, sudo=self._sudo)
        return answer

    def close(self) -> None:
        self.alive = False


class LocalTransport(Transport):
    """The machine itself, asked just as a remote host would be: through its `sh`, in a session of its own."""

    def __init__(self, name: str = "localhost", *, with_sudo: bool = True) -> None:
        super().__init__(name)
        self._with_sudo = with_sudo  # without it agents run as whoever runs the tests

    def open_channel(
        self, argv: Sequence[str], *, opening: bytes = b"", sudo: bool = False, deadline: float
    ) -> LineChannel:
        """Start a program that answers lines."""
        process = _start(command_line(argv, sudo=sudo and self._with_sudo))
        channel = _LocalChannel(self.name, process, sudo=sudo)
        try:
            channel.send(opening, Deadline(deadline))
        except BaseException:
            channel.close()
            raise
        return channel

    def close(self) -> None:
        """Nothing is kept open here; who opened a channel closes it."""

    def _execute(self, command: str, stdin: BinaryIO, *, deadline: float) -> Result:
        if deadline <= 0:
            raise DeadlinePassed(self.name, "no time was left to begin")
        until, process = Deadline(deadline), _start(command)
        try:
            stdout, stderr = process.communicate(stdin.read(), timeout=until.left)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise DeadlinePassed(self.name, f"no end of the command within {deadline:.1f} s") from error
        return _result(process, stdout, stderr, until)


class _LocalChannel(LineChannel):
    def __init__(self, name: str, process: "subprocess.Popen[bytes]", *, sudo: bool) -> None:
        self._name, self._process, self._sudo = name, process, sudo
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
        return why_ended(self._name, _result(self._process, self._output, stderr, until), sudo=self._sudo)


def _start(command: str) -> "subprocess.Popen[bytes]":
    pipe = subprocess.PIPE
    return subprocess.Popen(("/bin/sh", "-c", command), stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)


def _result(process: "subprocess.Popen[bytes]", stdout: bytes, stderr: bytes, until: Deadline) -> Result:
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name.removeprefix("SIG")
        return Result(None, stdout, stderr, until.spent, name)
    return Result(process.returncode, stdout, stderr, until.spent)
