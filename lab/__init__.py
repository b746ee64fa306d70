"""The lab: real test hosts on one machine, with systemd as PID 1, sshd, an address and a disk of their own.

Needs root on Linux. The hosts' own side is reached without SSH by exec_in and root_of.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.inventory import LabHost, write_inventory
    from lab.lifecycle import HostStatus, cut, down, exec_in, fill, heal, reboot, root_of, status, up
    from lab.settings import Lab
else:

    def __getattr__(name):
        """Import the lab when it is used first: `./invokew --list` needs nothing but its tasks."""
        if name not in __all__:
            raise AttributeError(name)
        from lab import lifecycle

        return getattr(lifecycle, name)


__all__ = [
    "HostStatus", "Lab", "LabHost", "cut", "down", "exec_in", "fill", "heal", "reboot", "root_of", "status", "up", "write_inventory",
]  # fmt: skip
