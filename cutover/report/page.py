"""report.html: one page that says what a run did, to somebody who was not there. It only reads plan, journal and evidence."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from cutover.console.values import fleet_table
from cutover.core.checkout import CHECKOUT
from cutover.core.errors import ExitCode
from cutover.core.verdict import Verdict
from cutover.journal.rundir import RunDir
from cutover.monitor.views.clock import hour, span
from cutover.monitor.views.numbers import figure
from cutover.plan.diff import Change
from cutover.plan.phases import PHASES, ROLLBACK
from cutover.plan.plan import FileDiff, Plan
from cutover.report.charts import course, outage_chart
from cutover.report.checks import matrix, verified
from cutover.report.monitor.page import bundles, measured_later, watch_page
from cutover.report.runbook import CODES
from cutover.report.validation import fleet_document, host_documents
from cutover.timeline.attention import grouped, is_consequence
from cutover.timeline.endings import ending
from cutover.timeline.events import told
from cutover.timeline.moments import phase_title
from cutover.timeline.outages import Outage, longest, outages
from cutover.timeline.presentation import Presentation, presentation
from cutover.timeline.timeline import Story, read_story


def write_report(run: RunDir, root: Path = CHECKOUT) -> Path:
    """Write the page of a run, whatever state the run is in, and give its path."""
    story = read_story(run.journal_file)
    plan = run.plan() if run.plan_file.exists() else None
    page = render(run, story, plan, root)
    run.report.write_text(page)
    return run.report


def render(run: RunDir, story: Story, plan: Plan | None, root: Path) -> str:
    """The page as text. Everything that came from a host is escaped by the template engine."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(root / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"pretty": pretty, "tidy": tidy, "tone": tone, "phase_title": phase_title, "size": size}
    environment.filters |= {"hour": hour, "span": span, "figure": figure}
    return environment.get_template("report.html.j2").render(
        _context(run, story, plan, presentation(root, run.service()))
    )


def _context(run: RunDir, story: Story, plan: Plan | None, shown: Presentation) -> dict[str, Any]:
    away = outages(story, shown.outage)
    trouble = grouped(story)
    watch = watch_page(run, story, shown)
    measured = replace(story, outcomes=story.outcomes | measured_later(run, watch, shown.watch.values))
    return {
        "run": run.id,
        "story": story,
        "plan": plan,
        "shown": shown,
        "ending": ending(story, away),
        "facts": _tiles(story, away),
        "codes": CODES,
        "trouble": [item for item in trouble if not item["verdict"].lets_pass and not is_consequence(item["problem"])],
        "left_out": [item for item in trouble if not item["verdict"].lets_pass and is_consequence(item["problem"])],
        "warnings": [item for item in trouble if item["verdict"].lets_pass],
        "values": fleet_table(measured, shown.values, story.hosts) if shown.values else None,
        "checks": fleet_document(host_documents(story, shown.validation)),
        "columns": [phase.label for phase in PHASES] + ["Bake", ROLLBACK.title],
        "matrix": matrix(story, story.spans),
        "verified": verified(story, plan, shown) if plan else [],
        "diffs": _diffs(plan) if plan else [],
        "events": told(story),
        "evidence": evidence(run),
        "watch": watch,
        "bundles": bundles(run),
        **_charts(story, plan, shown, away),
    }


def _charts(story: Story, plan: Plan | None, shown: Presentation, away: list[Outage]) -> dict[str, Any]:
    """The charts, where there is something to draw."""
    budget = _budget(plan, shown)
    baseline, parts = shown.outage.baseline, list(shown.outage.parts.values())
    drawn = any(outage.stretches for outage in away)
    legs = [leg for leg in story.legs if any(leg[0] <= span.start <= leg[1] for span in story.spans)]
    return {
        "away": away,
        "budget": budget,
        "away_chart": outage_chart(away, budget, baseline, parts) if drawn else None,
        "courses": [(leg, course(story, away, leg)) for leg in legs],
    }


def _tiles(story: Story, away: list[Outage]) -> list[tuple[str, str]]:
    """The few figures at the top."""
    code = story.exit_code
    most = longest(away)
    still = sum(1 for outage in away if outage.open)
    time = f"{most.seconds:.2f} s" if most else "none" if not away else "not measured"
    judged = sum(span.judged for span in story.spans if span.name != "bake")
    return [
        ("hosts", str(len(story.hosts))),
        ("longest time away", f"not over on {still}" if still else time),
        ("the whole run took", f"{story.seconds:.1f} s" if story.seconds < 600 else f"{story.seconds / 60:.0f} min"),
        ("steps and checks judged", str(judged)),
        (
            "exit code" if code is None else f"exit code: {CODES[ExitCode(code)].name}",
            "none yet" if code is None else str(code),
        ),
    ]


def _budget(plan: Plan | None, shown: Presentation) -> float | None:
    values = [host.variables.get(shown.outage.budget_variable) for host in plan.hosts.values()] if plan else []
    return next((float(value) for value in values if isinstance(value, int | float)), None)


def _diffs(plan: Plan) -> list[dict[str, Any]]:
    """Every file that was to be written, hosts with the same difference as one."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for host, planned in plan.hosts.items():
        for diff in planned.diffs:
            entry = found.setdefault(
                (diff.path, diff.lines),
                {
                    "path": diff.path,
                    "new": diff.against == "nothing",
                    "keys": _keys(diff),
                    "lines": diff.lines.splitlines(),
                    "hosts": [],
                },
            )
            entry["hosts"].append(host)
    return list(found.values())


def _keys(diff: FileDiff) -> list[Change]:
    """The key-wise differences, taken apart again: the plan keeps each as one line (see Change.__str__)."""
    changes: list[Change] = []
    for line in diff.keys:
        path, _, rest = line[2:].partition(": ")
        before, arrow, after = rest.partition(" -> ") if line[0] == "~" else ("", "", rest)
        kinds = {
            "~": Change(path, "changed", before, after if arrow else ""),
            "+": Change(path, "added", "", rest),
            "-": Change(path, "removed", rest, ""),
        }
        changes.append(kinds[line[0]])
    return changes


def evidence(run: RunDir) -> list[tuple[str, int, str]]:
    """The files beside the journal: name, size, digest."""
    files = sorted(path for path in run.evidence.rglob("*") if path.is_file()) if run.evidence.is_dir() else []
    return [
        (str(path.relative_to(run.evidence)), path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in files
    ]


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
    """How a verdict is coloured; the word stands beside it always."""
    return {"PASS": "good", "WARN": "warn", "FAIL": "bad", "ERROR": "bad", "INCONCLUSIVE": "bad"}.get(
        str(verdict), "quiet"
    )


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB" if count >= 1e3 else f"{count} B"
