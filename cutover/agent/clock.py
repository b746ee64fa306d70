"""The clocks of a host, and every limit of the agent in seconds."""

from __future__ import annotations

import os
import time
from pathlib import Path

FOREVER_S = 1e9  # stands for "no limit", which JSON has no number for
SILENCE_S = 60  # the agent ends after so long without a request: a controller that was cut off sends no end of input
ARM_S = 30.0  # arming and disarming wait so long for a step that is still at work
LEASE_LOCK_S = 30.0  # the lease's lock is held for moments; who waits longer has met something broken
LOCK_POLL_S = 0.005
SYSTEMCTL_S = 15.0
RELOAD_S = 30.0  # systemctl daemon-reload: it reads every unit of the host
JOURNALCTL_S = 10.0
UNIT_EXTRA_S = 5.0  # a batch's unit may run so much longer than its deadline, and be stopped for so long again
RESULT_EXTRA_S = 10.0  # waiting for the unit's result ends so long after the deadline
STOP_POLL_S = 0.02  # between two looks at a unit that is being stopped: this wait is the outage
KILLED_S = 5.0  # after SIGKILL to a unit's processes
SMALL_COMMAND_S = 20.0  # useradd, the output that a snapshot keeps
PIPES_S = 1.0  # for the rest of the output of a program that was killed
COMPILE_S = 120.0  # the byte code of a release
HTTP_ANSWER_S = 5.0
HTTP_POLL_S = 0.05
CONNECT_S = 3.0  # a TCP connection from the host


def now() -> str:
    """The moment, as ISO 8601 in UTC, with milliseconds."""
    return iso(time.time())


def iso(unix_seconds: float) -> str:
    """A Unix time as ISO 8601 in UTC, with milliseconds."""
    seconds, thousandths = divmod(int(unix_seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{thousandths:03d}Z"


def boot_seconds() -> float:
    """Seconds since boot, suspended time included. Leases and deadlines use it, since a wall clock can jump."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def process_age() -> float:
    """Seconds since this process was started (the 22nd field of /proc/self/stat is the start, in ticks since boot)."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return max(0.0, boot_seconds() - int(fields[19]) / os.sysconf("SC_CLK_TCK"))


def boot_id() -> str:
    """Which boot this is: seconds since boot mean nothing in another one."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
