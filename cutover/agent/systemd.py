"""Talk to systemd on the host: ask for properties, act, and never believe an exit status alone."""

import re
from collections.abc import Sequence

from cutover.agent import process
from cutover.agent.clock import FOREVER_S
from cutover.agent.work import CannotChange

PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "MainPID",
    "Result",
    "NRestarts",
    "InvocationID",
    "NeedDaemonReload",
    "FragmentPath",
    "DropInPaths",
    "ActiveEnterTimestamp",
    "ControlGroup",
    "TimeoutStopUSec",
)
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
    ended = systemctl("show", "--timestamp=utc", f"--property={','.join(properties)}", "--", *units)
    told = [block.splitlines() for block in ended.stdout.strip("\n").split("\n\n")]
    if ended.exit_code != 0 or len(told) != len(units):
        raise CannotChange(f"systemctl show {' '.join(units)}: {ended.end}, {ended.exit_code}: {ended.stderr.strip()}")
    return {
        unit: dict(line.split("=", 1) for line in lines if "=" in line) for unit, lines in zip(units, told, strict=True)
    }


def seconds_of(span: str) -> float:
    """A time span as systemd prints it («1min 30s», «infinity»), in seconds."""
    if span == "infinity":
        return FOREVER_S
    parts = re.findall(r"([0-9.]+)([a-z]+)", span)
    return round(sum(float(number) * UNITS_S[unit] for number, unit in parts), 6)


def systemctl(*arguments: str, deadline_s: float = 15) -> process.Ended:
    """Run systemctl without pager, colours or questions."""
    return process.run(["systemctl", "--no-pager", "--no-ask-password", *arguments], deadline_s=deadline_s)


def systemctl_or_fail(*arguments: str, deadline_s: float = 15) -> None:
    """Run systemctl and raise with its words when it says no."""
    ended = systemctl(*arguments, deadline_s=deadline_s)
    if ended.exit_code != 0:
        raise CannotChange(
            f"systemctl {' '.join(arguments)}: {ended.end} {ended.exit_code}: {ended.stderr.strip() or ended.stdout.strip()}"
        )
