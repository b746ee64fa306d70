"""Lets testinfra ask hosts through our own connections, so that a check never asks the wrong machine."""

from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from cutover.world.remote.base import Transport

DEADLINE = 60.0
# A shell tells "ended by a signal" as 128 + its number; testinfra knows only numbers.
_SIGNALS = {"HUP": 1, "INT": 2, "QUIT": 3, "ABRT": 6, "KILL": 9, "SEGV": 11, "PIPE": 13, "TERM": 15}


class TransportBackend(BaseBackend):  # type: ignore[misc]
    """A testinfra backend over one of our transports; as root through `sudo -n`, unless a check says `host.sudo(user)`.

    A host that cannot be asked raises Lost, DeadlinePassed or Unreachable: an error of the check, never its "no".
    """

    NAME = "cutover"

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport.name, sudo=True)
        self._transport = transport

    def run(self, command: str, *args: str, **_options: Any) -> CommandResult:
        """Run shell text; `args` are quoted into it."""
        text = self.quote(command, *args)
        other = self.sudo and self.sudo_user is not None
        line = self.quote("sudo -n -u %s -- sh -c %s", str(self.sudo_user), text) if other else text
        result = self._transport.shell(line, sudo=self.sudo and not other, deadline=DEADLINE)
        code = result.exit_code
        if code is None:
            code = 128 + _SIGNALS.get(result.signal or "", 127)
        return self.result(code, text.encode(), result.stdout, result.stderr)

    def decode(self, data: bytes) -> str:
        """Text of a host is UTF-8; asking each host for its locale would cost a round trip."""
        return data.decode("utf-8", "backslashreplace")

    def encode(self, data: str) -> bytes:
        """As `decode`."""
        return data.encode("utf-8")


def host_over(transport: Transport) -> Host:
    """The `host` that checks.py asks, over this transport."""
    return Host(TransportBackend(transport))
