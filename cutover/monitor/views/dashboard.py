"""The live view of a watch: fleet, a hold in a band, one line a host, and what is not as it should be, which never leaves the screen."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cutover.console.text import MARKS, count, joined, names, one_line, text, verdict_text
from cutover.core.verdict import Verdict
from cutover.monitor.views.clock import HOUR, hour, next_point, span
from cutover.monitor.views.events import Hold
from cutover.monitor.views.figures import Series
from cutover.monitor.views.host import HostWatch
from cutover.monitor.views.numbers import figure
from cutover.monitor.views.timeline import WatchStory
from cutover.monitor.views.wording import in_short

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text


# A small curve of a figure in one line of text.

BARS = "▁▂▃▄▅▆▇█"


def spark(series: Series, width: int) -> str:
    """The series as bars from 0 to its highest value, the oldest first, each the most of its part; a space where nothing was measured."""
    values = list(series.values)
    if not values or width <= 0:
        return ""
    parts = [values[index * len(values) // width : (index + 1) * len(values) // width] for index in range(width)]
    if len(values) < width:
        parts = [[value] for value in values]
    worst = [max((value for value in part if not math.isnan(value)), default=math.nan) for part in parts]
    top = max((value for value in worst if not math.isnan(value)), default=0.0)
    return "".join(
        " " if math.isnan(value) else BARS[min(7, int(value / top * 7.999)) if top > 0 and value > 0 else 0]
        for value in worst
    )


WIDE = 120
SPARK = 12
FEWEST = 3  # hosts that are shown however low the screen is
SHORT = {Verdict.INCONCLUSIVE: "? UNKNOWN"}  # narrower; the finding below has the word in full


def watch_board(story: WatchStory, now: datetime, width: int, height: int | None = None) -> "RenderableType":
    """The whole view. With a height, hosts that are well give their lines to what was found."""
    from rich.console import Group

    head = _fleet(story, now)
    band = [_band(story, story.hold, now)] if story.hold else []
    found = _findings(story)
    told = [joined([text(""), *found])] if found else []  # above the hosts: a low screen cuts off what is below
    taken = len(head) + len(found) + 6 + (5 if band else 0)
    room = None if height is None else max(FEWEST, height - taken)
    table, left_out = _table(story, width, room)
    rest = [text(left_out, "dim")] if left_out else []
    return Group(joined(head), *band, *told, text(""), table, *rest)


def _fleet(story: WatchStory, now: datetime) -> list["Text"]:
    """Two lines: which watch, how it stands; what comes next."""
    t = story.clock(now)
    verdict = story.verdict or story.fleet
    where = " · ".join(part for part in (f"watch {story.run}", story.environment, hour(t)) if part)
    mark, style = MARKS[verdict]
    first = joined([text(where, "bold"), text(f"{mark} {verdict}", f"bold {style.removeprefix('bold ')}")], " · ")
    return [first, text(" · ".join(_next(story, t)), "dim")]


def _next(story: WatchStory, t: float) -> list[str]:
    if story.finished is not None:
        return [f"ended at {story.finished.at[:19]}Z, exit code {story.exit_code}"]
    said = []
    row, point = story.cadence.next_after(t) if story.cadence else None, next_point(story.due, t)
    if story.rollback is not None:
        said.append(
            "on the way back to V1"
            if story.back is None
            else "back on V1"
            if not story.back_code
            else "the way back is NOT complete"
        )
    elif row is not None:
        said.append(f"row in {span(story.real_s(row - t))}")
    if point is not None and story.rollback is None:
        said.append(f"{point[0]} decides in {span(story.real_s(point[1] - t))}")
    said.append(f"a look every {span(story.look_s)}")
    if story.gaps:
        said.append(count(len(story.gaps), "gap"))
    if unsent := sum(notice.failed for notice in story.notices):
        said.append(f"{count(unsent, 'notice')} not sent")
    return said


def _band(story: WatchStory, hold: Hold, now: datetime) -> "RenderableType":
    """What is waited for, until when, and what a person does."""
    from rich.panel import Panel

    left = story.real_s(hold.deadline_t - story.clock(now))
    until = (now + timedelta(seconds=left)).strftime("%Y-%m-%d %H:%M:%SZ")
    told = [text(reason, "bold") for reason in (one_line(reason) for reason in hold.reasons)]
    when = f"until {until} ({span(left)} left)" if left > 0 else f"since {until} nobody has decided"
    told.append(text(f"{when}, then: {hold.default}"))
    told.append(text("go on: ./invokew signoff · go back: ./invokew abort · triggers stay armed", "bold"))
    return Panel(
        joined(told), title=f"ON HOLD {hold.where}", title_align="left", border_style="bold yellow", padding=(0, 1)
    )


Column = tuple[str, bool, list["Text"]]  # head, whether numbers stand in it, one cell a host


def _table(story: WatchStory, width: int, room: int | None) -> tuple["RenderableType", str]:
    """The hosts, the worst first where they do not all fit; and the words for those that are left out."""
    from rich.console import Group

    hosts = list(story.hosts.values())
    left_out: list[HostWatch] = []
    if room is not None and len(hosts) > room:
        hosts.sort(key=lambda host: -_severity(host))
        hosts, left_out = hosts[:room], hosts[room:]
    first = [("host", False, [text(host.name) for host in hosts]), ("verdict", False, [_state(host) for host in hosts])]
    figures = [
        (signal.short, True, [text(figure(signal, host.figure(signal)[0])) for host in hosts])
        for signal in story.shown.signals
        if signal.live
    ]
    values = _values(story, hosts)
    curves = _curves(story, hosts)
    gap = 2 if width >= WIDE else 1
    beside = _needed([*first, *figures, *values, *curves[:1]], gap) <= width
    columns = [*first, *figures, *(values if beside else ())]
    while curves and _needed([*columns, curves[0]], gap) <= width:
        columns.append(curves.pop(0))
    tables: list[RenderableType] = [_drawn(columns, gap)]
    lines = 2 * len(hosts) + 2
    if values and not beside and (room is None or lines <= room):  # a table of their own, where there is room for it
        tables += [text(""), _drawn([first[0], *values], gap)]
    return Group(*tables), f"and {count(len(left_out), 'host')} more, none of them worse" if left_out else ""


def _values(story: WatchStory, hosts: Sequence[HostWatch]) -> list[Column]:
    """The service's own named values."""
    named = list(dict.fromkeys(name for host in story.hosts.values() for name in host.values))
    return [
        (name, True, [text(_value(host, story, name)) for host in hosts]) for name in named[: story.shown.values_most]
    ]


