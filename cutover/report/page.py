"""report.html: one page that says what a run did, to somebody who was not there. It only reads plan, journal and evidence."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template

from cutover.agent.compare import dig, is_number
from cutover.agent.durable import write_atomically
from cutover.console.events import time_line
from cutover.console.progress import TITLES, progress_of
from cutover.console.text import size
from cutover.core.errors import ExitCode
from cutover.core.templates import environment
from cutover.core.verdict import Verdict
from cutover.journal.rundir import RunDir
from cutover.plan.phases import PHASES, ROLLBACK
from cutover.plan.plan import Plan
from cutover.release.wheels import digest_file
from cutover.report.charts import timeline_chart
from cutover.report.checks import verified
from cutover.report.validation import COMPARISON, fleet_document, host_documents
from cutover.timeline.endings import ending
from cutover.timeline.host_state import Labels
from cutover.timeline.outages import Outage, longest
from cutover.timeline.presentation import Column, ValueTable
from cutover.timeline.problems import grouped, problems_of
from cutover.timeline.timeline import BAKE, Timeline
from cutover.timeline.view import RunView

MISSING = "not measured"
TONES = {"PASS": "good", "WARN": "warn", "FAIL": "bad", "ERROR": "bad", "INCONCLUSIVE": "bad"}


def write_report(view: RunView) -> Path:
    """Write the page of a run, whatever state the run is in, and give its path. What came from a host is escaped."""
    page = view.run.report
    write_atomically(page, _template(view.root).render(_context(view)).encode())
    return page


@cache
def _template(root: Path) -> Template:
    """The template, which takes longer to compile than to render."""
    templates = environment(root / "templates", html=True, pretty=pretty, tidy=tidy, tone=tone, size=size)
    return templates.get_template("report.html.j2")


def _context(view: RunView) -> dict[str, Any]:
    run, timeline, plan, shown = view.run, view.timeline, view.plan, view.shown
    labels, away = view.labels, view.outages
    problems = grouped(problems_of(timeline))
    watch = _watch(view)
    measured = replace(timeline, outcomes=timeline.outcomes | _measured_later(run, watch))
    budgets = [host.variables.get(shown.outage.budget_variable) for host in plan.hosts.values()] if plan else []
    sessions = [one for one in timeline.sessions if any(one[0] <= span.start <= one[1] for span in timeline.spans)]
    return {
        "run": run.id,
        "timeline": timeline,
        "plan": plan,
        "labels": labels,
        "shown": shown,
        "ending": ending(timeline, away, labels),
        "facts": _tiles(timeline, away),
        "code": None if timeline.exit_code is None else ExitCode(timeline.exit_code),
        "problems": [item for item in problems if not item.verdict.lets_pass],
        "warnings": [item for item in problems if item.verdict.lets_pass],
        "values": _value_table(measured, shown.values, timeline.hosts) if shown.values else None,
        "checks": fleet_document(host_documents(timeline, shown.validation)),
        "away": away,
        "budget": next((float(budget) for budget in budgets if is_number(budget)), None),
        "time_lines": [(session, timeline_chart(timeline, away, session)) for session in sessions],
        "columns": [phase.label for phase in PHASES] + ["Bake", ROLLBACK.title],
        "matrix": _matrix(timeline, labels),
        "verified": verified(timeline, plan, shown) if plan else [],
        "diffs": _diffs(plan) if plan else [],
        "events": time_line(timeline),
        "evidence": evidence(run),
        "watch": watch,
        "bundles": _described(sorted(run.path.glob("evidence-*.tar"), reverse=True), run.path),
    }


def _watch(view: RunView) -> dict[str, Any] | None:
    """The watch of the run; what shows it is loaded where there was one."""
    if not view.run.watch_file.exists():
        return None
    from cutover.report.watch import watch_page

    return watch_page(view)


def _measured_later(run: RunDir, watch: dict[str, Any] | None) -> dict[tuple[str, str], dict[str, Any]]:
    """What was measured after the run, in the shape of a step's outcome: the watch's latest samples, and shadow reports."""
    found: dict[tuple[str, str], Any] = {}
    for host in watch["story"].hosts.values() if watch else ():
        if host.newest is not None:
            found[host.name, "watch.latest"] = host.newest
    for path in sorted(run.evidence.rglob(COMPARISON)):
        document = json.loads(path.read_text())
        if "hosts" not in document:  # the fleet's has every host, and what was measured is in their own
            found[str(document.get("host", path.parent.name)), "shadow.report"] = document
    return {key: {"after": {"document": document}} for key, document in found.items()}


def _matrix(timeline: Timeline, labels: Labels) -> list[tuple[str, list[Any], str]]:
    """Hosts by phases: how each phase went there the last time (None where it did not run), and where the host is now."""
    progress = progress_of(timeline.records)
    return [
        (host, [progress.cell(host, column) for column in TITLES], timeline.state(host).text(labels))
        for host in timeline.hosts
    ]


def _tiles(timeline: Timeline, away: list[Outage]) -> list[tuple[str, str]]:
    """The few figures at the top."""
    code, most = timeline.exit_code, longest(away)
    still = sum(1 for outage in away if outage.open)
    time = f"{most.seconds:.2f} s" if most else "none" if not away else "not measured"
    took = timeline.seconds
    return [
        ("hosts", str(len(timeline.hosts))),
        ("longest outage", f"not over on {still}" if still else time),
        ("run took", f"{took:.1f} s" if took < 600 else f"{took / 60:.0f} min"),
        ("steps and checks judged", str(sum(span.judged for span in timeline.spans if span.name != BAKE))),
        ("exit code", "none yet") if code is None else (f"exit code: {ExitCode(code).status}", str(code)),
    ]


def _diffs(plan: Plan) -> list[dict[str, Any]]:
    """Every file that was to be written, hosts with the same difference as one."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for host, planned in plan.hosts.items():
        for diff in planned.diffs:
            fresh = {"path": diff.path, "new": diff.against == "nothing", "keys": diff.keys, "hosts": []}
            entry = found.setdefault((diff.path, diff.lines), fresh | {"lines": diff.lines.splitlines()})
            entry["hosts"].append(host)
    return list(found.values())


