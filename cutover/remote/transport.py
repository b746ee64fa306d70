"""One host over one connection: keep a program open for questions, upload a file.

How each can fail once the connection stands:

    RemoteError               the outcome on the host is not known, or the effect did not happen
    ├── Lost                  the connection went away with a command in flight; it may have worked or not
    ├── DeadlinePassed        no answer in time; the command may still be running there
    ├── ProgramEnded          the program ended where it should have answered
    └── UploadFailed          the file is not on the host; what was there before is unchanged

A host that cannot be reached at all is `Unreachable` (core/errors): nothing was sent, so nothing is unknown.
"""

import re
import shlex
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from cutover.core.errors import Problem, Unreachable
from cutover.remote.timeouts import MOMENT_S

# Reads the file from stdin into a temporary name beside the target, compares the digest, then renames. A lost connection
# ends the input early: the digest differs, and only the temporary file was touched, which is removed as well. SIGPIPE is
# ignored, or the shell would die of writing to a connection that is gone before it has cleaned up.
RECEIVE = """set -eu
umask 077
trap '' PIPE
part="$1.part-$$"
trap 'rm -f -- "$part"' EXIT
trap 'exit 1' HUP INT TERM
cat > "$part"
got=$(sha256sum < "$part")
[ "${got%% *}" = "$2" ] || { echo "arrived with digest ${got%% *} instead of $2" >&2; exit 1; }
sync -- "$part"
mv -fT -- "$part" "$1"
"""

SUDO_REFUSES = re.compile(
    rb"^(sudo: (a password is required|a terminal is required|no tty present|sorry, you must have a tty)"
    rb"|.*is not in the sudoers file|.*is not allowed to (execute|run sudo)|.*sudo: (command )?not found)",
    re.MULTILINE,
)


class RemoteError(Exception):
    """Base of what can go wrong once a connection stood; carries the problem to show."""

    next_step = "see the log for what the host answered; `./invokew status` asks it again"

    def __init__(self, host: str, found: str, path: str = "") -> None:
        self.problem = Problem(found, self.next_step, host, path)
        super().__init__(f"{host}: {found}")


class Lost(RemoteError):
    """The connection went away with a command in flight: what it did is unknown until the host is asked."""

    next_step = "ask the host what was done before repeating anything (`./invokew status`)"


class DeadlinePassed(RemoteError):
    """No answer before the deadline; the remote command may still be running."""

    next_step = "see what the host is busy with (`./invokew status`, then `systemctl` on the host)"


class Flooded(RemoteError):
    """The host sends more than an answer can be. It is not listened to any longer, for the sake of the others."""

    next_step = "see what runs there in the agent's place: who has root on that host?"


class UploadFailed(RemoteError):
    """The file did not arrive whole; the target is as it was before."""

    next_step = "check space and permissions of the target directory, then run again"


MOST_BYTES = 8 << 20  # of one answer, with what a program prints beside it


@dataclass(frozen=True)
class Result:
    """One finished remote command. `exit_code` None means that a signal ended it: unknown, never success."""

    exit_code: int | None
    stdout: bytes
    stderr: bytes
    signal: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the command itself reported success, with exit status 0."""
        return self.exit_code == 0


class ProgramEnded(RemoteError):
    """A program that is kept open ended instead of answering; `result` has its exit status and what it printed."""

    def __init__(self, host: str, result: Result) -> None:
        printed = result.stderr.decode(errors="replace").strip()[-2000:]
        how = f"exit status {result.exit_code}" if result.signal is None else f"signal {result.signal}"
        super().__init__(host, f"it ended without an answer ({how}): {printed}")
        self.result = result


class Deadline:
    """A moment on the monotonic clock, given as seconds from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._start = time.monotonic()

    @property
    def left(self) -> float:
        """Seconds until the deadline; MOMENT_S when it has passed."""
        return max(self.seconds - self.spent, MOMENT_S)

    @property
    def spent(self) -> float:
        """Seconds since it was set."""
        return time.monotonic() - self._start

    @property
    def passed(self) -> bool:
        """Whether the time is up."""
        return self.spent >= self.seconds


@contextmanager
def guarded(seconds: float, action: Callable[[], object]) -> Iterator[None]:
    """Call `action` from another thread where the block takes longer than `seconds`; it must unblock the block."""
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class LineChannel(ABC):
    """A program that is kept running on a host and answers each line with one line. For one thread at a time."""

    @property
    @abstractmethod
    def alive(self) -> bool:
        """Whether it can be asked again, as far as is known without asking."""

    @abstractmethod
    def ask(self, line: bytes, *, deadline: float) -> bytes:
        """Send one line (without its end) and return the line that answers it; never sent twice. After an error only `close` may follow."""

    @abstractmethod
    def close(self) -> None:
        """End the program's input, upon which it ends."""


class Shell(Protocol):
    """Runs shell text on a host as root: the agent, so that a check costs no login; or what was recorded of it."""

    name: str  # of the host, in the inventory

    def shell(self, script: str, *, deadline: float) -> Result:
        """Run shell text with the host's `sh`, within `deadline` seconds."""
        ...


class Transport(ABC):
    """One host, one connection, kept for the whole run. Every `deadline` is in seconds and bounds the whole call."""

    def __init__(self, name: str) -> None:
        self.name = name  # of the host, in the inventory

    @abstractmethod
    def open_channel(self, argv: Sequence[str], *, opening: bytes = b"", deadline: float) -> LineChannel:
        """Start a program as root that answers lines; `opening` is what it reads first, before any line."""

    @abstractmethod
    def close(self) -> None:
        """End the connection; a later call opens a new one."""

    def upload(self, source: Path, target: str, *, sha256: str, deadline: float) -> None:
        """Put a file at `target` (mode 0600), whole or not at all, verified there by its digest; UploadFailed otherwise."""
        with source.open("rb") as file:
            command = command_line(("sh", "-c", RECEIVE, "receive", target, sha256))
            result = self._execute(command, file, deadline=deadline)
        if not result.succeeded:
            why = result.stderr.decode(errors="replace").strip() or f"exit {result.exit_code}, {result.signal}"
            raise UploadFailed(self.name, f"{source.name} did not arrive at {target}: {why}")

    @abstractmethod
    def _execute(self, command: str, stdin: BinaryIO, *, deadline: float) -> Result:
        """Run shell text as the login user, with this input; never twice."""


def command_line(argv: Sequence[str]) -> str:
    """Turn arguments into shell text, here and nowhere else; `exec` keeps a shell from hiding a signal behind 128 + n."""
    return f"exec {shlex.join(argv)}"


def as_root(argv: Sequence[str]) -> str:
    """The same through sudo, which may not ask for a password."""
    return command_line(("sudo", "-n", "--", *argv))


def why_ended(host: str, result: Result) -> ProgramEnded | Unreachable:
    """The error for a program that ended instead of answering: sudo may have refused it."""
    if result.exit_code in (1, 127) and not result.stdout and SUDO_REFUSES.search(result.stderr):
        problem = Problem(
            host=host,
            found=f"`sudo -n` is refused: {' '.join(result.stderr.decode(errors='replace').split())}",
            next=(
                "give the login user a sudoers rule with NOPASSWD on that host, or set another `ansible_user`; where sudoers name"
                " the agent alone, `./invokew agent.install` shows the rule for this version's"
            ),
        )
        return Unreachable(problem)
    return ProgramEnded(host, result)
