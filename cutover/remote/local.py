"""Commands and uploads on this machine, for tests and for a controller that is its own host."""

import os
import selectors
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO

from cutover.remote.base import Conversation, DeadlinePassed, Progress, Result, command_line
from cutover.remote.commands import Commands, ended
from cutover.remote.deadline import Deadline, guarded


class LocalTransport(Commands):
    """The machine itself, asked just as a remote host would be: through its `sh`, in a session of its own."""

    def __init__(self, name: str = "localhost") -> None:
        super().__init__(name)

    def close(self) -> None:
        """Nothing is kept open here; who began a conversation ends it."""

    def converse(
        self, argv: Sequence[str], *, opening: bytes = b"", sudo: bool = False, deadline: float
    ) -> Conversation:
        """Start a program to converse with."""
        conversation = LocalConversation(self.name, self._start(command_line(argv, sudo=sudo)), sudo=sudo)
        try:
            conversation.open(opening, Deadline(deadline))
        except BaseException:
            conversation.close()
            raise
        return conversation

    def _execute(self, command: str, stdin: BinaryIO, *, deadline: float, progress: Progress | None = None) -> Result:
        until, data = Deadline(deadline), stdin.read()
        process = self._start(command)
        try:
            stdout, stderr = process.communicate(data, timeout=until.left)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise DeadlinePassed(self.name, f"no end of the command within {deadline:.1f} s") from error
        if progress is not None:
            progress(len(data))
        return _result(process, stdout, stderr, until)

    @staticmethod
    def _start(command: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            ("/bin/sh", "-c", command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )


class LocalConversation:
    """A program on this machine that answers line by line."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", *, sudo: bool) -> None:
        self._name, self._process, self._sudo = name, process, sudo
        self._heard = b""

    @property
    def alive(self) -> bool:
        """Whether it is running."""
        return self._process.poll() is None

    def open(self, opening: bytes, until: Deadline) -> None:
        """Send what the program reads first."""
        self._send(opening, until)

    def ask(self, line: bytes, *, deadline: float) -> bytes:
        """Send one line and wait for the line that answers it."""
        until = Deadline(deadline)
        self._send(line + b"\n", until)
        assert self._process.stdout is not None  # noqa: S101 - opened as a pipe
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._heard:
                if not selector.select(until.left):
                    raise DeadlinePassed(self._name, f"no answer within {deadline:.1f} s")
                more = os.read(self._process.stdout.fileno(), 1 << 20)
                if not more:
                    raise self._ended(until)
                self._heard += more
        answer, _, self._heard = self._heard.partition(b"\n")
        return answer

    def close(self) -> None:
        """End its input, wait a moment, then kill what is still there."""
        try:
            self._process.communicate(timeout=1)
        except subprocess.TimeoutExpired:
            self._kill()
            self._process.communicate()

    def _send(self, content: bytes, until: Deadline) -> None:
        assert self._process.stdin is not None  # noqa: S101 - opened as a pipe
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
        assert self._process.stderr is not None  # noqa: S101 - opened as a pipe
        if until.passed:
            return DeadlinePassed(self._name, f"no answer within {until.seconds:.1f} s")
        said = self._process.stderr.read()
        self._process.wait(timeout=until.left)
        return ended(self._name, _result(self._process, self._heard, said, until), sudo=self._sudo)


def _result(process: "subprocess.Popen[bytes]", stdout: bytes, stderr: bytes, until: Deadline) -> Result:
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name.removeprefix("SIG")
        return Result(None, stdout, stderr, until.spent, name)
    return Result(process.returncode, stdout, stderr, until.spent)
