"""The table of hosts x phases. Drawn in the widest of three shapes that fits: cells in one line, in two, or a list."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from cutover.console.progress import BAKE, Cell, Progress, alike
from cutover.console.text import MARKS, RUNNING, clean, count, joined, names, one_line, short, text, verdict_text
from cutover.core.times import moment
from cutover.core.verdict import Verdict
from cutover.plan.phases import PHASES, ROLLBACK
from cutover.timeline.attention import CONSEQUENCE

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

TITLES = {
    **{phase.name: f"{phase.number} {phase.name}" for phase in PHASES},
    BAKE: "bake",
    ROLLBACK.name: ROLLBACK.name,
}
ONE_LINE, TWO_LINES, LIST = 15, 7, 0  # width of a cell in each shape
BREAKS = {
    "preflight": 3,
    "activation": 4,
    "validation": 4,
    "shutdown": 4,
    "rollback": 4,
}  # where a title is cut that is wider than its cell
NARROW = {Verdict.INCONCLUSIVE: "INCONCL"}  # a word that is wider than its cell; the notes below have it in full
NOW = 26  # width of the column that says what a host does
AROUND = 14  # lines that header, notes and a prompt take
LATEST = 6  # notes shown while the run goes on; the summary has them all


def board(progress: Progress, now: datetime, elapsed: str, width: int, height: int | None = None) -> "RenderableType":
    """Header, table, and what was noticed. With a height, hosts that look alike share a row as far as that is needed."""
    from rich.console import Group

    rows = _single(progress)
    shape = _shape(progress, rows, width)
    if height is not None and len(rows) * (2 if shape == TWO_LINES else 1) + AROUND > height:
        rows = _grouped(progress)
        shape = _shape(progress, rows, width)
    with_now = shape != LIST and _needed(progress, rows, shape) + 1 + NOW <= width
    table = (
        _as_list(progress, rows, now) if shape == LIST else _as_table(progress, rows, now, shape, now_column=with_now)
    )
    below = _below(progress, rows, live=height is not None, doing=not with_now)
    return Group(header(progress, elapsed), table, *([below] if below else []))


def header(progress: Progress, elapsed: str) -> "Text":
    """Run, environment, release, and how long it has been going."""
    parts = [
        f"run {progress.run}",
        progress.environment,
        f"release {progress.release}" if progress.release else "",
        f"elapsed {elapsed}",
    ]
    return text(" · ".join(part for part in parts if part) + "\n", "bold")


Row = tuple[int, list[str]]  # batch, hosts


def _single(progress: Progress) -> list[Row]:
    """One row a host, batch by batch."""
    return [
        (number, [host]) for number, hosts in enumerate(progress.batches or [progress.hosts], start=1) for host in hosts
    ]


def _grouped(progress: Progress) -> list[Row]:
    """One row for all hosts of a batch that look alike."""

    def look(host: str) -> object:
        states = tuple((column, cell.verdict) for column in progress.columns if (cell := progress.cell(host, column)))
        return states, _doing(progress, host)

    return [
        (number, group)
        for number, hosts in enumerate(progress.batches or [progress.hosts], start=1)
        for group in alike(hosts, look)
    ]


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


def _as_table(progress: Progress, rows: Sequence[Row], now: datetime, shape: int, *, now_column: bool) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=0, show_edge=False, header_style="bold")
    table.add_column("batch", style="dim", width=5)
    table.add_column("host", no_wrap=True)
    for column in progress.columns:
        table.add_column(_title(column, shape), width=shape, overflow="fold")
    if now_column:
        table.add_column("now", width=NOW, overflow="ellipsis", no_wrap=True, style="cyan")
    for index, (batch, hosts) in enumerate(rows):
        first = index == 0 or rows[index - 1][0] != batch
        cells = [
            _cell(progress, hosts[0], column, now, "\n" if shape == TWO_LINES else " ") for column in progress.columns
        ]
        doing = [_doing(progress, hosts[0])] if now_column else []
        table.add_row(
            f"{batch}/{len(progress.batches) or 1}" if first else "",
            _label(hosts),
            *cells,
            *doing,
            end_section=_last(rows, index),
        )
    return table


def _last(rows: Sequence[Row], index: int) -> bool:
    return index + 1 < len(rows) and rows[index + 1][0] != rows[index][0]


def _as_list(progress: Progress, rows: Sequence[Row], now: datetime) -> "Table":
    """For a narrow terminal: the phase that each host is in, or the last that it was in."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=False)
    table.add_column("batch", style="dim", no_wrap=True)
    table.add_column("host", overflow="fold")
    table.add_column("phase", overflow="fold")
    for batch, hosts in rows:
        begun = [column for column in progress.columns if progress.cell(hosts[0], column)]
        where = _cell(progress, hosts[0], begun[-1], now, " ") if begun else text("waiting", "dim")
        table.add_row(
            f"{batch}/{len(progress.batches) or 1}",
            _label(hosts),
            joined([text(TITLES[begun[-1]]), where], " ") if begun else where,
        )
    return table


def _cell(progress: Progress, host: str, column: str, now: datetime, gap: str) -> "Text":
    """State as mark, colour and word, with the time it took or has taken so far."""
    cell = progress.cell(host, column)
    if cell is None:
        return text("not run" if progress.finished else "waiting", "dim")
    if cell.verdict is not None:
        mark, style = MARKS[cell.verdict]
        word = f"{mark} {cell.verdict}" if gap == " " or cell.verdict not in NARROW else NARROW[cell.verdict]
        return text(f"{word}{gap}{short(cell.seconds or 0.0)}", style)
    mark, style = RUNNING
    return text(f"{mark if gap == ' ' else ''} {_time_of(cell, now, gap)}".strip(), style)


def _time_of(cell: Cell, now: datetime, gap: str) -> str:
    so_far = (now - moment(cell.started_at)).total_seconds()
    if cell.lasts is not None:
        return f"{short(max(0.0, cell.lasts - so_far))}{gap}left"
    return f"running{gap}{short(so_far if cell.seconds is None else cell.seconds)}"


def _doing(progress: Progress, host: str) -> str:
    running = progress.running(host)
    return clean(running[1].doing) if running else ""


def _below(progress: Progress, rows: Sequence[Row], *, live: bool, doing: bool) -> "Text | None":
    """What hosts do, where the table has no room for it, and what was noticed, the newest last; the summary has all of it."""
    lines = [text(line, "cyan") for line in _all_doing(progress, rows)] if live and doing else []
    told = [note for note in progress.notes if CONSEQUENCE not in note.found]
    shown = told[-LATEST:] if live else told
    if left := len(told) - len(shown):
        lines.append(text(f"and {count(left, 'note')} before these", "dim"))
    for note in shown:
        found = one_line(note.found)
        lines.append(
            joined([verdict_text(note.verdict), text(f"{names(note.hosts)}: {found}" if note.hosts else found)], "  ")
        )
    if progress.armed_s is not None and progress.applying:
        lines.append(
            text(
                f"hosts that were begun go back by themselves {progress.armed_s:g} s after they last heard of this run",
                "dim",
            )
        )
    return joined([text(""), *lines]) if lines else None


def _all_doing(progress: Progress, rows: Sequence[Row]) -> list[str]:
    busy = [host for _, hosts in rows for host in hosts if progress.running(host)]
    groups = alike(busy, lambda host: _doing(progress, host))
    return [f"{names(group, 3)}: {_doing(progress, group[0])}" for group in groups]
