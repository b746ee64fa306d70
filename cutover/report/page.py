"""report.html: one page that says what a run did, to somebody who was not there. It only reads plan, journal and evidence."""

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template

from cutover.console.events import time_line
from cutover.console.progress import TITLES, progress_of
from cutover.console.text import size
from cutover.core.errors import ExitCode
from cutover.core.numbers import is_number
from cutover.core.templates import environment
from cutover.core.verdict import Verdict
from cutover.journal.rundir import RunDir
from cutover.monitor.views.text import figure, hour
from cutover.plan.phases import PHASES, ROLLBACK
from cutover.plan.plan import Plan
from cutover.release.wheels import digest_file
from cutover.report.charts import timeline_chart
from cutover.report.checks import verified
from cutover.report.validation import fleet_document, host_documents
from cutover.report.values import fleet_table
from cutover.report.watch import measured_later, watch_page
from cutover.timeline.endings import ending
from cutover.timeline.host_state import Labels
from cutover.timeline.outages import Outage, longest
from cutover.timeline.problems import grouped, problems_of
from cutover.timeline.timeline import BAKE, Timeline
from cutover.timeline.view import RunView

TONES = {"PASS": "good", "WARN": "warn", "FAIL": "bad", "ERROR": "bad", "INCONCLUSIVE": "bad"}


def write_report(view: RunView) -> Path:
    """Write the page of a run, whatever state the run is in, and give its path. What came from a host is escaped."""
    page = view.run.report
    page.write_text(_template(view.root).render(_context(view)))
    return page


@cache
def _template(root: Path) -> Template:
    """The template, which takes longer to compile than to render."""
    templates = environment(
        root / "templates", html=True, pretty=pretty, tidy=tidy, tone=tone, size=size, hour=hour, figure=figure
    )
    return templates.get_template("report.html.j2")


def _context(view: RunView) -> dict[str, Any]:
    run, timeline, plan, shown = view.run, view.timeline, view.plan, view.shown
    labels, away = view.labels, view.outages
    problems = grouped(problems_of(timeline))
    watch = watch_page(run, timeline, shown, plan)
    measured = replace(timeline, outcomes=timeline.outcomes | measured_later(run, watch))
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
        "values": fleet_table(measured, shown.values, timeline.hosts) if shown.values else None,
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
