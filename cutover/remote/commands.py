"""What transports to real machines have in common: quoting, sudo, and how a file arrives whole or not at all."""

import io
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from cutover.core.errors import Problem, Unreachable
from cutover.remote.base import Ended, Progress, Result, UploadFailed, command_line

# Reads the file from stdin into a temporary name beside the target, compares the digest, then renames. A lost
# connection ends the input early: the digest differs, and only the temporary file was touched, which goes as well;
# SIGPIPE is ignored, or the shell would die of having nobody to tell before it has tidied up.
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


class Commands(ABC):
    """A transport whose commands are shell text; what is under it only has to carry that text and the input."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """The host's name in the inventory."""
        return self._name

    @abstractmethod
    def _execute(self, command: str, stdin: BinaryIO, *, deadline: float, progress: Progress | None = None) -> Result:
        """Run shell text with this input."""

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", sudo: bool = False, deadline: float) -> Result:
        """Run one command, never twice; secrets travel in `stdin`, not in `argv`."""
        result = self._execute(command_line(argv, sudo=sudo), io.BytesIO(stdin), deadline=deadline)
        if sudo:
            raise_where_sudo_refused(self.name, result)
        return result

    def shell(self, script: str, *, stdin: bytes = b"", sudo: bool = False, deadline: float) -> Result:
        """Run shell text with the host's `sh`."""
        return self.run(("sh", "-c", script), stdin=stdin, sudo=sudo, deadline=deadline)

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
        """Put a file at `target` (mode 0600), whole or not at all, verified there by its digest."""
        command = command_line(("sh", "-c", RECEIVE, "receive", target, sha256), sudo=sudo)
        with source.open("rb") as file:
            result = self._execute(command, file, deadline=deadline, progress=progress)
        if sudo:
            raise_where_sudo_refused(self.name, result)
        if not result.succeeded:
            said = result.stderr.decode(errors="replace").strip() or f"exit {result.exit_code}, {result.signal}"
            raise UploadFailed(self.name, f"{source.name} did not arrive at {target}: {said}")


def raise_where_sudo_refused(host: str, result: Result) -> None:
    """Tell "no sudo" from a command that failed: sudo itself says so, before anything has run."""
    if _sudo_refused(result):
        raise _no_sudo(host, result)


def ended(host: str, result: Result, *, sudo: bool) -> Ended | Unreachable:
    """Why a program that is conversed with has ended: sudo may have refused it."""
    return _no_sudo(host, result) if sudo and _sudo_refused(result) else Ended(host, result)


def _sudo_refused(result: Result) -> bool:
    return result.exit_code in (1, 127) and not result.stdout and bool(SUDO_REFUSES.search(result.stderr))


def _no_sudo(host: str, result: Result) -> Unreachable:
    return Unreachable(sudo_problem(host, result.stderr.decode(errors="replace")))


def sudo_problem(host: str, said: str) -> Problem:
    """What to show where `sudo -n` gives nothing."""
    words = " ".join(said.split())
    return Problem(
        host=host,
        found=f"`sudo -n` is refused: {words}",
        next="give the login user a sudoers rule with NOPASSWD on that host, or set another `ansible_user`",
    )
