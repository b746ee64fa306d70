"""Lets testinfra ask hosts through our own connections, so that a check never asks the wrong machine."""

import signal
from typing import Any, Protocol

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from cutover.world.remote.base import Result

DEADLINE = 60.0


class Shell(Protocol):
    """Who runs shell text on a host as root: the host's agent, which waits there anyway, so that a question costs no login."""

    @property
    def name(self) -> str:
        """The host's name in the inventory."""
        ...

    def shell(self, script: str, *, deadline: float) -> Result:
        """Run shell text with the host's `sh`, within `deadline` seconds."""
        ...


class ShellBackend(BaseBackend):  # type: ignore[misc]
    """A testinfra backend over such a shell; as root, unless a check says `host.sudo(user)`.

    A host that cannot be asked raises Lost, DeadlinePassed or Unreachable: an error of the check, never its "no".
    """

    NAME = "cutover"

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell.name, sudo=True)
        self._shell = shell

    def run(self, command: str, *args: str, **_options: Any) -> CommandResult:
        """Run shell text; `args` are quoted into it."""
        text = self.quote(command, *args)
        line = text if self.sudo_user is None else self.quote("exec runuser -u %s -- sh -c %s", self.sudo_user, text)
        result = self._shell.shell(line, deadline=DEADLINE)
        code = result.exit_code
        if code is None:  # testinfra knows only numbers: as a shell tells it, 128 + that of the signal
            code = 128 + signal.Signals[f"SIG{result.signal}"]
        return self.result(code, text.encode(), result.stdout, result.stderr)

    def decode(self, data: bytes) -> str:
        """Text of a host is UTF-8; asking each host for its locale would cost a round trip."""
        return data.decode("utf-8", "backslashreplace")

    def encode(self, data: str) -> bytes:
        """As `decode`."""
        return data.encode("utf-8")


def host_over(shell: Shell) -> Host:
    """The `host` that checks.py asks, over this shell."""
    return Host(ShellBackend(shell))
