"""Shows a watch while it goes: a dashboard on a terminal, one line a row and host anywhere else. Listens to the watch's journal."""

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TextIO

from cutover.console.live import LiveView, now
from cutover.console.text import MARKS, count, joined, names, one_line, span, text, verdict_text
from cutover.core.verdict import Verdict
from cutover.journal.record import Record
from cutover.monitor.state import Hold
from cutover.monitor.views.story import Event, HostWatch, RuleFinding, WatchStory
from cutover.monitor.views.text import called, figure, hour, in_short
from cutover.timeline.presentation import WatchDisplay

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text


class WatchConsole(LiveView):
    """Give it to `journal.listen`. `history` are the records of an earlier part of the watch, which are not shown again."""

    a_second = 2  # figures change once a sample

    def __init__(
        self, stream: TextIO, shown: WatchDisplay, *, live: bool | None = None, history: Sequence[Record] = (),
        now: Callable[[], datetime] = now,
    ) -> None:  # fmt: skip
        super().__init__(stream, live=live, now=now)
        self.story = WatchStory(shown=shown)
        for record in history:
            self.story(record)

    def __call__(self, record: Record) -> None:
        """Take a record of the journal in; called from whatever thread wrote it."""
        with self._lock:
            story = self.story
            shown, found = len(story.events), len(story.findings)
            story(record)
            lines = list(_findings_in_lines(record, story.findings[found:]))
            if record.kind == "judged" and record.data["row"] and not self._wants_live:
                lines.insert(0, _row_in_a_line(record, story))
            lines += [_line(record, event) for event in story.events[shown:]]
        if self._wants_live and record.kind not in ("watch.finished", "signoff"):
            self._open()
        for line in lines:  # above the live view, so that what happened can be read back by scrolling up
            self._out.print(text(line), soft_wrap=True)
        if record.kind == "watch.finished":
            self.close()

    def _draw(self) -> "RenderableType":
        """The view; the last one has a line for each host, however many."""
        with self._lock:
            height = None if self._live is None else self._out.height
            return dashboard(self.story, self._now(), height)


# A watch as plain lines: one for each row and host, one for each event. For pipes, CI logs and the log file.


def _line(record: Record, event: Event) -> str:
    where = f"{record.at[:19]}Z  {hour(event.when.t):<10}  {event.host:<12}"
    return f"{where}  {event.what:<12}  {one_line(event.words)}".rstrip()


def _row_in_a_line(record: Record, story: WatchStory) -> str:
    row = story.groups[-1].rows[record.data["host"]]
    shown = [one for one in story.shown.signals if one.table]
    figures = ", ".join(f"{one.label} {figure(one, row.figure(one)[0])}" for one in shown)
    return _line(record, Event(row.when, row.verdict, figures, row.host))


def _findings_in_lines(record: Record, fresh: Sequence[RuleFinding]) -> Iterator[str]:
    for verdict, words, next_ in in_short(finding.latest for finding in fresh):
        more = f"; next: {next_}" if next_ else ""
        yield _line(record, Event(fresh[0].first, verdict, f"{words}{more}", fresh[0].host))


# The dashboard: fleet, a hold in a band, what is not as it should be, which never leaves the screen, and one line a host.

FEWEST = 3  # hosts that are shown however low the screen is


def dashboard(story: WatchStory, now: datetime, height: int | None = None) -> "RenderableType":
    """The whole view. With a height, hosts that are well give their lines to what was found."""
    from rich.console import Group

    head = _fleet(story, now)
    band = [_band(story, story.waiting, now)] if story.waiting else []
    found = _findings(story)
    above = [joined([text(""), *found])] if found else []  # above the hosts: a low screen cuts off what is below
    taken = len(head) + len(found) + 6 + (5 if band else 0)
    hosts = list(story.hosts.values())
    room = len(hosts) if height is None else max(FEWEST, height - taken)
    left_out = max(0, len(hosts) - room)
    if left_out:
        hosts = sorted(hosts, key=lambda host: -host.verdict.severity)[:room]
    below = [text(f"and {count(left_out, 'host')} more, none of them worse", "dim")] if left_out else []
    return Group(joined(head), *band, *above, text(""), _table(story, hosts), *below)


