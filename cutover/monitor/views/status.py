"""How a watch stands, in a few lines below the table of `status`: on its way, waiting for a person, left alone, or over."""

from datetime import datetime
from typing import TYPE_CHECKING

from cutover.console.text import MARKS, ago, count, joined, one_line, text
from cutover.core.errors import ExitCode
from cutover.monitor.state import Hold
from cutover.monitor.status import Standing
from cutover.monitor.views.clock import HOUR, called, hour, next_point

if TYPE_CHECKING:
    from rich.text import Text

THEN = {"stay": "it goes on waiting", "rollback": "the fleet goes back to V1", "go_on": "it goes on"}
DONE, BACK = ExitCode.DONE, ExitCode.ROLLED_BACK


def standing_view(watch: Standing, named: str, now: datetime | None = None) -> "Text":
    """The lines; `named` are the options that name the environment (--hosts, and --inventory where that was given)."""
    if watch.broken:
        found = f"the journal of the watch of run {watch.run} cannot be read: {watch.broken}"
        return text(f"{found}; compare it with the copies on the hosts", "bold red")
    if watch.over:
        return _over(watch, named, now)
    lines = [_way(watch, now)]
    if watch.hold is not None:
        lines.append(_held(watch, watch.hold, named))
    if watch.late:
        since = f"{watch.looked_at[:19].replace('T', ' ')}Z"
        lines.append(text(f"NOBODY WATCHES since {since}: `./invokew monitor {named}`", "bold red"))
    return joined(lines)


def _way(watch: Standing, now: datetime | None) -> "Text":
    """How far it is, what it saw last, and what comes next."""
    whole = f"{watch.live_s / HOUR:.4g}"
    said = f"watch of run {watch.run}: hour {watch.look_t / HOUR:.1f} of {whole}"
    if not watch.verdicts:
        return text(f"{said}; no look yet", "yellow")
    coming = next_point(watch.points, watch.look_t)
    after = f"; next point {called(coming[0])}" if coming else ""
    if coming and called(coming[0]) != hour(coming[1]):  # it was put off
        after += f" at {hour(coming[1])}"
    return text(f"{said}, last look {ago(watch.looked_at, now)}: {watch.verdict}{after}", MARKS[watch.verdict][1])


def _held(watch: Standing, hold: Hold, named: str) -> "Text":
    first = one_line(hold.reasons[0]) if hold.reasons else "no reason is noted"
    more = f" (and {count(len(hold.reasons) - 1, 'reason')} more)" if len(hold.reasons) > 1 else ""
    decide = f"`./invokew signoff {named} --role ROLE --name NAME --decision go_on --note WHY`"
    until = f"until {watch.until[:19].replace('T', ' ')}Z: then {THEN.get(hold.default, hold.default)}"
    since = f"{hold.opened_at[:19].replace('T', ' ')}Z"
    return text(
        f"HELD since {since}: {first}{more}; decide with {decide} (or --decision rollback) {until}", "bold yellow"
    )


def _over(watch: Standing, named: str, now: datetime | None) -> "Text":
    """One quiet line; a loud one where its way back is not complete."""
    of = f"the watch of run {watch.run} is over"
    if watch.finished is None:
        return text(f"{of}: another command took the run back to V1", "dim")
    at, code = ago(str(watch.finished["at"]), now), ExitCode(int(watch.finished["exit_code"]))
    if code not in (DONE, BACK):
        return text(f"{of}, {at}: its way back to V1 is NOT complete: `./invokew rollback {named}`", "bold red")
    if code == BACK:
        return text(f"{of}, {at}: it took the fleet back to V1", "dim")
    later = next_point(watch.points, watch.look_t)
    then = f"; {called(later[0])} is decided by `./invokew monitor {named} --once`" if later else ""
    return text(f"{of}, {at}: {watch.finished['verdict']}{then}", "dim")
