"""How a command can end: the one table of exit codes, and the errors that end with one of them."""

import errno
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Self

from cutover.core.verdict import Verdict


class ExitCode(IntEnum):
    """The one table of exit codes: number, status word (of `--json`), verdict that it is shown as, meaning, symptom, what to do next.

    Scripts rely on number and status. The summary of a run, the report, runbooks and docs/commands.md are made from the rest.
    """

    status: str
    shown_as: Verdict
    meaning: str
    symptom: str
    next: str

    def __new__(  # noqa: D102 - defaults only for mypy, which takes ExitCode(3) for a call of this
        cls, number: int, status: str = "", shown_as: Verdict = Verdict.ERROR, meaning: str = "", symptom: str = "", next_: str = ""
    ) -> Self:  # fmt: skip
        code = int.__new__(cls, number)
        code._value_ = number
        code.status, code.shown_as, code.meaning, code.symptom, code.next = status, shown_as, meaning, symptom, next_
        return code

    DONE = (
        0, "done", Verdict.PASS,
        "done, or nothing to do",
        "the command ends without a problem",
        "read the warnings in report.html, if there are any; then monitor the service",
    )  # fmt: skip
    BUG = (
        1, "our own error", Verdict.ERROR,
        "a bug of this tool ended the command",
        'a Python traceback, or "this is a bug"',
        ("`./invokew status` shows where each host is; `./invokew cutover --resume` continues the run, `./invokew rollback` undoes it "
         "(armed hosts revert by themselves); report the bug with log and journal"),
    )  # fmt: skip
    USAGE = (
        2, "wrong input", Verdict.FAIL,
        "options, inventory, variables, template or plan are wrong; no host was changed",
        "problems that name a file and a place in it, all at once, before any host was changed",
        "fix the errors above and run the command again",
    )  # fmt: skip
    REFUSED = (
        3, "refused", Verdict.FAIL,
        "a host or a gate refused before phase 3; the old release is in service, untouched",
        "a gate of phase 0, 1 or 2 did not open, or a host could not be reached",
        "fix the errors above (or exclude the host with --limit), then plan again; there is nothing to undo",
    )  # fmt: skip
    ROLLED_BACK = (
        4, "rolled back", Verdict.FAIL,
        "failed in phases 3-5; every host is back on the old release, verified",
        "a gate of phase 3, 4 or 5 did not open, or a batch was not stable in its bake time",
        "read report.html and incident.md of the run (which says where the data of the new release is kept), fix the cause, plan again",
    )  # fmt: skip
    MIXED = (
        5, "a person is needed", Verdict.FAIL,
        "the rollback is incomplete",
        "the hosts that are not back are listed",
        ('do not wait: `./invokew rollback` again for each host above as soon as it can be reached, else follow "Rollback by hand"; '
         "a host whose revert is armed tries by itself, also after a reboot"),
    )  # fmt: skip
    LOCKED = (
        6, "locked", Verdict.FAIL,
        "another run holds a host; this one changed nothing",
        "the message names the other run, its holder and the seconds left",
        ("wait for the other run, or stop it where it runs; the lease of a dead controller expires by itself, and "
         "`./invokew abort --steal-lock NONCE` takes it at once, with the nonce that `./invokew status` shows"),
    )  # fmt: skip
    ON_HOLD = (
        7, "on hold", Verdict.WARN,
        "waiting for a person's decision",
        "a decision point did not pass",
        "read what is open and decide with `./invokew signoff` before the deadline; after it the declared default applies",
    )  # fmt: skip
    JUDGED_WARN = (
        8, "judged WARN", Verdict.WARN,
        "a command that only judges (`verify`, `monitor --once`, ...) found warnings",
        "the command shows WARN",
        "read each warning and its next step; there is nothing to undo",
    )  # fmt: skip
    JUDGED_FAIL = (
        9, "judged FAIL", Verdict.FAIL,
        "a command that only judges (`verify`, `monitor --once`, ...) found a failure; it changed no host",
        "the command shows FAIL",
        "see the runbook's entry of each check that failed; if the service is wrong, `./invokew rollback`",
    )  # fmt: skip
    JUDGED_UNKNOWN = (
        10, "could not be judged", Verdict.INCONCLUSIVE,
        "a command that only judges (`verify`, `monitor --once`, ...) could not see enough, which is never a pass",
        "the command shows INCONCLUSIVE or ERROR, or a host could not be asked",
        "find what is missing (a service that does not answer, no input yet, no permission), then run the command again",
    )  # fmt: skip
    INTERRUPTED = (
        130, "interrupted", Verdict.WARN,
        "stopped by a person or a signal, after the safe path was taken",
        "Ctrl-C, SIGTERM or a closed terminal",
        "read the summary: either no host was touched, or every touched host is back on the old release, verified; then plan again",
    )  # fmt: skip

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        """The exit code of a read-only command that ends with this verdict."""
        return {
            Verdict.PASS: cls.DONE,
            Verdict.WARN: cls.JUDGED_WARN,
            Verdict.FAIL: cls.JUDGED_FAIL,
            Verdict.INCONCLUSIVE: cls.JUDGED_UNKNOWN,
            Verdict.ERROR: cls.JUDGED_UNKNOWN,
        }[verdict]


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
    """Base of all expected ends; carries its exit code and its problems, which are shown all at once."""

    exit_code = ExitCode.BUG  # and of whatever else escapes

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(CutoverError):
    """Found wrong without changing a host."""

    exit_code = ExitCode.USAGE


class Refused(CutoverError):
    """Said no before phase 3."""

    exit_code = ExitCode.REFUSED


class Unreachable(Refused):
    """A host could not be reached, has another key than the pinned one, or gives no sudo."""


class RolledBack(CutoverError):
    """Failed in phases 3-5, and every touched host is back."""

    exit_code = ExitCode.ROLLED_BACK


class MixedFleet(CutoverError):
    """A rollback is incomplete: the problems list the hosts that need a person."""

    exit_code = ExitCode.MIXED


class Locked(CutoverError):
    """Another run holds a host."""

    exit_code = ExitCode.LOCKED


class OnHold(CutoverError):
    """Waits for a person's decision."""

    exit_code = ExitCode.ON_HOLD


class JudgedFail(CutoverError):
    """A read-only command says no: a bundle that was altered, a rollback that would not succeed."""

    exit_code = ExitCode.JUDGED_FAIL


class Unjudged(CutoverError):
    """A read-only command could not look everywhere."""

    exit_code = ExitCode.JUDGED_UNKNOWN


class Interrupted(CutoverError):
    """Stopped by a person or a signal, after the safe path was taken."""

    exit_code = ExitCode.INTERRUPTED


UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def is_unwritable(error: BaseException) -> bool:
    """Whether a disk of this machine cannot be written: the state of the machine, and not a bug of ours."""
    return isinstance(error, OSError) and error.errno in UNWRITABLE


def problem_of(error: BaseException, host: str = "") -> Problem:
    """What is said of an error that nobody foresaw: a disk of this machine that cannot be written, else a bug of ours."""
    if isinstance(error, OSError) and is_unwritable(error):
        next_ = "make room here, or make the disk writable (`df -h` and `mount` show which); then run it again"
        found = f"the machine that runs this command cannot write: {error.strerror}"
        return Problem(found, next_, host, str(error.filename or ""))
    next_ = "this is a bug of ours: please report it with the lines above and the log"
    return Problem(f"{type(error).__name__}: {error}", next_, host)
