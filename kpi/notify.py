"""Notify systemd of the state of the service: ready, alive, stopping. Without systemd it does nothing."""

import os
import socket


class Notifier:
    """One datagram a message, to the socket that systemd names."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        microseconds = os.environ.get("WATCHDOG_USEC", "")
        ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_seconds = int(microseconds) / 1e6 if microseconds and ours else None

    def send(self, *lines: str) -> None:
        """Send these assignments, such as READY=1."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.connect(self._address)
            out.sendall("\n".join(lines).encode())
