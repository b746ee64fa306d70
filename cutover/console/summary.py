"""The end of a run in the terminal: the verdict in one line, each host, what was noticed, where to read on, what to do next."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cutover.console.problems import told
from cutover.console.progress import Progress, progress_of
from cutover.console.text import MARKS, clean, count, joined, names, one_line, text, verdict_text
from cutover.core.errors import ExitCode, Problem
from cutover.core.verdict import Verdict
from cutover.journal.record import Record
from cutover.timeline.host_state import UNKNOWN, V2
from cutover.timeline.outages import Outage, Stretch, longest, outages, part_names
from cutover.timeline.presentation import OutageSteps
from cutover.timeline.timeline import story_of

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

WHERE_IT_ENDED = ("rolled back:", "no host was touched")  # which the first line says already


def summary(records: Sequence[Record], shown: OutageSteps, places: Mapping[str, str]) -> "RenderableType":
    """Of a run whose journal is given; `shown` says which steps measured outages, `places` are report, log and the like, by name."""
    from rich.console import Group

    progress, away = progress_of(records), outages(story_of(records), shown)
    parts: list[RenderableType] = [text(""), verdict_line(progress, away), text("")]
    if progress.hosts or progress.already:
        parts += [_hosts(progress, away, list(part_names(shown))), text("")]
    if longest(away):
        words = "; ".join(f"{name}: {what}" for name, what in part_names(shown).items())
        parts += [text(words, "dim"), text("")]
    if warnings := _warnings(progress):
        parts += [warnings, text("")]
    if problems := _problems(progress):
        parts += [told(problems, whole=False), text("")]
    parts.append(_where(places))
    parts.append(_next(progress))
    return Group(*parts)


def verdict_line(progress: Progress, away: list[Outage]) -> "Text":
    """How it ended, in one line."""
    code = _code(progress)
    mark, style = MARKS[code.shown_as]
    said = [_done(progress) if code is ExitCode.DONE else code.meaning]
    if unknown := progress.on(UNKNOWN):
        said.append(f"look after {names(unknown)}")
    elif most := longest(away):
        said.append(f"the service was away for {'' if len(away) == 1 else 'at most '}{most.seconds:.2f} s")
    return text(f"{mark} {code.status.upper()}: {'; '.join(said)}", f"bold {style.removeprefix('bold ')}")


def hosts_as_json(records: Sequence[Record], shown: OutageSteps) -> dict[str, dict[str, Any]]:
    """The `hosts` of `--json`: version in service, verdict and seconds of each phase, outages."""
    progress = progress_of(records)
    away = {outage.host: outage for outage in outages(story_of(records), shown)}
    return {
        host: {
            "version": progress.version(host),
            "phases": {
                column: {"verdict": str(cell.verdict or ""), "seconds": round(cell.seconds or 0.0, 3)}
                for column in progress.columns
                if (cell := progress.cell(host, column))
            },
            "outages": away[host].as_json() if host in away else [],
        }
        for host in (*progress.hosts, *progress.already)
    }


def _code(progress: Progress) -> ExitCode:
    """A journal that does not end was cut off: something of ours broke."""
    return ExitCode(progress.finished.data["exit_code"]) if progress.finished else ExitCode.BUG


def _done(progress: Progress) -> str:
    if not progress.hosts:
        return f"nothing to do; {names(progress.already)} on release {progress.release} already, and healthy"
    hosts = count(len(progress.hosts), "host")
    if progress.rolling_back:
        return f"{hosts} back on V1, verified"
    if progress.on(V2):
        return f"{hosts} on V2, release {progress.release}"
    return (
        f"{hosts} prepared for release {progress.release}; V1 is in service and untouched"
        if progress.prepared
        else "nothing was changed"
    )


def _hosts(progress: Progress, away: Sequence[Outage], heads: Sequence[str]) -> "Table":
    """Version in service and outage of each host, with what it consists of."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("host", overflow="fold")
    table.add_column("in service", overflow="fold")
    has_outages = any(outage.stretches for outage in away)
    if has_outages:
        table.add_column("away", overflow="fold")
        for name in ("total", *heads):
            table.add_column(name, justify="right", no_wrap=True)
    for host in (*progress.hosts, *progress.already):
        rows: list[tuple[str, dict[str, str]]] = [("not touched", {})]
        for outage in away:
            if outage.host == host:
                rows = [_row(stretch) for stretch in outage.stretches] or [("not measured", {})]
        for index, (what, seconds) in enumerate(rows):
            lead = (text(host), _version(progress, host)) if index == 0 else (text(""), text(""))
            cells = [text(seconds.get(name, "")) for name in ("total", *heads)]
            table.add_row(*lead, *([text(what, "" if seconds else "dim"), *cells] if has_outages else ()))
    return table


def _row(stretch: Stretch) -> tuple[str, dict[str, str]]:
    figures = {"total": stretch.seconds} | {part.name: part.seconds for part in stretch.parts}
    return stretch.why, {name: f"{seconds:.2f} s" for name, seconds in figures.items()}


def _version(progress: Progress, host: str) -> "Text":
    version = progress.version(host)
    if version == UNKNOWN:
        return text("not known: see below", "bold red")
    return text(f"{version} ({progress.release})" if version == V2 and progress.release else version)


def _warnings(progress: Progress) -> "Text | None":
    shown = [note for note in progress.notes if note.verdict is Verdict.WARN]
    lines = []
    for note in shown:
        lines.append(joined([verdict_text(note.verdict), text(f"{names(note.hosts)}: {one_line(note.found)}")], "  "))
        if note.next:
            lines.append(text(f"        next: {note.next}", "cyan"))
    return joined(lines) if lines else None


def _problems(progress: Progress) -> list[Problem]:
    """What ended the run, as it was raised; without an end, what the gates found."""
    if progress.finished is not None:
        return [
            Problem(**problem)
            for problem in progress.finished.data.get("problems", [])
            if not problem["found"].startswith(WHERE_IT_ENDED)
        ]
    return [
        Problem(note.found, note.next, host, note.name)
        for note in progress.notes
        for host in note.hosts or [""]
        if not note.verdict.lets_pass
    ]


def _where(places: Mapping[str, str]) -> "Text":
    width = max((len(name) for name in places), default=0)
    return joined([text(f"{name:<{width}}  {clean(place)}") for name, place in places.items()])


def _next(progress: Progress) -> "Text":
    code = _code(progress)
    if code is not ExitCode.DONE:
        return text(f"next: {code.next}; docs/runbook.md, exit code {int(code)}", "bold")
    if progress.on(V2) and not progress.rolling_back:
        return text("next: judge it again with `./invokew validate`; the way back is `./invokew rollback`", "bold")
    if progress.prepared and not progress.rolling_back:
        return text(f"next: `./invokew cutover --run {progress.run}` goes on from here", "bold")
    return text("next: nothing", "bold")
