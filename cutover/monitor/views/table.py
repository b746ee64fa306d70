"""The table of a watch: one line for each recorded row and host, and one for the fleet. watch.md for people, watch.csv for programs."""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover.console.text import markdown_text
from cutover.core.verdict import worst
from cutover.journal.record import Record
from cutover.monitor.state import HOUR
from cutover.monitor.views.story import FleetRow, HostRow, WatchStory
from cutover.monitor.views.text import NOT_MEASURED, called, figure, hour, in_short, span
from cutover.timeline.presented import ShownSignal

FLEET = "fleet"
MARKDOWN, CSV = "watch.md", "watch.csv"
_NOTED = {"point", "hold.opened", "hold.closed", "watch.gap", "trigger", "rollback.finished", "watch.finished"}


class Tables:
    """Keeps the table's files at what is recorded: give it to `journal.listen`, after the console whose story it writes."""

    def __init__(self, directory: Path, story: WatchStory) -> None:
        self._directory, self._story = directory, story

    def __call__(self, record: Record) -> None:
        """Write anew where a row was recorded, or something that stands in its notes."""
        if (record.kind == "judged" and record.data.get("row")) or record.kind in _NOTED:
            write_table(self._directory, self._story)


def write_table(directory: Path, story: WatchStory) -> tuple[Path, Path]:
    """Write watch.md and watch.csv; safe to repeat, and a reader never sees half of one."""
    lines = list(table_lines(story))
    for name, text in ((MARKDOWN, _markdown(story, lines)), (CSV, _csv(story, lines))):
        fresh = directory / f".{name}.{os.getpid()}"
        fresh.write_text(text)
        fresh.replace(directory / name)
    return directory / MARKDOWN, directory / CSV


@dataclass(frozen=True)
class TableLine:
    """One line of the table: a host's row, or the fleet's, with its notes."""

    row: HostRow
    notes: tuple[str, ...]


def table_lines(story: WatchStory) -> Iterator[TableLine]:
    """The table, row by row."""
    before = -1.0
    for group in story.groups:
        for row in group.rows.values():
            yield TableLine(row, tuple(_of_host(story, row, before)))
        yield TableLine(_fleet_row(story, group), tuple(_of_fleet(story, before, group.when.t)))
        before = group.when.t
    after = tuple(_of_fleet(story, before, max(story.end, before) + 1))
    if after and story.now is not None:
        yield TableLine(HostRow("after the last row", story.now, story.final or story.fleet, {}, {}), after)


def _fleet_row(story: WatchStory, group: FleetRow) -> HostRow:
    """The fleet at a row: for each signal the most, the sum or the pooled figure of its hosts; the worst verdict."""
    rows = list(group.rows.values())
    pooled = {signal.name: _pooled(signal, rows) for signal in story.shown.signals}
    figures, ns = {name: value for name, (value, _) in pooled.items()}, {name: n for name, (_, n) in pooled.items()}
    return HostRow(FLEET, group.when, worst(row.status for row in rows), figures, ns)


def _pooled(signal: ShownSignal, rows: Sequence[HostRow]) -> tuple[float | None, int | None]:
    known = [(value, row.ns[signal.name]) for row in rows if (value := row.figures[signal.name]) is not None]
    if not known:
        return None, None
    values, counted = [value for value, _ in known], [n for _, n in known if n is not None]
    n = sum(counted) if len(counted) == len(known) else None
    if signal.fleet == "pooled" and n:
        return sum(value * (each or 0) for value, each in known) / n, n
    return sum(values) if signal.fleet == "sum" else max(values), n


def _of_host(story: WatchStory, row: HostRow, before: float) -> Iterator[str]:
    """What was found of a host at its row, and what came and went since the row before."""
    if row.error:
        yield f"no answer: {row.error}"
    yield from (f"{verdict} {words}" for verdict, words, _ in in_short(row.judgements))
    for one in story.findings:
        if one.host == row.host and one.over and before < one.first.t and one.over.t <= row.when.t:
            samples = "one sample" if one.looks == 1 else f"{one.looks} samples"
            yield f"since the row before: {one.verdict} {one.rule} for {samples}: {one.worst.words}"