def _fleet(story: WatchStory, now: datetime) -> list["Text"]:
    """Two lines: which watch and its verdict; what comes next."""
    t, verdict = story.clock(now), story.final if story.finished else story.fleet
    where = " · ".join(part for part in (f"watch {story.run}", story.environment, hour(t)) if part)
    mark, style = MARKS[verdict]
    first = joined([text(where, "bold"), text(f"{mark} {verdict}", f"bold {style.removeprefix('bold ')}")], " · ")
    return [first, text(" · ".join(_next(story, t)), "dim")]


def _next(story: WatchStory, t: float) -> Iterator[str]:
    if story.finished is not None:
        yield f"ended at {story.finished.at[:19]}Z, exit code {story.exit_code}"
        return
    if story.rollback is not None:
        done = "rollback is NOT complete" if story.back_code else "rolled back"
        yield "rolling back" if story.back is None else done
    else:
        rows, point = story.cadence.between(t, math.inf) if story.cadence else (), story.next_point(t)
        if rows:
            yield f"row in {span(story.real_s(rows[0] - t))}"
        if point is not None:
            yield f"{called(point[0])} decides in {span(story.real_s(point[1] - t))}"
    yield f"a sample every {span(story.look_s)}"


def _band(story: WatchStory, hold: Hold, now: datetime) -> "RenderableType":
    """What is waited for, until when, and what a person does."""
    from rich.panel import Panel

    left = story.real_s(hold.deadline_t - story.clock(now))
    until = (now + timedelta(seconds=left)).strftime("%Y-%m-%d %H:%M:%SZ")
    when = f"until {until} ({span(left)} left)" if left > 0 else f"since {until} nobody has decided"
    lines = [text(one_line(reason), "bold") for reason in hold.reasons]
    lines.append(text(f"{when}, then: {called(hold.default)}"))
    lines.append(text("go on: ./invokew signoff · go back: ./invokew rollback · triggers stay armed", "bold"))
    title = f"ON HOLD {hold.where}"
    return Panel(joined(lines), title=title, title_align="left", border_style="bold yellow", padding=(0, 1))


def _table(story: WatchStory, hosts: Sequence[HostWatch]) -> "Table":
    """A line for each host: its verdict and its figures."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold dim")
    signals = [signal for signal in story.shown.signals if signal.table]
    for head in ("host", "verdict"):
        table.add_column(head, no_wrap=True, overflow="ellipsis")
    for signal in signals:
        table.add_column(signal.short, no_wrap=True, overflow="ellipsis", justify="right")
    for host in hosts:
        table.add_row(text(host.name), _verdict(host), *(text(figure(one, host.figure(one))) for one in signals))
    return table


def _verdict(host: HostWatch) -> "Text":
    if host.error:
        return text("? no answer", MARKS[Verdict.INCONCLUSIVE][1])
    return verdict_text(host.verdict) if host.judged_at else text("waiting", "dim")


def _findings(story: WatchStory) -> list["Text"]:
    """What is not as it should be now, the same on several hosts as one, the worst first; all of it, whatever the height."""
    lines = [
        joined([verdict_text(Verdict.INCONCLUSIVE), text(f"{host.name}: no answer: {one_line(host.error)}")], "  ")
        for host in story.hosts.values()
        if host.error
    ]
    for hosts, (verdict, words, next_) in _alike(story):
        lines.append(joined([verdict_text(verdict), text(f"{names(hosts)}: {one_line(words)}")], "  "))
        if next_ and not verdict.lets_pass:
            lines.append(text(f"        next: {one_line(next_)}", "cyan"))
    lines += [text(f"✗ trigger: {one_line(one.words)}", "bold red") for one in story.triggers]
    return lines


def _alike(story: WatchStory) -> list[tuple[list[str], tuple[Verdict, str, str]]]:
    """Findings with the hosts that have them: those of one rule and verdict as one, in the words of the first host."""
    groups: dict[tuple[Verdict, str], tuple[list[str], tuple[Verdict, str, str]]] = {}
    for host in story.hosts.values():
        for line in in_short(finding.latest for finding in host.open.values()) if not host.error else ():
            groups.setdefault((line[0], line[1].partition(":")[0]), ([], line))[0].append(host.name)
    return sorted(groups.values(), key=lambda group: -group[1][0].severity)
