"""The runbook's side of the exit codes: how each shows, and what to do, at length. What each means stands in `exits`."""

from dataclasses import dataclass

from cutover.tell.exits import EXITS
from cutover.words.errors import ExitCode


@dataclass(frozen=True)
class Code:
    """One exit code."""

    name: str
    means: str
    symptom: str
    do: str


_SEEN: dict[ExitCode, tuple[str, str]] = {
    ExitCode.DONE: (
        "The command ends without a problem.",
        "Read the warnings in report.html, if there are any; then watch the service.",
    ),
    ExitCode.BUG: (
        "A Python traceback, or «this is a bug of ours».",
        """`./invokew status` for where each host is; `./invokew cutover --resume` goes on with the run,
        `./invokew rollback` takes its hosts back. Report the bug with journal and log.""",
    ),
    ExitCode.USAGE: (
        "Problems that name a file and a place in it, before any host was changed.",
        "Correct each place that is named; all of them are named at once. Then give the command again.",
    ),
    ExitCode.REFUSED: (
        "A gate of phase 0, 1 or 2 stayed shut, or a host could not be reached.",
        "Settle what is named for each host (or leave the host out with --limit), then plan again. Nothing has to be undone.",
    ),
    ExitCode.ROLLED_BACK: (
        "A gate of phase 3, 4 or 5 stayed shut, or a batch was not stable in its bake time.",
        """Read incident.md and report.html in the run's directory; incident.md also says where on each host lies what V2 wrote.
        Fill it in, correct the cause, plan again.""",
    ),
    ExitCode.MIXED: (
        "The rollback is incomplete; the hosts are listed.",
        """This is the one end that cannot wait. For each host that is listed: `./invokew rollback` again once it can be
        reached; else bring V1 back by hand (see «Rollback by hand»). A host whose revert is armed tries by itself, also
        after a reboot.""",
    ),
    ExitCode.LOCKED: (
        "A run, its holder and the seconds left are named.",
        """Wait for it, or stop it where it runs. The lease of a controller that died ends by itself after the time that is shown; at once
        `./invokew abort --steal-lock NONCE` takes it, with the nonce that `./invokew status` shows.""",
    ),
    ExitCode.ON_HOLD: (
        "A decision point did not pass.",
        "Read what is open, decide, and record the decision with a name before the deadline; then its declared default applies.",
    ),
    ExitCode.JUDGED_WARN: (
        "A read-only command shows WARN.",
        "Read each WARN and its next step. Nothing has to be undone.",
    ),
    ExitCode.JUDGED_FAIL: (
        "A read-only command shows FAIL; the command itself changed nothing.",
        "See the entry of the check that failed; if the service is wrong, `./invokew rollback`.",
    ),
    ExitCode.JUDGED_UNKNOWN: (
        "A read-only command shows INCONCLUSIVE or ERROR. This is never a pass.",
        "See what is missing (a service that does not answer, no input yet, no permission), then judge again.",
    ),
    ExitCode.INTERRUPTED: (
        "Ctrl-C, SIGTERM or a closed terminal.",
        "Read the summary: either nothing was touched, or every touched host is back on V1, verified. Then plan again.",
    ),
}


def _code(code: ExitCode) -> Code:
    symptom, do = _SEEN[code]
    return Code(EXITS[code].status, EXITS[code].means, symptom, " ".join(do.split()))


CODES = {code: _code(code) for code in ExitCode}
