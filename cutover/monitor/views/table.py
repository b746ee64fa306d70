"""The table of a watch: one line for each recorded row and host, and one for the fleet. watch.md for people, watch.csv for programs."""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from cutover.console.text import markdown_text
from cutover.core.verdict import Verdict, worst
from cutover.journal.record import Record
from cutover.monitor.views.clock import HOUR, hour, span
from cutover.monitor.views.events import Row, RowGroup
from cutover.monitor.views.numbers import NOT_MEASURED, figure
from cutover.monitor.views.timeline import WatchStory
from cutover.monitor.views.wording import in_short
from cutover.timeline.presented import Signal

FLEET = "fleet"
MARKDOWN, CSV = "watch.md", "watch.csv"


class Tables:
    """Keeps the table's files at what is recorded: give it to `journal.listen`, after the console whose story it writes."""

    def __init__(self, directory: Path, story: WatchStory) -> None:
        self._directory, self._story = directory, story

    def __call__(self, record: Record) -> None:
        """Write anew where a row was recorded, or something that stands in its notes."""
        if (record.kind == "judged" and record.data.get("row")) or record.kind in _NOTED:
            write_table(self._directory, self._story)


_NOTED = {"point", "hold.opened", "hold.closed", "watch.gap", "trigger", "rollback.finished", "watch.finished"}


def write_table(directory: Path, story: WatchStory) -> tuple[Path, Path]:
    """Write watch.md and watch.csv; safe to repeat, and a reader never sees half of one."""
    found = list(lines(story))
    for name, text in ((MARKDOWN, markdown(story, found)), (CSV, as_csv(story, found))):
        fresh = directory / f".{name}.{os.getpid()}"
        fresh.write_text(text)
        fresh.replace(directory / name)
    return directory / MARKDOWN, directory / CSV


class Line:
    """One line of the table: a host's row, or the fleet's, with its notes."""

    def __init__(self, group: RowGroup, row: Row, notes: Sequence[str]) -> None:
        self.group, self.row, self.notes = group, row, list(notes)

    @property
    def status(self) -> str:
        """The verdict, or that there is none."""
        return str(Verdict.INCONCLUSIVE if self.row.error else self.row.verdict)


def lines(story: WatchStory) -> Iterator[Line]:
    """The table, row by row."""
    before = -1.0
    for group in story.groups:
        for row in group.rows.values():
            yield Line(group, row, list(_of_host(story, row, before)))
        yield Line(group, fleet_row(story, group), list(_of_fleet(story, before, group.when.t)))
        before = group.when.t
    if after := list(_of_fleet(story, before, max(story.end, before) + 1)):
        when = story.now or story.groups[-1].when if story.groups else story.now
        if when is not None:
            yield Line(
                RowGroup(when, when.t), Row("after the last row", when, story.verdict or story.fleet, {}, {}, ()), after
            )


def fleet_row(story: WatchStory, group: RowGroup) -> Row:
    """The fleet at a row: for each signal the most, the sum or the pooled figure of its hosts; the worst verdict."""
    rows = list(group.rows.values())
    figures, ns = {}, {}
    for signal in story.shown.signals:
        figures[signal.name], ns[signal.name] = _pooled(signal, rows)
    verdicts = [Verdict.INCONCLUSIVE if row.error else row.verdict for row in rows]
    return Row(FLEET, group.when, worst(verdicts), figures, ns, ())


def _pooled(signal: Signal, rows: Sequence[Row]) -> tuple[float | None, int | None]:
    known = [(value, row.ns[signal.name]) for row in rows if (value := row.figures[signal.name]) is not None]
    if not known:
        return None, None
    values = [value for value, _ in known]
    counted = [n for _, n in known if n is not None]
    n = sum(counted) if len(counted) == len(known) else None
    if signal.fleet == "pooled" and n:
        return sum(value * (each or 0) for value, each in known) / n, n
    if signal.fleet == "sum":
        return sum(values), n
    return (min(values) if signal.fleet == "least" else max(values)), n


def _of_host(story: WatchStory, row: Row, before: float) -> Iterator[str]:
    """What was found of a host at its row, and what came and went since the row before."""
    if row.error:
        yield f"not seen: {row.error}"
    yield from (f"{verdict} {words}" for verdict, words, _ in in_short(row.judgements))
    for one in story.findings:
        if (
            one.host == row.host
            and one.over
            and before < one.first.t
            and one.over.t <= row.when.t
            and one.last.t > before
        ):
            looks = "one look" if one.looks == 1 else f"{one.looks} looks"
            yield f"since the row before: {one.verdict} {one.rule} for {looks}: {one.worst.words}"