def _curves(story: WatchStory, hosts: Sequence[HostWatch]) -> list[Column]:
    """The last hour of each signal that has a curve."""
    return [
        (
            f"{signal.short}, 1 h",
            False,
            [text(spark(host.series[signal.name].since(story.end - HOUR), SPARK), "cyan") for host in hosts],
        )
        for signal in story.shown.signals
        if signal.spark
    ]


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


def _state(host: HostWatch) -> "Text":
    if host.error:
        return text("? not seen", MARKS[Verdict.INCONCLUSIVE][1])
    if host.verdict is None:
        return text("waiting", "dim")
    if host.verdict in SHORT:
        return text(SHORT[host.verdict], MARKS[host.verdict][1])
    return verdict_text(host.verdict)


def _severity(host: HostWatch) -> int:
    return Verdict.INCONCLUSIVE.severity if host.error or host.verdict is None else host.verdict.severity


def _value(host: HostWatch, story: WatchStory, name: str) -> str:
    series = host.values.get(name)
    latest = series.latest if series else None
    return "-" if latest is None else format(latest, story.shown.values_format)


def _findings(story: WatchStory) -> list["Text"]:
    """What is not as it should be now, the same on several hosts as one, the worst first; all of it, whatever the height."""
    lines = [
        joined([verdict_text(Verdict.INCONCLUSIVE), text(f"{host.name}: not seen: {one_line(host.error)}")], "  ")
        for host in story.hosts.values()
        if host.error
    ]
    for hosts, (verdict, words, advice) in _alike(story):
        lines.append(joined([verdict_text(verdict), text(f"{names(hosts)}: {one_line(words)}")], "  "))
        if advice and not verdict.lets_pass:
            lines.append(text(f"        next: {one_line(advice)}", "cyan"))
    lines += [text(f"✗ trigger: {one.host}: {one.rule}: {one_line(one.words)}", "bold red") for one in story.triggers]
    return lines


def _alike(story: WatchStory) -> list[tuple[list[str], tuple[Verdict, str, str]]]:
    """Findings with the hosts that have them: those of one rule and verdict as one, in the words of the first host."""
    groups: dict[tuple[Verdict, str], tuple[list[str], tuple[Verdict, str, str]]] = {}
    for host in story.hosts.values():
        for told in in_short(finding.latest for finding in host.open.values()) if not host.error else ():
            groups.setdefault((told[0], told[1].partition(":")[0]), ([], told))[0].append(host.name)
    return sorted(groups.values(), key=lambda group: -group[1][0].severity)
