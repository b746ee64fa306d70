"""A host that exists only in memory: answers by a function, and loses, hangs or refuses when told to. For tests."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover.core.errors import Problem, Unreachable
from cutover.remote.base import Conversation, DeadlinePassed, Lost, Progress, Result, UploadFailed, command_line
from cutover.remote.commands import ended


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


class FakeTransport:
    """A host in memory. `calls` and `files` are what reached it; what is broken stays so until `heal`."""

    def __init__(self, name: str, answer: Answer = lambda _: says()) -> None:
        self.name = name
        self.answer = answer
        self.calls: list[Call] = []
        self.files: dict[str, bytes] = {}
        self.closed = 0
        self._before: Exception | None = None
        self._after: Exception | None = None
        self._lock = threading.Lock()

    def lose(self, *, after: bool = False) -> None:
        """Lose the connection with a command in flight: before it took effect, or `after` it did."""
        self._break(Lost(self.name, "the connection was lost with a command in flight"), after=after)

    def hang(self, *, after: bool = False) -> None:
        """Never answer; the deadline passes at once, without waiting."""
        self._break(DeadlinePassed(self.name, "no end of the command in time"), after=after)

    def refuse(self, problem: Problem | None = None) -> None:
        """Let nobody in."""
        refused = Problem(
            host=self.name, found=f"{self.name}:22 refused the connection", next="see that sshd runs there"
        )
        self._break(Unreachable(problem or refused), after=False)

    def heal(self) -> None:
        """Work again."""
        self._before = self._after = None

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", sudo: bool = False, deadline: float) -> Result:
        """Answer one command by the function."""
        command_line(argv, sudo=sudo)  # what cannot be said to a real host is refused here too
        if self._before is not None:
            raise self._before
        if deadline <= 0:
            raise DeadlinePassed(self.name, f"no end of the command within {deadline:.1f} s")
        call = Call(tuple(argv), stdin, sudo)
        with self._lock:
            self.calls.append(call)
        result = self.answer(call)
        if self._after is not None:
            raise self._after
        return result

    def shell(self, script: str, *, stdin: bytes = b"", sudo: bool = False, deadline: float) -> Result:
        """Answer shell text, which the function sees as `sh -c`."""
        return self.run(("sh", "-c", script), stdin=stdin, sudo=sudo, deadline=deadline)

    def converse(
        self, argv: Sequence[str], *, opening: bytes = b"", sudo: bool = False, deadline: float
    ) -> Conversation:
        """A conversation in which the function answers each line; it sees the opening before every one."""
        if self._before is not None:
            raise self._before
        if deadline <= 0:
            raise DeadlinePassed(self.name, "no time was left to begin")
        return FakeConversation(self, argv, opening, sudo=sudo)

    def upload(
        self,
        source: Path,
        target: str,
        *,
        sha256: str,
        deadline: float,
        sudo: bool = False,  # noqa: ARG002 - everybody may write here
        progress: Progress | None = None,
    ) -> None:
        """Keep the file in `files`, where its digest is right."""
        if self._before is not None:
            raise self._before
        if deadline <= 0:
            raise DeadlinePassed(self.name, f"no end of the upload within {deadline:.1f} s")
        data = source.read_bytes()
        got = hashlib.sha256(data).hexdigest()
        if got != sha256:
            raise UploadFailed(self.name, f"{source.name} did not arrive at {target}: digest {got} instead of {sha256}")
        self.files[target] = data
        if progress is not None:
            progress(len(data))
        if self._after is not None:
            raise self._after

    def close(self) -> None:
        """Count that it was closed."""
        self.closed += 1

    def _break(self, error: Exception, *, after: bool) -> None:
        if after:
            self._after = error
        else:
            self._before = error


class FakeConversation:
    """What a program would answer line by line, by the function of its host."""

    def __init__(self, transport: FakeTransport, argv: Sequence[str], opening: bytes, *, sudo: bool) -> None:
        self._transport, self._argv, self._opening, self._sudo = transport, argv, opening, sudo
        self.alive = True

    def ask(self, line: bytes, *, deadline: float) -> bytes:
        """The first line of what the function says; without one, the program has ended."""
        result = self._transport.run(self._argv, stdin=self._opening + line + b"\n", sudo=self._sudo, deadline=deadline)
        answer, end, _ = result.stdout.partition(b"\n")
        if not end:
            self.alive = False
            raise ended(self._transport.name, result, sudo=self._sudo)
        return answer

    def close(self) -> None:
        """It is over."""
        self.alive = False
