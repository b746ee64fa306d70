"""The two clocks of a host: the one that people read, and the one that nobody can set."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

FOREVER_S = 1e9  # stands for "no limit", which JSON has no number for
SILENCE_S = 60  # without a request for so long the agent ends: a controller that was cut off sends no end of input
ARM_S = 30.0  # arming and disarming wait so long for a step that is still at work


def now() -> str:
    """The moment, as ISO 8601 in UTC, with milliseconds."""
    return iso(time.time())


def iso(unix_seconds: float) -> str:
    """A Unix time as ISO 8601 in UTC, with milliseconds."""
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def boot_seconds() -> float:
    """Seconds since boot, suspended time included. Leases and deadlines use it, since a wall clock can jump."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def process_age() -> float:
    """Seconds since this process was started (its 22nd figure in /proc/self/stat is the start, in ticks since boot)."""
    figures = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return max(0.0, boot_seconds() - int(figures[19]) / os.sysconf("SC_CLK_TCK"))


def boot_id() -> str:
    """Which boot this is: seconds since boot mean nothing in another one."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
