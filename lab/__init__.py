"""The lab: real test hosts on one machine, with systemd as PID 1, sshd, an address and a disk of their own.

up, down, status; cut, heal, reboot, fill for one host; exec_in and root_of to look at a host from behind.
Needs root on Linux.
"""

from lab.checks import DEBIAN_PACKAGES
from lab.faults import cut, fill, heal, reboot
from lab.inventory import Host, write_inventory
from lab.life import down, up
from lab.machine import Executed
from lab.settings import Lab
from lab.views import HostStatus, exec_in, root_of, status

__all__ = [
    "DEBIAN_PACKAGES",
    "Executed",
    "Host",
    "HostStatus",
    "Lab",
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
