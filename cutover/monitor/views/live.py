"""Shows a watch while it goes: a dashboard on a terminal, one line a row and host anywhere else. Listens to the watch's journal."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TextIO

from cutover.console.live import LiveView, now
from cutover.console.text import MARKS, count, joined, names, one_line, text, verdict_text
from cutover.core.verdict import Verdict
from cutover.journal.record import Record
from cutover.monitor.state import Hold
from cutover.monitor.views.story import HostWatch, RuleFinding, WatchStory
from cutover.monitor.views.text import called, figure, hour, in_short, next_point, span
from cutover.timeline.presented import WatchDisplay

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
            self.story.take(record)

    def __call__(self, record: Record) -> None:
        """Take a record of the journal in; called from whatever thread wrote it."""
        with self._lock:
            fresh = self.story.take(record)
            lines = list(watch_lines(record, self.story, fresh, rows=not self._wants_live))
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
            return dashboard(self.story, self._now(), self._out.width, height)


# A watch as plain lines: one for each row and host, one for each event. For pipes, CI logs and the log file.


def watch_lines(
    record: Record, story: WatchStory, fresh: Sequence[RuleFinding] = (), *, rows: bool = True
) -> Iterator[str]:
    """The lines of a record that the story has taken in. `fresh` are the findings that it began; `rows` asks for recorded rows."""

    def line(host: str, what: str, words: str) -> str:
        return f"{record.at[:19]}Z  {hour(story.end):<10}  {host:<12}  {what:<12}  {one_line(words)}".rstrip()

    data = record.data
    try:
        if record.kind == "judged" and data["row"] and rows:
            row = story.groups[-1].rows[data["host"]]
            shown = [one for one in story.shown.signals if one.table or one.live]
            figures = [f"{one.label} {figure(one, row.figures[one.name])}" for one in shown]
            yield line(
                row.host, data["verdict"], ", ".join([*figures, *([f"no answer: {row.error}"] if row.error else [])])
            )
        for verdict, words, next_ in in_short(finding.latest for finding in fresh):
            yield line(data["host"], verdict, f"{words}{f'; next: {next_}' if next_ else ''}")
        if record.kind in _EVENTS and (event := _EVENTS[record.kind](story, data)):
            yield line(*event)
    except (KeyError, TypeError, ValueError, IndexError):
        return  # the story has noted it as odd


Data = dict[str, Any]
Event = tuple[str, str, str] | None  # host, what, words


def _started(story: WatchStory, data: Data) -> Event:
    ends = f"to {hour(story.due[-1][1])}" if story.due else "without a decision point"
    faster = "" if story.scale == 1 else f", its clock {story.scale:g} times as fast"
    return "", "watch", f"of {names(data['hosts'])} begins, a sample every {span(story.look_s)}, {ends}{faster}"


def _point(story: WatchStory, _data: Data) -> Event:
    decided = story.decided[-1]
    reasons = f": {'; '.join(decided.reasons)}" if decided.reasons else ""
    return "", decided.verdict, f"decision point {decided.name}: {decided.answer}{reasons}"


def _hold(story: WatchStory, _data: Data) -> Event:
    hold = story.holds[-1]
    left, default = span(story.real_s(hold.deadline_t - story.end)), called(hold.default)
    return "", "HOLD", f"{hold.where}: {'; '.join(hold.reasons)}; a person decides within {left}, else: {default}"


def _decided(story: WatchStory, _data: Data) -> Event:
    hold = next(hold for hold in reversed(story.holds) if hold.closed)
    return "", "decided", f"{called(hold.decision)}, by {hold.by}{f': {hold.note}' if hold.note else ''}"


def _notice(story: WatchStory, _data: Data) -> Event:
    notice = story.notices[-1]
    if notice.why:  # there was nobody to notify, which was said once
        return None
    failed = bool(notice.unsent)
    return "", Verdict.WARN if failed else "notice", f"{notice.event}{': not sent to everybody' if failed else ' sent'}"


def _trigger(story: WatchStory, _data: Data) -> Event:
    trigger = story.triggers[-1]
    return trigger.host, "TRIGGER", f"{trigger.rule}: {trigger.words}: rolling back"


_EVENTS: dict[str, Callable[[WatchStory, Data], Event]] = {
    "watch.started": _started,
    "watch.resumed": lambda _story, _data: ("", "resumed", "the watch goes on in the same window"),
    "watch.gap": lambda _story, data: ("", "gap", f"no samples for {span(data['to_t'] - data['from_t'])}: {data['why']}"),
    "watch.left": lambda _story, data: ("", "left", f"nobody watches the triggers now: {data['why']}"),
    "watch.extended": lambda _story, data: ("", "extended", f"the watch goes on to {hour(data['until_t'])}"),
    "point": _point,
    "hold.opened": _hold,
    "hold.closed": _decided,
    "notice": _notice,
    "trigger": _trigger,
    "rollback.started": lambda _story, _data: ("", "rollback", "the fleet is rolled back"),
    "rollback.finished": lambda _story, data: ("", "rollback", f"ended with exit code {data['exit_code']}"),
    "watch.finished": lambda story, data: (
        "", data["verdict"], f"the watch ends after {span(story.end)}, exit code {data['exit_code']}"
    ),
}  # fmt: skip


# The dashboard: fleet, a hold in a band, what is not as it should be, which never leaves the screen, and one line a host.

WIDE = 120
FEWEST = 3  # hosts that are shown however low the screen is
SHORT = {Verdict.INCONCLUSIVE: "? UNKNOWN"}  # narrower; the finding has the word in full


def dashboard(story: WatchStory, now: datetime, width: int, height: int | None = None) -> "RenderableType":
    """The whole view. With a height, hosts that are well give their lines to what was found."""
    from rich.console import Group

    head = _fleet(story, now)
    band = [_band(story, story.waiting, now)] if story.waiting else []
    found = _findings(story)
    above = [joined([text(""), *found])] if found else []  # above the hosts: a low screen cuts off what is below
    taken = len(head) + len(found) + 6 + (5 if band else 0)
    room = None if height is None else max(FEWEST, height - taken)
    table, left_out = _table(story, width, room)
    return Group(joined(head), *band, *above, text(""), table, *([text(left_out, "dim")] if left_out else []))


def _fleet(story: WatchStory, now: datetime) -> list["Text"]:
    """Two lines: which watch and its verdict; what comes next."""
    t, verdict = story.clock(now), story.final or story.fleet
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
        row, point = story.cadence.next_after(t) if story.cadence else None, next_point(story.due, t)
        if row is not None:
            yield f"row in {span(story.real_s(row - t))}"
        if point is not None:
            yield f"{point[0]} decides in {span(story.real_s(point[1] - t))}"
    yield f"a sample every {span(story.look_s)}"
    if story.gaps:
        yield count(len(story.gaps), "gap")
    if unsent := sum(bool(notice.unsent) for notice in story.notices):
        yield f"{count(unsent, 'notice')} not sent"


def _band(story: WatchStory, hold: Hold, now: datetime) -> "RenderableType":
    """What is waited for, until when, and what a person does."""
    from rich.panel import Panel

    left = story.real_s(hold.deadline_t - story.clock(now))
    until = (now + timedelta(seconds=left)).strftime("%Y-%m-%d %H:%M:%SZ")
    when = f"until {until} ({span(left)} left)" if left > 0 else f"since {until} nobody has decided"
    lines = [text(one_line(reason), "bold") for reason in hold.reasons]
    lines.append(text(f"{when}, then: {called(hold.default)}"))
    lines.append(text("go on: ./invokew signoff · go back: ./invokew abort · triggers stay armed", "bold"))
    title = f"ON HOLD {hold.where}"
    return Panel(joined(lines), title=title, title_align="left", border_style="bold yellow", padding=(0, 1))


Column = tuple[str, bool, list["Text"]]  # head, whether numbers stand in it, one cell a host


def _table(story: WatchStory, width: int, room: int | None) -> tuple["RenderableType", str]:
    """The hosts, the worst first where they do not all fit; and the words for those that are left out."""
    from rich.console import Group

    hosts = list(story.hosts.values())
    left_out = 0
    if room is not None and len(hosts) > room:
        hosts.sort(key=lambda host: -host.status.severity)
        left_out, hosts = len(hosts) - room, hosts[:room]
    first: Column = ("host", False, [text(host.name) for host in hosts])
    columns: list[Column] = [first, ("verdict", False, [_verdict(host) for host in hosts])]
    columns += [
        (signal.short, True, [text(figure(signal, host.figure(signal)[0])) for host in hosts])
        for signal in story.shown.signals
        if signal.live
    ]
    named = list(dict.fromkeys(name for host in story.hosts.values() for name in host.values))[
        : story.shown.values_most
    ]
    values: list[Column] = [(name, True, [text(_value(host, story, name)) for host in hosts]) for name in named]
    gap = 2 if width >= WIDE else 1
    beside = _needed([*columns, *values], gap) <= width
    tables: list[RenderableType] = [_drawn([*columns, *values] if beside else columns, gap)]
    if (
        values and not beside and (room is None or 2 * len(hosts) + 2 <= room)
    ):  # a table of their own, where there is room for it
        tables += [text(""), _drawn([first, *values], gap)]
    return Group(*tables), f"and {count(left_out, 'host')} more, none of them worse" if left_out else ""


def _needed(columns: Sequence[Column], gap: int) -> int:
    return sum(max(len(head), *(cell.cell_len for cell in cells), 1) + gap for head, _, cells in columns) - gap


def _drawn(columns: Sequence[Column], gap: int) -> "Table":
    from rich.table import Table

    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold dim")
    for head, number, _ in columns:
        table.add_column(head, no_wrap=True, overflow="ellipsis", justify="right" if number else "left")
    for row in zip(*(cells for _, _, cells in columns), strict=True):
        table.add_row(*row)
    return table


def _verdict(host: HostWatch) -> "Text":
    if host.error:
        return text("? no answer", MARKS[Verdict.INCONCLUSIVE][1])
    if host.verdict is None:
        return text("waiting", "dim")
    if host.verdict in SHORT:
        return text(SHORT[host.verdict], MARKS[host.verdict][1])
    return verdict_text(host.verdict)


def _value(host: HostWatch, story: WatchStory, name: str) -> str:
    value = host.values.get(name)
    return "-" if value is None else format(value, story.shown.values_format)


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
    lines += [text(f"✗ trigger: {one.host}: {one.rule}: {one_line(one.words)}", "bold red") for one in story.triggers]
    return lines


def _alike(story: WatchStory) -> list[tuple[list[str], tuple[Verdict, str, str]]]:
    """Findings with the hosts that have them: those of one rule and verdict as one, in the words of the first host."""
    groups: dict[tuple[Verdict, str], tuple[list[str], tuple[Verdict, str, str]]] = {}
    for host in story.hosts.values():
        for line in in_short(finding.latest for finding in host.open.values()) if not host.error else ():
            groups.setdefault((line[0], line[1].partition(":")[0]), ([], line))[0].append(host.name)
    return sorted(groups.values(), key=lambda group: -group[1][0].severity)