def evidence(run: RunDir) -> list[tuple[str, int, str]]:
    """The files beside the journal: name, size, digest."""
    files = sorted(path for path in run.evidence.rglob("*") if path.is_file()) if run.evidence.is_dir() else []
    return _described(files, run.evidence)


def _described(files: Iterable[Path], below: Path) -> list[tuple[str, int, str]]:
    return [(str(path.relative_to(below)), path.stat().st_size, digest_file(path)) for path in files]


def pretty(value: Any) -> str:
    """A document as indented JSON."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)


def tidy(value: Any) -> str:
    """A small value in few characters: numbers short, lists joined, an object as key: value."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ")
    if isinstance(value, dict):
        return ", ".join(f"{key}: {tidy(item)}" for key, item in value.items()) or "none"
    return (", ".join(tidy(item) for item in value) or "none") if isinstance(value, list) else str(value)


def tone(verdict: Verdict | str | None) -> str:
    """The color of a verdict; its word is always shown too."""
    return TONES.get(str(verdict), "quiet")


@dataclass(frozen=True)
class ValueCell:
    """A value as it is printed; of a number `exact` is all its digits, for those who want them."""

    text: str
    exact: str = ""
    verdict: bool = False


Row = tuple[str, str, tuple[ValueCell, ...]]  # host, name of the value, a cell for each column


def _value_table(timeline: Timeline, spec: ValueTable, hosts: Sequence[str]) -> tuple[list[Column], list[Row]]:
    """Columns and values of all hosts, without the optional columns that no host has a document for.

    A host that has a document without such values has one row that says so.
    """
    steps = {spec.step, *(column.step or spec.step for column in spec.columns)}
    documents = {host: {step: timeline.document(host, step) for step in steps} for host in hosts}
    columns = [
        one
        for one in spec.columns
        if not one.optional or any(found[one.step or spec.step] is not None for found in documents.values())
    ]
    rows: list[Row] = []
    for host, found in documents.items():
        measured = list(_rows(host, found, spec, columns))
        if not measured and found[spec.step] is not None:
            measured = [(host, MISSING, tuple(ValueCell(MISSING) for _ in columns))]
        rows += measured
    return columns, rows


def _rows(host: str, documents: Mapping[str, Any], spec: ValueTable, columns: Sequence[Column]) -> Iterator[Row]:
    found = documents[spec.step]
    names = dig(found, spec.rows)
    for name in names if isinstance(names, Mapping) else ():
        unit = dig(found, spec.unit.replace("{row}", name)) if spec.unit else None
        cells = (_cell(dig(documents[one.step or spec.step], one.at.replace("{row}", name)), one) for one in columns)
        yield host, f"{name} ({unit})" if isinstance(unit, str) and unit else name, tuple(cells)


def _cell(value: Any, column: Column) -> ValueCell:
    if value is None:
        return ValueCell(MISSING)
    if is_number(value):
        printed = format(value, column.format) if column.format else f"{value:,}".replace(",", " ")
        return ValueCell(printed, repr(value))
    return ValueCell(str(value), verdict=column.verdict)