def _of_fleet(story: WatchStory, after: float, until: float) -> Iterator[str]:
    """Gaps, decisions and their like in (after, until], in order."""
    told: list[tuple[float, str]] = [
        (gap.end, f"gap of {span(gap.end - gap.start)} ({gap.from_at[11:19]} to {gap.to_at[11:19]}): {gap.why}")
        for gap in story.gaps
    ]
    told += [(one.when.t, f"decision {one.name}: {one.verdict}, {one.answer}") for one in story.decided]
    for hold in story.holds:
        told.append((hold.when.t, f"on hold {hold.where}: {'; '.join(hold.reasons)}"))
        if hold.closed:
            told.append((hold.closed.t, f"{hold.decision}, by {hold.by}{f': {hold.note}' if hold.note else ''}"))
    told += [(one.when.t, f"TRIGGER on {one.host}: {one.rule}: {one.words}") for one in story.triggers]
    if story.back:
        told.append((story.back.t, f"rolled back, exit code {story.back_code}"))
    yield from (words for t, words in sorted(told, key=lambda one: one[0]) if after < t <= until)


def as_csv(story: WatchStory, found: Sequence[Line]) -> str:
    """Every figure with all its digits, an empty cell where there is none."""
    signals = [signal for signal in story.shown.signals if signal.table]
    out = io.StringIO()
    sheet = csv.writer(out, lineterminator="\n")
    heads = [part for signal in signals for part in (_column(signal), *_counted(signal, f"{signal.name}_n"))]
    sheet.writerow(["time_utc", "hour", "host", *heads, "status", "notes"])
    for one in found:
        cells: list[object] = []
        for signal in signals:
            value, n = one.row.figures.get(signal.name), one.row.ns.get(signal.name)
            cells += ["" if value is None else repr(value), *_counted(signal, "" if n is None else n)]
        when = one.row.when
        sheet.writerow([when.at, repr(when.t / HOUR), one.row.host, *cells, one.status, " | ".join(one.notes)])
    return out.getvalue()


def _counted(signal: Signal, cell: object) -> list[object]:
    """The cell for the number of events, where the signal has one."""
    return [cell] if signal.counted else []


def _column(signal: Signal) -> str:
    unit = {"%": "percent"}.get(signal.unit, signal.unit.replace("/", "_per_").replace(" ", "_"))
    return f"{signal.name}_{unit}" if unit else signal.name


def markdown(story: WatchStory, found: Sequence[Line]) -> str:
    """The same for reading."""
    signals = [signal for signal in story.shown.signals if signal.table]
    heads = [f"{one.label}{f' ({one.unit})' if one.unit else ''}" for one in signals]
    aligned = ["---", "---:", "---", *("---:" for _ in signals), "---", "---"]
    out = [
        f"# Watch of run {story.run}, {story.environment}",
        "",
        _stand(story),
        "",
        _joined(["time (UTC)", "hour", "host", *heads, "status", "notes"]),
        _joined(aligned),
    ]
    for one in found:
        fleet = one.row.host not in story.hosts
        cells = [_cell(signal, one.row) for signal in signals]
        host = f"**{markdown_text(one.row.host)}**" if fleet else markdown_text(one.row.host)
        when = one.row.when
        at = f"{when.at[:10]} {when.at[11:19]}"
        out.append(
            _joined([at, f"{when.t / HOUR:.2f}", host, *cells, one.status, "<br>".join(map(markdown_text, one.notes))])
        )
    return "\n".join(out) + "\n"


def _stand(story: WatchStory) -> str:
    if story.finished is not None:
        return f"The watch ended with {story.verdict} after {span(story.end)} (exit code {story.exit_code}). All times in UTC."
    return f"The watch is at {hour(story.end)}; the newest verdict of the fleet is {story.fleet}. All times in UTC."


def _cell(signal: Signal, row: Row) -> str:
    value, n = row.figures.get(signal.name), row.ns.get(signal.name)
    said = figure(signal, value, unit=signal.unit == "s")
    return said if n is None or said == NOT_MEASURED else f"{said} (n {n})"


def _joined(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
