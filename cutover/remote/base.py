"""What every way to a host offers: run a command, run shell text, converse with a program, upload a file; and how each can fail.

    RemoteError               the outcome on the host is not known, or the effect did not happen
    ├── Lost                  the connection went away with a command in flight; it may have worked or not
    ├── DeadlinePassed        no answer in time; the command may still be running there
    ├── Ended                 the program ended where it should have answered
    └── UploadFailed          the file is not on the host; what was there before is unchanged

A host that cannot be reached at all is `Unreachable` of words/errors: nothing was sent, so nothing is unknown.
"""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cutover.core.errors import Problem

Progress = Callable[[int], None]


class RemoteError(Exception):
    """Base of what can go wrong once a connection stood; carries the problem to show."""

    def __init__(self, host: str, found: str, then: str) -> None:
        self.problem = Problem(host=host, found=found, next=then)
        super().__init__(f"{host}: {found}")


class Lost(RemoteError):
    """The connection went away with a command in flight: what it did is unknown until the host is asked."""

    def __init__(self, host: str, found: str) -> None:
        super().__init__(host, found, "ask the host what was done before repeating anything (`./invokew status`)")


class DeadlinePassed(RemoteError):
    """No answer before the deadline; the remote command may still be running."""

    def __init__(self, host: str, found: str) -> None:
        super().__init__(
            host, found, "see what the host is busy with (`./invokew status`, then `systemctl` on the host)"
        )


class UploadFailed(RemoteError):
    """The file did not arrive whole; the target is as it was before."""

    def __init__(self, host: str, found: str) -> None:
        super().__init__(host, found, "check space and permissions of the target directory, then run again")


class Ended(RemoteError):
    """A program that is conversed with ended instead of answering; `result` says how, and what it had said."""

    def __init__(self, host: str, result: "Result") -> None:
        said = result.stderr.decode(errors="replace").strip()[-2000:]
        how = f"exit status {result.exit_code}" if result.signal is None else f"signal {result.signal}"
        super().__init__(host, f"it ended without an answer ({how}): {said}", "see the log for what the host said")
        self.result = result


@dataclass(frozen=True)
class Result:
    """One finished remote command. `exit_code` None means that a signal ended it: unknown, never success."""

    exit_code: int | None
    stdout: bytes
    stderr: bytes
    seconds: float
    signal: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the command itself said so, with exit status 0."""
        return self.exit_code == 0


class Conversation(Protocol):
    """A program that is kept running on the host and answers one line for each line. One thread at a time."""

    @property
    def alive(self) -> bool:
        """Whether it can be asked again, as far as is known without asking."""
        ...

    def ask(self, line: bytes, *, deadline: float) -> bytes:
        """Send one line (without its end) and give the line that answers it; never sent twice. After an error it is of no more use."""
        ...

    def close(self) -> None:
        """End the program's input, which is how it is told to end."""
        ...


class Transport(Protocol):
    """One host, one connection, kept for the whole run. `deadline` is in seconds and the outer bound of the call."""

    @property
    def name(self) -> str:
        """The host's name in the inventory."""
        ...

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", sudo: bool = False, deadline: float) -> Result:
        """Run one command, never twice; secrets travel in `stdin`, not in `argv`."""
        ...

    def shell(self, script: str, *, stdin: bytes = b"", sudo: bool = False, deadline: float) -> Result:
        """Run shell text with the host's `sh`."""
        ...

    def converse(
        self, argv: Sequence[str], *, opening: bytes = b"", sudo: bool = False, deadline: float
    ) -> Conversation:
        """Start a program to converse with; `opening` is the first that it reads, before any line."""
        ...

    def upload(
        self,
        source: Path,
        target: str,
        *,
        sha256: str,
        deadline: float,
        sudo: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Put a file at `target`, whole or not at all, verified there by digest; `progress` is told the bytes sent."""
        ...

    def close(self) -> None:
        """End the connection; a later call opens a new one."""
        ...


class Shell(Protocol):
    """Who runs shell text on a host as root: the host's agent, which waits there anyway, so that a question costs no login."""

    @property
    def name(self) -> str:
        """The host's name in the inventory."""
        ...

    def shell(self, script: str, *, deadline: float) -> Result:
        """Run shell text with the host's `sh`, within `deadline` seconds."""
        ...


def command_line(argv: Sequence[str], *, sudo: bool) -> str:
    """The one place where arguments become shell text; `exec` keeps a shell from hiding a signal behind 128 + n."""
    if not argv:
        raise ValueError("no command given")
    if any("\0" in word for word in argv):
        raise ValueError("a command line cannot carry a NUL byte; send it through stdin")
    return "exec " + shlex.join([*(("sudo", "-n", "--") if sudo else ()), *argv])
