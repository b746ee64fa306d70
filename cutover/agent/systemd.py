"""Use systemd on the host: ask for properties, act, and never trust an exit status alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cutover.agent import process
from cutover.agent.clock import FOREVER_S, JOURNALCTL_S, RELOAD_S, SYSTEMCTL_S
from cutover.agent.work import CannotChange

PROPERTIES = (
    "LoadState", "ActiveState", "SubState", "UnitFileState", "MainPID", "Result", "NRestarts", "InvocationID",
    "NeedDaemonReload", "FragmentPath", "DropInPaths", "ActiveEnterTimestamp", "ControlGroup", "TimeoutStopUSec",
)  # fmt: skip
UNITS_S = {
    "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "month": 2629800.0, "y": 31557600.0,
}  # fmt: skip


def show(unit: str, properties: Sequence[str] = PROPERTIES) -> dict[str, str]:
    """Properties of a unit as systemd prints them; raises where systemd does not answer."""
    return show_each([unit], properties)[unit]


def show_each(units: Sequence[str], properties: Sequence[str]) -> dict[str, dict[str, str]]:
    """Properties of several units, by unit, in one question."""
    if not units:
        return {}
    done = systemctl_or_fail("show", "--timestamp=utc", f"--property={','.join(properties)}", "--", *units)
    blocks = [block.splitlines() for block in done.stdout.strip("\n").split("\n\n")]
    if len(blocks) != len(units):
        raise CannotChange(f"systemctl show {' '.join(units)}: answers about {len(blocks)} units: {done.stdout[:200]}")
    return {unit: dict(line.split("=", 1) for line in lines if "=" in line) for unit, lines in zip(units, blocks)}


def seconds_of(span: str) -> float:
    """A time span as systemd prints it ("1min 30s", "infinity"), in seconds."""
    if span == "infinity":
        return FOREVER_S
    parts = re.findall(r"([0-9.]+)([a-z]+)", span)
    return round(sum(float(number) * UNITS_S[unit] for number, unit in parts), 6)


def systemctl(*arguments: str, deadline_s: float = SYSTEMCTL_S) -> process.ProcessResult:
    """Run systemctl, which without a terminal neither pages nor asks."""
    return process.run(["systemctl", *arguments], deadline_s=deadline_s)


def systemctl_or_fail(*arguments: str, deadline_s: float = SYSTEMCTL_S) -> process.ProcessResult:
    """Run systemctl and raise with its message when it fails."""
    return process.run_or_fail(["systemctl", *arguments], deadline_s=deadline_s)


def reload_systemd() -> None:
    """Have systemd read its unit files again."""
    systemctl_or_fail("daemon-reload", deadline_s=RELOAD_S)


def journal_of(unit: str, lines: int) -> str:
    """The end of a unit's journal, for an error message."""
    argv = ["journalctl", "-o", "cat", "-n", str(lines), "-u", unit]
    return process.run(argv, deadline_s=JOURNALCTL_S).stdout.strip()
