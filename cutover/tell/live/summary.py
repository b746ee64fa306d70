"""The end of a run in the terminal: the verdict in one line, each host, what was noticed, where to read on, what to do next."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cutover.decide.plan import HostPlan
from cutover.tell.exits import EXITS, runbook_line
from cutover.tell.live.gaps import PARTS, Gap, gaps
from cutover.tell.live.progress import UNKNOWN, V1, V2, Progress, progress_of
from cutover.tell.paper import MARKS, clean, count, joined, names, one_line, text, verdict_text
from cutover.tell.problems import told
from cutover.words.errors import ExitCode, Problem
from cutover.words.record import Record
from cutover.words.verdict import Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

SECONDS = ("seconds", "stop", "between", "start")


WHERE_IT_ENDED = ("rolled back:", "no host was touched")  # which the first line says already


def summary(records: Sequence[Record], plans: Mapping[str, HostPlan], places: Mapping[str, str]) -> "RenderableType":
    """Of a run whose journal and host plans are given; `places` are report, log, evidence and the like, by name."""
    from rich.console import Group

    progress, measured = progress_of(records), gaps(records, plans)
    parts: list[RenderableType] = [text(""), verdict_line(progress, measured), text("")]
    if progress.hosts or progress.already:
        parts += [_hosts(progress, measured), text("")]
    if any(gap.seconds is not None for gap in measured):
        parts += [text(PARTS, "dim"), text("")]
    if warnings := _warnings(progress):
        parts += [warnings, text("")]
    if problems := _problems(progress):
        parts += [told(problems, whole=False), text("")]
    parts.append(_where(places))
    parts.append(_next(progress))
    return Group(*parts)


def verdict_line(progress: Progress, measured: Iterable[Gap]) -> "Text":
    """How it ended, in one line."""
    code = _code(progress)
    mark, style = MARKS[EXITS[code].shown_as]
    said = [_done(progress) if code is ExitCode.DONE else EXITS[code].means]
    if unknown := progress.on(UNKNOWN):
        said.append(f"look after {names(unknown)}")
    else:
        said += _longest(progress, measured)
    return text(f"{mark} {EXITS[code].status.upper()}: {'; '.join(said)}", f"bold {style.removeprefix('bold ')}")


def _longest(progress: Progress, measured: Iterable[Gap]) -> list[str]:
    """How long V1 (after a rollback) or the service was away, where it took longest."""
    most = "" if len(progress.touched) == 1 else "at most "
    for v1, words in ((True, "V1 was away for"), (False, "the service was away for")):
        seconds = [gap.seconds for gap in measured if gap.seconds is not None and gap.of_v1 is v1]
        if seconds and v1 is progress.rolling_back:
            return [f"{words} {most}{max(seconds):.2f} s"]
    return []


def hosts_as_json(records: Sequence[Record], plans: Mapping[str, HostPlan]) -> dict[str, dict[str, Any]]:
    """The `hosts` of `--json`: version in service, verdict and seconds of each phase, outages."""
    progress, measured = progress_of(records), gaps(records, plans)
    return {
        host: {
            "version": V2 if host in progress.already else progress.versions.get(host, V1),
            "phases": {
                column: {"verdict": str(cell.verdict or ""), "seconds": round(cell.seconds or 0.0, 3)}
                for column in progress.columns
                if (cell := progress.cell(host, column))
            },
            "outages": [gap.as_json() for gap in measured if gap.host == host],
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


def _hosts(progress: Progress, measured: Sequence[Gap]) -> "Table":
    """Version in service and outage of each host, with what it consists of."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("host", overflow="fold")
    table.add_column("in service", overflow="fold")
    has_gaps = bool(measured)
    if has_gaps:
        table.add_column("away", overflow="fold")
        for name in SECONDS:
            table.add_column("total" if name == "seconds" else name, justify="right", no_wrap=True)
    for host in (*progress.hosts, *progress.already):
        version = _version(progress, host)
        own = [gap for gap in measured if gap.host == host]
        for index, gap in enumerate(own or [None]):
            lead = (host, version) if index == 0 else ("", "")
            table.add_row(*lead, *(_cells(gap, touched=host in progress.touched) if has_gaps else ()))
    return table


def _version(progress: Progress, host: str) -> "Text":
    version = V2 if host in progress.already else progress.versions.get(host, V1)
    if version == UNKNOWN:
        return text("not known: see below", "bold red")
    return text(f"{version} ({progress.release})" if version == V2 and progress.release else version)


def _cells(gap: Gap | None, *, touched: bool) -> list["Text"]:
    if gap is None or gap.seconds is None:
        what = ("not measured" if touched else "not touched") if gap is None else f"{gap.what}: not measured"
        return [text(what, "dim"), *[text("") for _ in SECONDS]]
    return [
        text(gap.what),
        *[text("" if (value := getattr(gap, name)) is None else f"{value:.2f} s") for name in SECONDS],
    ]


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
        return text(runbook_line(code), "bold")
    if progress.on(V2) and not progress.rolling_back:
        return text("next: judge it again with `invoke validate`; the way back is `invoke rollback`", "bold")
    if progress.prepared and not progress.rolling_back:
        return text(f"next: `invoke cutover --run {progress.run}` goes on from here", "bold")
    return text("next: nothing", "bold")
