"""The table of hosts x phases: a cell in one line where the terminal is wide enough, else in two."""

from collections.abc import Sequence
from datetime import datetime

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cutover.console.progress import TITLES, Progress, alike
from cutover.console.text import MARKS, RUNNING, count, joined, names, one_line, short, text, verdict_text
from cutover.core.times import moment
from cutover.timeline.problems import grouped, is_consequence

ONE_LINE, TWO_LINES = range(13, 16), range(7, 11)  # width of a cell, from the least
AROUND = 14  # lines that header, notes and a prompt take
LATEST = 6  # notes shown while the run goes on; the summary has them all

Row = tuple[int, list[str]]  # batch, hosts


def board(progress: Progress, now: datetime, elapsed: str, width: int, height: int | None = None) -> RenderableType:
    """Header, table, and the problems so far. With a height, hosts that look alike share a row as far as that is needed."""
    rows = _rows(progress, grouping=False)
    longest = max((len(host) for host in progress.hosts), default=4)
    room = (width - 7 - longest) // max(1, len(progress.columns)) - 1
    lines, widths = (1, ONE_LINE) if room >= ONE_LINE[0] else (2, TWO_LINES)
    if height is not None and len(rows) * lines + AROUND > height:
        rows = _rows(progress, grouping=True)
    release = f"release {progress.release}" if progress.release else ""
    header = (part for part in (f"run {progress.run}", progress.environment, release, f"elapsed {elapsed}") if part)
    table = _table(progress, rows, now, lines, min(max(room, widths[0]), widths[-1]))
    return Group(text(" · ".join(header) + "\n", "bold"), table, *_below(progress, live=height is not None))


def _rows(progress: Progress, *, grouping: bool) -> list[Row]:
    """One row a host, batch by batch; with grouping one for all hosts of a batch that look alike."""

    def shown(host: str) -> object:
        cells = [progress.cell(host, column) for column in progress.columns]
        return tuple(cell and (cell.verdict, cell.seconds is None) for cell in cells) if grouping else host

    batches = enumerate(progress.batches or [progress.hosts], start=1)
    return [(number, group) for number, hosts in batches for group in alike(hosts, shown)]


def _table(progress: Progress, rows: Sequence[Row], now: datetime, lines: int, width: int) -> Table:
    """`lines` of a cell: 1 or 2; `width` of a cell, in characters."""
    table = Table(box=SIMPLE_HEAD, padding=0, show_edge=False, header_style="bold")
    table.add_column("batch", style="dim", width=5)
    table.add_column("host", no_wrap=True, overflow="ellipsis")
    for column in progress.columns:
        title = TITLES[column] if lines == 1 else TITLES[column].replace(" ", "\n")
        table.add_column(title, width=width, no_wrap=lines == 2, overflow="fold" if lines == 1 else "ellipsis")
    for index, (batch, hosts) in enumerate(rows):
        number = f"{batch}/{len(progress.batches) or 1}" if index == 0 or rows[index - 1][0] != batch else ""
        label = hosts[0] if len(hosts) == 1 else f"{hosts[0]} +{len(hosts) - 1}"
        cells = [_cell(progress, hosts[0], column, now, " \n"[lines - 1]) for column in progress.columns]
        ends = index + 1 < len(rows) and rows[index + 1][0] != batch
        table.add_row(number, label, *cells, end_section=ends)
    return table


def _cell(progress: Progress, host: str, column: str, now: datetime, gap: str) -> Text:
    """State as mark, color and word, with the time it took or has taken so far."""
    cell = progress.cell(host, column)
    if cell is None:
        return text("not run" if progress.finished else "waiting", "dim")
    if cell.verdict is not None:
        mark, style = MARKS[cell.verdict]
        return text(f"{mark} {cell.verdict}{gap}{short(cell.seconds or 0.0)}", style)
    mark, style = RUNNING
    so_far = (now - moment(cell.started_at)).total_seconds()
    if cell.lasts is not None:
        return text(f"{mark} {short(max(0.0, cell.lasts - so_far))}{gap}left", style)
    running = f"{mark} running" if gap == " " else "running"
    return text(f"{running}{gap}{short(so_far if cell.seconds is None else cell.seconds)}", style)


def _below(progress: Progress, *, live: bool) -> list[Text]:
    """The problems, the newest last; the summary has all of them."""
    lines = []
    notes = grouped(one for one in progress.problems if not is_consequence(one[1]))
    shown = notes[-LATEST:] if live else notes
    if before := len(notes) - len(shown):
        lines.append(text(f"and {count(before, 'problem')} before these", "dim"))
    for note in shown:
        found = text(": ".join(part for part in (names(note.hosts), one_line(note.problem.found)) if part))
        lines.append(joined([verdict_text(note.verdict), found], "  "))
    if progress.armed_s is not None and progress.applying:
        armed = f"unconfirmed hosts revert by themselves after {progress.armed_s:g} s without this run"
        lines.append(text(armed, "dim"))
    return [joined([text(""), *lines])] if lines else []
