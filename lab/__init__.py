"""The lab: real test hosts on one machine, with systemd as PID 1, sshd, an address and a disk of their own.

Needs root on Linux. The hosts' own side is reached without SSH by exec_in and root_of.
"""

from lab.inventory import LabHost, write_inventory
from lab.lifecycle import HostStatus, cut, down, exec_in, fill, heal, reboot, root_of, status, up
from lab.settings import Lab

__all__ = [
    "HostStatus",
    "Lab",
    "LabHost",
    "cut",
    "down",
    "exec_in",
    "fill",
    "heal",
    "reboot",
    "root_of",
    "status",
    "up",
    "write_inventory",
]
