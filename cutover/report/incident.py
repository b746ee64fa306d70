"""The incident record of a rollback: cause, time line, hosts, what the new release wrote and where it is kept, lessons to complete."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cutover.agent.durable import write_atomically
from cutover.console.events import time_line
from cutover.console.text import markdown_text
from cutover.core.templates import environment
from cutover.journal.record import Record
from cutover.plan.phases import ROLLBACK
from cutover.plan.plan import Plan
from cutover.timeline.problems import problems_of
from cutover.timeline.timeline import Timeline
from cutover.timeline.view import RunView

Facts = dict[str, Any]


def write_incident(view: RunView) -> Path | None:
    """Write incident.json and incident.md; None where nothing was rolled back.

    The JSON is facts only and always written anew. The page has places that people fill in: one that was edited is
    kept unchanged, and the new facts go into another file.
    """
    began = view.timeline.last("rollback.started")
    if began is None:
        return None
    facts = _facts(view, began)
    template = environment(view.root / "templates", line=markdown_text).get_template("incident.md.j2")
    text = template.render(facts)
    page = _page_path(view.run.path, text)
    write_atomically(page, text.encode())
    document = facts | {"page": page.name, "page_sha256": _digest(text)}
    written = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    write_atomically(view.run.path / "incident.json", written.encode())
    return page


def _facts(view: RunView, began: Record) -> Facts:
    """What is known of the last rollback of a run."""
    timeline, plan, labels, created = view.timeline, view.plan, view.labels, view.run.created()
    ended = next((one for one in timeline.of("rollback.finished") if one.seq > began.seq), None)
    back, failed = (ended.data["hosts"], ended.data["failed"]) if ended else ([], [])
    away = {one.host: round(one.seconds, 3) for one in view.outages if one.intervals}
    return {
        "schema": 1,
        "run": view.run.id,
        "labels": asdict(labels),
        "service": created.service,
        "environment": created.environment,
        "release": plan.release.id if plan else "",
        "cause": began.data["cause"],
        "began": began.at,
        "ended": ended.at if ended else None,
        "complete": ended is not None and not failed,
        "hosts": {
            host: {"where": timeline.state(host).text(labels), "service_away_s": away.get(host)}
            | _host(timeline, plan, host)
            for host in timeline.touched()
        },
        "back": list(back),
        "not_back": list(failed),
        "untouched": [host for host in timeline.hosts if host not in timeline.touched()],
        "problems": [
            {"verdict": str(verdict)} | problem.as_json()
            for verdict, problem in problems_of(timeline)
            if not verdict.lets_pass
        ],
        "timeline": time_line(timeline),
    }


def _host(timeline: Timeline, plan: Plan | None, host: str) -> Facts:
    """One host: what is kept of the new release, and what was restored."""
    planned = plan.hosts[host].of(ROLLBACK) if plan and host in plan.hosts else ()
    done = [(step, timeline.outcomes[host, step.id]) for step in planned if (host, step.id) in timeline.outcomes]
    return {
        "kept": [_kept(step.args["directory"], found) for step, found in done if step.kind == "snapshot"],
        "restored": [
            {"what": step.words, "ok": found["ok"], "left": found.get("left", False), "found": _restored(found)}
            for step, found in done
            if step.kind == "restore"
        ],
    }


def _kept(directory: str, outcome: Facts) -> Facts:
    after = outcome["after"] or {}
    keys = ("files", "bytes", "read_only", "manifest_sha256", "taken_at")
    left = outcome["error"] if outcome.get("left") else None
    return {"path": directory, "ok": outcome["ok"], "left": left} | {key: after.get(key) for key in keys}


def _restored(outcome: Facts) -> str:
    if outcome.get("left"):
        return f"left unchanged, because {outcome['error']}"
    if not outcome["ok"]:
        return "; ".join(filter(None, [outcome["error"], *outcome.get("differences", [])]))
    if "none" in str((outcome["after"] or {}).get("snapshot", "")).split():
        return "nothing to restore: no such snapshot was taken, because the new release had not been started"
    return "identical, byte for byte" + ("" if outcome["changed"] else " (already before)")


def _page_path(folder: Path, text: str) -> Path:
    """Where the page goes: incident.md, or another file where a person has edited it."""
    page, number = folder / "incident.md", 2
    if not page.exists() or _digest(page.read_text()) == _digest_as_written(folder):
        return page
    while page.exists() and page.read_text() != text:
        page, number = folder / f"incident-{number}.md", number + 1
    return page


def _digest_as_written(folder: Path) -> str:
    """The digest of the page as this program wrote it last."""
    path = folder / "incident.json"
    return str(json.loads(path.read_text()).get("page_sha256", "")) if path.exists() else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
