"""The end of a run in the terminal: the verdict in one line, each host, the problems, where to read on, what to do next."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cutover.console.problems import problems_view
from cutover.console.progress import Progress, progress_of
from cutover.console.text import MARKS, clean, joined, names, one_line, plain_table, text, verdict_text
from cutover.core.errors import ExitCode, Problem
from cutover.core.verdict import Verdict
from cutover.timeline.endings import ending
from cutover.timeline.host_state import HostState, Labels
from cutover.timeline.outages import Interval, Outage, longest
from cutover.timeline.problems import WHERE_IT_ENDED, grouped
from cutover.timeline.view import RunView


def summary(view: RunView, places: Mapping[str, str]) -> RenderableType:
    """Of a run; `places` are report, log and the like, by name."""
    progress, timeline = progress_of(view.timeline.records), view.timeline
    shown, labels, away = view.shown.outage, view.labels, view.outages
    code, end = _code(progress), ending(timeline, away, labels)
    mark, style = MARKS[code.shown_as]
    first = f"{mark} {code.status.upper()}: {end.first} {end.second}"  # in the words of the report
    parts: list[RenderableType] = [text(first, f"bold {style.removeprefix('bold ')}")]
    if progress.hosts or progress.already:
        parts.append(_hosts(progress, away, labels, list(shown.parts)))
    if longest(away):
        parts.append(text("; ".join(f"{name}: {what}" for name, what in shown.parts.items()), "dim"))
    if warnings := _warnings(progress):
        parts.append(warnings)
    if problems := _problems(progress):
        parts.append(problems_view(problems, whole=False))
    width = max(map(len, places), default=0)
    where = [text(f"{name:<{width}}  {clean(place)}") for name, place in places.items()]
    last = joined([*where, text(f"next: {_next(progress)}", "bold")])
    return Group(text(""), *(part for one in parts for part in (one, text(""))), last)


def hosts_as_json(view: RunView) -> dict[str, dict[str, Any]]:
    """The `hosts` of `--json`: version in service, verdict and seconds of each phase, outages."""
    progress, labels = progress_of(view.timeline.records), view.labels
    away = {outage.host: outage.as_json() for outage in view.outages}
    return {
        host: {
            "version": progress.states.of(host).version(labels),
            "phases": {
                column: {"verdict": str(cell.verdict or ""), "seconds": round(cell.seconds or 0.0, 3)}
                for column in progress.columns
                if (cell := progress.cell(host, column))
            },
            "outages": away.get(host, []),
        }
        for host in (*progress.hosts, *progress.already)
    }


def _code(progress: Progress) -> ExitCode:
    """A journal that does not end was cut off: something of ours broke."""
    return ExitCode(progress.finished.data["exit_code"]) if progress.finished else ExitCode.BUG


def _hosts(progress: Progress, away: Sequence[Outage], labels: Labels, heads: Sequence[str]) -> Table:
    """Release in service and outage of each host, with what it consists of."""
    has_outages = any(outage.intervals for outage in away)
    table = plain_table("host", "in service", *(["outage"] if has_outages else []), gap=1)
    for name in ("total", *heads) if has_outages else ():
        table.add_column(name, justify="right", no_wrap=True)
    for host in (*progress.hosts, *progress.already):
        rows: list[tuple[str, dict[str, str]]] = [("not touched", {})]
        for outage in away:
            if outage.host == host:
                rows = [_row(interval) for interval in outage.intervals] or [("not measured", {})]
        for index, (what, seconds) in enumerate(rows):
            lead = (text(host), _release(progress, host, labels)) if index == 0 else (text(""), text(""))
            cells = [text(seconds.get(name, "")) for name in ("total", *heads)]
            table.add_row(*lead, *([text(what, "" if seconds else "dim"), *cells] if has_outages else ()))
    return table


def _row(interval: Interval) -> tuple[str, dict[str, str]]:
    figures = {"total": interval.seconds} | interval.parts
    return interval.why, {name: f"{seconds:.2f} s" for name, seconds in figures.items()}


def _release(progress: Progress, host: str, labels: Labels) -> Text:
    state = progress.states.of(host)
    if state in (HostState.UNKNOWN, HostState.FAILED):
        return text("unknown: see below", "bold red")
    new = f"{progress.release} ({labels.new})" if progress.release else labels.new
    return text(new if state.on_new else labels.old)


def _warnings(progress: Progress) -> Text | None:
    lines = []
    for note in grouped(one for one in progress.problems if one[0] is Verdict.WARN):
        found = text(f"{names(note.hosts)}: {one_line(note.problem.found)}")
        lines.append(joined([verdict_text(note.verdict), found], "  "))
        lines.append(text(f"        next: {note.problem.next}", "cyan"))
    return joined(lines) if lines else None


def _problems(progress: Progress) -> list[Problem]:
    """What ended the run, as it was raised; without an end, what the gates found."""
    if progress.finished is None:
        return [problem for verdict, problem in progress.problems if not verdict.lets_pass]
    raised = [Problem(**problem) for problem in progress.finished.data.get("problems", [])]
    return [problem for problem in raised if not problem.found.startswith(WHERE_IT_ENDED)]


def _next(progress: Progress) -> str:
    code = _code(progress)
    if code is not ExitCode.DONE:
        return f"{code.next}; roles/{progress.service}/runbook.md, exit code {int(code)}"
    if any(progress.states.of(host).on_new for host in progress.hosts) and not progress.rolling_back:
        return "`./invokew validate` judges the service again; `./invokew rollback` goes back"
    if progress.prepared and not progress.rolling_back:
        return f"`./invokew cutover --run {progress.run}` continues from here"
    return "nothing"
