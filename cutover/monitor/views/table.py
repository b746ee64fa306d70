"""The table of a watch: one line for each recorded row and host, and one for the fleet; watch.md for people, watch.csv for programs."""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from cutover.console.text import markdown_text, span
from cutover.core.samples import Judgement
from cutover.core.verdict import worst
from cutover.journal.record import Record
from cutover.monitor.state import HOUR
from cutover.monitor.views.story import FleetRow, HostRow, WatchStory
from cutover.monitor.views.text import figure, hour, in_short
from cutover.timeline.presentation import ShownSignal

FLEET = "fleet"


class Table:
    """Keeps the files at what is recorded: give it to `journal.listen`, after the console whose story it writes."""

    def __init__(self, directory: Path, story: WatchStory) -> None:
        self._directory, self._story = directory, story

    def __call__(self, record: Record) -> None:
        """Write anew where a row was recorded, or something that stands in its notes."""
        if record.data.get("row") if record.kind == "judged" else record.kind != "sample":
            for name, text in (("watch.md", markdown(self._story)), ("watch.csv", comma_separated(self._story))):
                fresh = self._directory / f".{name}.{os.getpid()}"
                fresh.write_text(text)
                fresh.replace(self._directory / name)  # a reader never sees half of it


def table_lines(story: WatchStory) -> Iterator[HostRow]:
    """The table, row by row, with its notes."""
    before = -1.0
    for group in story.groups:
        for row in group.rows.values():
            yield replace(row, notes=tuple(_of_host(story, row, before)))
        yield replace(_fleet_row(group), notes=tuple(_of_fleet(story, before, group.when.t)))
        before = group.when.t
    if after := tuple(_of_fleet(story, before, float("inf"))):
        yield HostRow("after the last row", story.now, story.final if story.finished else story.fleet, notes=after)


def _fleet_row(group: FleetRow) -> HostRow:
    """The fleet at a row: the worst verdict, and of each figure the most that a host has."""
    most: dict[str, Judgement] = {}
    rows = group.rows.values()
    for judged in (judged for row in rows for judged in row.judgements if judged.value is not None):
        most[judged.rule] = max(most.get(judged.rule, judged), judged, key=lambda one: one.value or 0.0)
    return HostRow(FLEET, group.when, worst(row.verdict for row in rows), tuple(most.values()))


def _of_host(story: WatchStory, row: HostRow, before: float) -> Iterator[str]:
    """What was found of a host at its row, and what came and went since the row before."""
    yield from (f"{verdict} {words}" for verdict, words, _ in in_short(row.judgements))
    for one in story.findings:
        if one.host == row.host and one.over and before < one.first.t and one.over.t <= row.when.t:
            samples = "one sample" if one.looks == 1 else f"{one.looks} samples"
            yield f"since the row before: {one.verdict} {one.rule} for {samples}: {one.worst.words}"


def _of_fleet(story: WatchStory, after: float, until: float) -> Iterator[str]:
    """What happened in (after, until]: gaps, decisions, notices and their like."""
    for one in story.events:
        if after < one.when.t <= until:
            yield f"{one.what}{f' {one.host}' if one.host else ''}: {one.words}"


def comma_separated(story: WatchStory) -> str:
    """The table with all digits of each figure, and how many events each rests on; an empty cell where there is none."""
    out, signals = io.StringIO(), _shown(story)
    sheet = csv.writer(out, lineterminator="\n")
    heads = [head for one in signals for head in (_column(one), *([f"{one.rule}_n"] if one.counted else []))]
    sheet.writerow(["time_utc", "hour", "host", *heads, "status", "notes"])
    for row in table_lines(story):
        figures = [(row.figure(one), one.counted) for one in signals]
        cells = [cell for (value, n), counted in figures for cell in (value, *([n] if counted else []))]
        sheet.writerow([row.when.at, row.when.t / HOUR, row.host, *cells, row.verdict, " | ".join(row.notes)])
    return out.getvalue()


def _column(signal: ShownSignal) -> str:
    unit = {"%": "percent"}.get(signal.unit, signal.unit.replace("/", "_per_").replace(" ", "_"))
    return f"{signal.rule}_{unit}" if unit else signal.rule


def _shown(story: WatchStory) -> list[ShownSignal]:
    return [signal for signal in story.shown.signals if signal.table]


def markdown(story: WatchStory) -> str:
    """The table, with its notes and how the watch is going."""
    signals = _shown(story)
    heads = [f"{one.label}{f' ({one.unit})' if one.unit else ''}" for one in signals]
    if story.finished is not None:
        state = f"The watch ended with {story.final} after {span(story.now.t)} (exit code {story.exit_code})"
    else:
        state = f"The watch is at {hour(story.now.t)}; the newest verdict of the fleet is {story.fleet}"
    out = [f"# Watch of run {story.run}, {story.environment}", "", f"{state}. All times in UTC.", ""]
    out.append(_joined(["time (UTC)", "hour", "host", *heads, "status", "notes"]))
    out.append(_joined(["---", "---:", "---", *("---:" for _ in signals), "---", "---"]))
    for row in table_lines(story):
        at = row.when.at
        host = markdown_text(row.host) if row.host in story.hosts else f"**{markdown_text(row.host)}**"
        cells = [f"{at[:10]} {at[11:19]}", f"{row.when.t / HOUR:.2f}", host, *(_cell(one, row) for one in signals)]
        out.append(_joined([*cells, row.verdict, "<br>".join(map(markdown_text, row.notes))]))
    return "\n".join(out) + "\n"


def _cell(signal: ShownSignal, row: HostRow) -> str:
    value, n = row.figure(signal)
    words = figure(signal, value, unit=signal.unit == "s")
    return words if n is None or value is None else f"{words} (n {n})"


def _joined(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
