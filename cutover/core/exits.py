"""What each exit code means and what a person does next: the last lines of a run, and the status word of `--json`."""

from dataclasses import dataclass

from cutover.core.errors import ExitCode
from cutover.core.verdict import Verdict


@dataclass(frozen=True)
class Exit:
    """Status word, what it means, what to do next (the runbook has it at length), and the verdict that it is shown as."""

    status: str
    means: str
    next: str
    shown_as: Verdict


EXITS: dict[ExitCode, Exit] = {
    ExitCode.DONE: Exit("done", "done, or nothing to do", "nothing", Verdict.PASS),
    ExitCode.BUG: Exit(
        "our own error",
        "an error of our own ended it",
        "`./invokew status` says where each host is; armed hosts go back by themselves; report it with log and journal",
        Verdict.ERROR,
    ),
    ExitCode.USAGE: Exit(
        "wrong input",
        "what was asked for is wrong; no host was changed",
        "settle what is named and give the command again",
        Verdict.FAIL,
    ),
    ExitCode.REFUSED: Exit(
        "refused",
        "a host or a gate said no before V1 was touched; V1 is as it was",
        "settle what is named, then plan again",
        Verdict.FAIL,
    ),
    ExitCode.ROLLED_BACK: Exit(
        "rolled back",
        "it failed after V1 was stopped; all hosts are back on V1, verified",
        "read report and incident record, settle the cause, then plan again",
        Verdict.FAIL,
    ),
    ExitCode.MIXED: Exit(
        "a person is needed",
        "the way back is incomplete",
        "look after each host that is named, now; then `./invokew rollback` again",
        Verdict.FAIL,
    ),
    ExitCode.LOCKED: Exit(
        "locked",
        "another run holds a host; this one changed nothing",
        "wait for it, or end it with `./invokew abort`; `./invokew status` says who holds it",
        Verdict.FAIL,
    ),
    ExitCode.ON_HOLD: Exit(
        "on hold", "it waits for a person's decision", "decide, then run the command again", Verdict.WARN
    ),
    ExitCode.JUDGED_WARN: Exit("judged WARN", "there are warnings", "read each of them", Verdict.WARN),
    ExitCode.JUDGED_FAIL: Exit("judged FAIL", "something is not as it must be", "read what is named", Verdict.FAIL),
    ExitCode.JUDGED_UNKNOWN: Exit(
        "could not be judged",
        "too little was seen to say, which is never a pass",
        "settle what is in the way, and judge again",
        Verdict.INCONCLUSIVE,
    ),
    ExitCode.INTERRUPTED: Exit(
        "interrupted",
        "a person or a signal stopped it, after the safe path was taken",
        "the table says where each host is; plan again",
        Verdict.WARN,
    ),
}


def runbook_line(code: ExitCode) -> str:
    """The line that leads from an exit code to its entry in the runbook."""
    return f"next: {EXITS[code].next}; docs/runbook.md, exit code {int(code)}"