def _of_fleet(story: WatchStory, after: float, until: float) -> Iterator[str]:
    """Gaps, decisions and their like in (after, until], in order."""
    notes = [
        (gap.end, f"gap of {span(gap.end - gap.start)} ({gap.from_at[11:19]} to {gap.to_at[11:19]}): {gap.why}")
        for gap in story.gaps
    ]
    notes += [(one.when.t, f"decision {one.name}: {one.verdict}, {one.answer}") for one in story.decided]
    for hold in story.holds:
        notes.append((hold.when.t, f"on hold {hold.where}: {'; '.join(hold.reasons)}"))
        if hold.closed:
            note = f": {hold.note}" if hold.note else ""
            notes.append((hold.closed.t, f"{called(hold.decision)}, by {hold.by}{note}"))
    notes += [(one.when.t, f"TRIGGER on {one.host}: {one.rule}: {one.words}") for one in story.triggers]
    if story.back:
        notes.append((story.back.t, f"rolled back, exit code {story.back_code}"))
    yield from (words for t, words in sorted(notes, key=lambda one: one[0]) if after < t <= until)


def _csv(story: WatchStory, lines: Sequence[TableLine]) -> str:
    """Every figure with all its digits, an empty cell where there is none."""
    signals = [signal for signal in story.shown.signals if signal.table]
    out = io.StringIO()
    sheet = csv.writer(out, lineterminator="\n")
    heads = [part for signal in signals for part in (_column(signal), *_counted(signal, f"{signal.name}_n"))]
    sheet.writerow(["time_utc", "hour", "host", *heads, "status", "notes"])
    for line in lines:
        row = line.row
        cells: list[object] = []
        for signal in signals:
            value, n = row.figures.get(signal.name), row.ns.get(signal.name)
            cells += ["" if value is None else repr(value), *_counted(signal, "" if n is None else n)]
        sheet.writerow([row.when.at, repr(row.when.t / HOUR), row.host, *cells, row.status, " | ".join(line.notes)])
    return out.getvalue()


def _counted(signal: ShownSignal, cell: object) -> list[object]:
    """The cell for the number of events, where the signal has one."""
    return [cell] if signal.counted else []


def _column(signal: ShownSignal) -> str:
    unit = {"%": "percent"}.get(signal.unit, signal.unit.replace("/", "_per_").replace(" ", "_"))
    return f"{signal.name}_{unit}" if unit else signal.name


def _markdown(story: WatchStory, lines: Sequence[TableLine]) -> str:
    """The same for reading."""
    signals = [signal for signal in story.shown.signals if signal.table]
    heads = [f"{one.label}{f' ({one.unit})' if one.unit else ''}" for one in signals]
    if story.finished is not None:
        state = f"The watch ended with {story.final} after {span(story.end)} (exit code {story.exit_code})"
    else:
        state = f"The watch is at {hour(story.end)}; the newest verdict of the fleet is {story.fleet}"
    out = [f"# Watch of run {story.run}, {story.environment}", "", f"{state}. All times in UTC.", ""]
    out.append(_joined(["time (UTC)", "hour", "host", *heads, "status", "notes"]))
    out.append(_joined(["---", "---:", "---", *("---:" for _ in signals), "---", "---"]))
    for line in lines:
        row, when = line.row, line.row.when
        host = markdown_text(row.host) if row.host in story.hosts else f"**{markdown_text(row.host)}**"
        cells = [
            f"{when.at[:10]} {when.at[11:19]}",
            f"{when.t / HOUR:.2f}",
            host,
            *(_cell(signal, row) for signal in signals),
        ]
        out.append(_joined([*cells, row.status, "<br>".join(map(markdown_text, line.notes))]))
    return "\n".join(out) + "\n"


def _cell(signal: ShownSignal, row: HostRow) -> str:
    value, n = row.figures.get(signal.name), row.ns.get(signal.name)
    words = figure(signal, value, unit=signal.unit == "s")
    return words if n is None or words == NOT_MEASURED else f"{words} (n {n})"


def _joined(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
