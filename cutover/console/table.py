"""The table of hosts x phases. Drawn in the widest of three shapes that fits: cells in one line, in two, or a list."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from cutover.console.progress import TITLES, PhaseCell, Progress, alike
from cutover.console.text import MARKS, RUNNING, clean, count, joined, names, one_line, short, text, verdict_text
from cutover.core.times import moment
from cutover.core.verdict import Verdict
from cutover.timeline.problems import grouped, is_consequence

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

ONE_LINE, TWO_LINES, LIST = 15, 7, 0  # width of a cell in each shape
BREAKS = {"preflight": 3, "activation": 4, "validation": 4, "shutdown": 4, "rollback": 4}  # of titles wider than a cell
NARROW = {Verdict.INCONCLUSIVE: "INCONCL"}  # a word that is wider than its cell; the notes below have it in full
NOW = 26  # width of the column that says what a host does
AROUND = 14  # lines that header, notes and a prompt take
LATEST = 6  # notes shown while the run goes on; the summary has them all

Row = tuple[int, list[str]]  # batch, hosts


def board(progress: Progress, now: datetime, elapsed: str, width: int, height: int | None = None) -> "RenderableType":
    """Header, table, and the problems so far. With a height, hosts that look alike share a row as far as that is needed."""
    from rich.console import Group

    rows = _rows(progress, grouping=False)
    shape = _shape(progress, rows, width)
    if height is not None and len(rows) * (2 if shape == TWO_LINES else 1) + AROUND > height:
        rows = _rows(progress, grouping=True)
        shape = _shape(progress, rows, width)
    with_now = shape != LIST and _needed(progress, rows, shape) + 1 + NOW <= width
    table = _as_list(progress, rows, now) if shape == LIST else _as_table(progress, rows, now, shape, with_now)
    below = _below(progress, rows, live=height is not None, doing=not with_now)
    release = f"release {progress.release}" if progress.release else ""
    header = (part for part in (f"run {progress.run}", progress.environment, release, f"elapsed {elapsed}") if part)
    return Group(text(" · ".join(header) + "\n", "bold"), table, *([below] if below else []))


def _rows(progress: Progress, *, grouping: bool) -> list[Row]:
    """One row a host, batch by batch; with grouping one for all hosts of a batch that look alike."""

    def shown(host: str) -> object:
        states = tuple((column, cell.verdict) for column in progress.columns if (cell := progress.cell(host, column)))
        return (states, progress.doing(host)) if grouping else host

    batches = enumerate(progress.batches or [progress.hosts], start=1)
    return [(number, group) for number, hosts in batches for group in alike(hosts, shown)]


def _label(hosts: Sequence[str]) -> str:
    return hosts[0] if len(hosts) == 1 else f"{hosts[0]} +{len(hosts) - 1}"


def _shape(progress: Progress, rows: Sequence[Row], width: int) -> int:
    return next((shape for shape in (ONE_LINE, TWO_LINES) if _needed(progress, rows, shape) <= width), LIST)


def _needed(progress: Progress, rows: Sequence[Row], shape: int) -> int:
    return 6 + max((len(_label(hosts)) for _, hosts in rows), default=4) + 1 + len(progress.columns) * (shape + 1)


def _title(column: str, shape: int) -> str:
    title = TITLES[column]
    if shape == ONE_LINE or len(title) <= shape:
        return title
    if (cut := BREAKS.get(column)) is None:
        return title.replace(" ", "\n", 1)
    at = len(title) - len(column) + cut
    return f"{title[:at]}-\n{title[at:]}"


def _as_table(progress: Progress, rows: Sequence[Row], now: datetime, shape: int, now_column: bool) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=0, show_edge=False, header_style="bold")
    table.add_column("batch", style="dim", width=5)
    table.add_column("host", no_wrap=True)
    for column in progress.columns:
        table.add_column(_title(column, shape), width=shape, overflow="fold")
    if now_column:
        table.add_column("now", width=NOW, overflow="ellipsis", no_wrap=True, style="cyan")
    gap = "\n" if shape == TWO_LINES else " "
    for index, (batch, hosts) in enumerate(rows):
        number = f"{batch}/{len(progress.batches) or 1}" if index == 0 or rows[index - 1][0] != batch else ""
        cells = [_cell(progress, hosts[0], column, now, gap) for column in progress.columns]
        doing = [clean(progress.doing(hosts[0]))] if now_column else []
        ends = index + 1 < len(rows) and rows[index + 1][0] != batch
        table.add_row(number, _label(hosts), *cells, *doing, end_section=ends)
    return table


def _as_list(progress: Progress, rows: Sequence[Row], now: datetime) -> "Table":
    """For a narrow terminal: the phase that each host is in, or the last that it was in."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=False)
    table.add_column("batch", style="dim", no_wrap=True)
    table.add_column("host", overflow="fold")
    table.add_column("phase", overflow="fold")
    for batch, hosts in rows:
        begun = [column for column in progress.columns if progress.cell(hosts[0], column)][-1:]
        phase = [joined([text(TITLES[column]), _cell(progress, hosts[0], column, now, " ")], " ") for column in begun]
        table.add_row(f"{batch}/{len(progress.batches) or 1}", _label(hosts), *(phase or [text("waiting", "dim")]))
    return table


def _cell(progress: Progress, host: str, column: str, now: datetime, gap: str) -> "Text":
    """State as mark, color and word, with the time it took or has taken so far."""
    cell = progress.cell(host, column)
    if cell is None:
        return text("not run" if progress.finished else "waiting", "dim")
    if cell.verdict is not None:
        mark, style = MARKS[cell.verdict]
        word = f"{mark} {cell.verdict}" if gap == " " or cell.verdict not in NARROW else NARROW[cell.verdict]
        return text(f"{word}{gap}{short(cell.seconds or 0.0)}", style)
    mark, style = RUNNING
    return text(f"{mark if gap == ' ' else ''} {_time_of(cell, now, gap)}".strip(), style)


def _time_of(cell: PhaseCell, now: datetime, gap: str) -> str:
    so_far = (now - moment(cell.started_at)).total_seconds()
    if cell.lasts is not None:
        return f"{short(max(0.0, cell.lasts - so_far))}{gap}left"
    return f"running{gap}{short(so_far if cell.seconds is None else cell.seconds)}"


def _below(progress: Progress, rows: Sequence[Row], *, live: bool, doing: bool) -> "Text | None":
    """What hosts do, where the table has no room for it, and the problems, the newest last; the summary has all of them."""
    lines = []
    if live and doing:
        busy = alike([host for _, hosts in rows for host in hosts if progress.doing(host)], progress.doing)
        lines += [text(f"{names(group, 3)}: {progress.doing(group[0])}", "cyan") for group in busy]
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
    return joined([text(""), *lines]) if lines else None
