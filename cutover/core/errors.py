"""Every way to end that is not success, with its exit code.

    CutoverError
    ├── UsageError          2  options, inventory, variables, template or plan are wrong; no host was changed
    ├── Refused             3  a host or a gate said no before phase 3; V1 is as it was
    │   └── Unreachable     3  a host could not be reached, or its key or sudo is not what it must be
    ├── RolledBack          4  failed in phases 3-5; every host is back on V1, verified
    ├── MixedFleet          5  a rollback is incomplete; a person is needed; the hosts are listed
    ├── Locked              6  another run holds the lock
    ├── OnHold              7  waiting for a person's decision
    ├── Unjudged           10  a command that only looks could not look everywhere
    └── Interrupted       130  stopped by a person or a signal, after the safe path was taken

Anything else that escapes is a bug of ours and ends with 1. Each error carries its problems: which host, which file and
path in it, what was found, what to do next. They are shown all at once.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """The one table of exit codes (CONTRACT)."""

    DONE = 0
    BUG = 1
    USAGE = 2
    REFUSED = 3
    ROLLED_BACK = 4
    MIXED = 5
    LOCKED = 6
    ON_HOLD = 7
    JUDGED_WARN = 8
    JUDGED_FAIL = 9
    JUDGED_UNKNOWN = 10
    INTERRUPTED = 130


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong: where (`host`, `path` = file and the place in it), what was `found`, what to do `next`."""

    found: str
    next: str
    host: str = ""
    path: str = ""

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.host, self.path) if part)
        return f"{where + ': ' if where else ''}{self.found}\n    next: {self.next}"

    def as_json(self) -> dict[str, str]:
        """The shape of one entry of `errors` in `--json`."""
        return asdict(self)


class CutoverError(Exception):
    """Base of all expected ends; carries its problems and its exit code."""

    exit_code = ExitCode.BUG

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(CutoverError):
    """Options, inventory, variables, template or plan are wrong; found without changing a host."""

    exit_code = ExitCode.USAGE


class Refused(CutoverError):
    """A host or a gate said no before phase 3; V1 is as it was."""

    exit_code = ExitCode.REFUSED


class Unreachable(Refused):
    """A host could not be reached, or is not who it should be, or gives no `sudo -n`."""


class RolledBack(CutoverError):
    """Something failed in phases 3-5 and every touched host is back on V1, verified."""

    exit_code = ExitCode.ROLLED_BACK


class MixedFleet(CutoverError):
    """A rollback is incomplete: the problems list the hosts a person must look after."""

    exit_code = ExitCode.MIXED


class Locked(CutoverError):
    """Another run holds the lock of a host."""

    exit_code = ExitCode.LOCKED


class OnHold(CutoverError):
    """The run waits for a person's decision."""

    exit_code = ExitCode.ON_HOLD


class Unjudged(CutoverError):
    """A command that only looks could not look everywhere."""

    exit_code = ExitCode.JUDGED_UNKNOWN


class Interrupted(CutoverError):
    """Stopped by a person or a signal, after the safe path was taken."""

    exit_code = ExitCode.INTERRUPTED
