"""Lets testinfra ask hosts through our own connections, so that a check never asks the wrong machine."""

import signal
from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from cutover.remote.timeouts import CHECK_S
from cutover.remote.transport import Shell


class ShellBackend(BaseBackend):  # type: ignore[misc]  # testinfra ships no types
    """A testinfra backend over a host's shell; as root, unless a check says `host.sudo(user)`.

    A host that cannot be asked raises Lost, DeadlinePassed or Unreachable: an error of the check, never its "no".
    """

    NAME = "cutover"

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell.name)
        self._shell = shell

    def run(self, command: str, *args: str, **_options: Any) -> CommandResult:
        """Run shell text; `args` are quoted into it."""
        text = self.get_command(command, *args)  # which is where `host.sudo(user)` comes in
        result = self._shell.shell(text, deadline=CHECK_S)
        code = result.exit_code
        if code is None:  # testinfra knows only numbers: as a shell reports it, 128 + that of the signal
            code = 128 + signal.Signals[f"SIG{result.signal}"]
        return self.result(code, text.encode(), result.stdout, result.stderr)

    def get_sudo_command(self, command: str, sudo_user: str | None) -> str:
        """The same as another user. Root needs no sudo for that; inside another `host.sudo` it is refused."""
        return str(self.quote("exec runuser -u %s -- sh -c %s", sudo_user or "root", command))

    def decode(self, data: bytes) -> str:
        """Text of a host is UTF-8; asking each host for its locale would cost a round trip."""
        return data.decode("utf-8", "backslashreplace")

    def encode(self, data: str) -> bytes:
        """As `decode`."""
        return data.encode("utf-8")


def host_over(shell: Shell) -> Host:
    """The `host` that checks.py asks, over this shell."""
    return Host(ShellBackend(shell))
