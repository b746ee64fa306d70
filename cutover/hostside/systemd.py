"""Talk to systemd on the host: ask for properties, act, and never believe an exit status alone."""

from collections.abc import Sequence

from cutover.hostside import process
from cutover.hostside.work import CannotChange

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
    "InactiveEnterTimestamp",
    "ExecMainStatus",
    "ExecMainCode",
    "ControlGroup",
    "TimeoutStopUSec",
    "MemoryCurrent",
)


def show(unit: str, properties: Sequence[str] = PROPERTIES) -> dict[str, str]:
    """Properties of a unit as systemd prints them; raises where systemd does not answer."""
    ended = systemctl("show", "--timestamp=utc", f"--property={','.join(properties)}", "--", unit)
    if ended.exit_code != 0:
        raise CannotChange(f"systemctl show {unit}: {ended.end}, {ended.exit_code}: {ended.stderr.strip()}")
    return dict(line.split("=", 1) for line in ended.stdout.splitlines() if "=" in line)


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
