"""The incident record of a rollback: cause, time line, hosts, what V2 wrote and where it is kept, lessons to fill in."""

import hashlib
import json
from pathlib import Path
from typing import Any

from cutover.core.checkout import CHECKOUT
from cutover.core.step import Step
from cutover.journal.record import Record
from cutover.journal.rundir import RunDir
from cutover.plan.phases import ROLLBACK
from cutover.plan.plan import Plan
from cutover.timeline.attention import attention
from cutover.timeline.events import told
from cutover.timeline.outages import outages
from cutover.timeline.presentation import presentation
from cutover.timeline.timeline import Story, read_story

Facts = dict[str, Any]


def write_incident(run: RunDir, root: Path = CHECKOUT) -> Path | None:
    """Write incident.json and incident.md; None where nothing was rolled back.

    The JSON is facts alone and always written anew. The page has places that people fill in: one that was edited is
    left as it is, and the new facts go beside it.
    """
    story = read_story(run.journal_file)
    began = story.last("rollback.started")
    if began is None:
        return None
    plan = run.plan() if run.plan_file.exists() else None
    facts = incident(run.id, story, plan, began, root)
    text = _page(facts, root)
    page = _place(run.path, text)
    page.write_text(text)
    _json(run).write_text(
        json.dumps(facts | {"page": page.name, "page_sha256": _digest(text)}, indent=2, ensure_ascii=False) + "\n"
    )
    return page


def incident(run: str, story: Story, plan: Plan | None, began: Record, root: Path) -> Facts:
    """What is known of the last rollback of a run."""
    after = [event for event in told(story) if int(event["seq"]) >= began.seq]
    ended = next(
        (record for record in story.records if record.seq > began.seq and record.kind == "rollback.finished"), None
    )
    back, failed = (ended.data["hosts"], ended.data["failed"]) if ended else ([], [])
    away = {
        outage.host: outage
        for outage in outages(story, presentation(root, str(story.records[0].data.get("service", ""))).outage)
    }
    return {
        "schema": 1,
        "run": run,
        "environment": story.records[0].data.get("environment", ""),
        "release": plan.release.id if plan else "",
        "cause": began.data["cause"],
        "began": began.at,
        "ended": ended.at if ended else None,
        "complete": ended is not None and not failed,
        "hosts": {
            host: _host(story, plan, host, away[host].seconds if away[host].stretches else None)
            for host in story.touched()
        },
        "back_on_v1": list(back),
        "not_back": list(failed),
        "untouched": [host for host in story.hosts if host not in story.touched()],
        "problems": [
            {"verdict": str(verdict)} | problem.as_json()
            for verdict, problem in attention(story)
            if not verdict.lets_pass
        ],
        "timeline": [{"at": event["at"], "what": event["words"]} for event in told(story)],
        "way_back": [{"at": event["at"], "what": event["words"]} for event in after],
    }


def _host(story: Story, plan: Plan | None, host: str, away: float | None) -> Facts:
    """One host: where it is, how long it was away, what is kept of V2, what was restored."""
    planned = plan.hosts[host].of(ROLLBACK) if plan and host in plan.hosts else ()
    done = [(step, story.outcomes[host, step.id]) for step in planned if (host, step.id) in story.outcomes]
    return {
        "where": story.where(host),
        "service_away_s": round(away, 3) if away is not None else None,
        "v1_away_s": next((found["after"].get("gap_s") for step, found in done if _v1_to_v1(step)), None),
        "kept": [_kept(step.args["directory"], found) for step, found in done if step.kind == "snapshot"],
        "restored": [
            {"what": step.words, "ok": found["ok"], "left": found.get("left", False), "found": _restored(found)}
            for step, found in done
            if step.kind == "restore"
        ],
    }


def _v1_to_v1(step: Step) -> bool:
    """Whether a step measured from a unit's stop to the start of that same unit."""
    return step.kind == "gap" and step.args.get("stopped") == step.args.get("started")


def _kept(directory: str, outcome: Facts) -> Facts:
    after = outcome["after"] or {}
    left = outcome["error"] if outcome.get("left") else None
    return {"path": directory, "ok": outcome["ok"], "left": left} | {
        key: after.get(key) for key in ("files", "bytes", "read_only", "manifest_sha256", "taken_at")
    }


def _restored(outcome: Facts) -> str:
    if outcome.get("left"):
        return f"left as it is, because {outcome['error']}"
    if not outcome["ok"]:
        return "; ".join(filter(None, [outcome["error"], *outcome.get("differences", [])]))
    if "none" in str((outcome["after"] or {}).get("snapshot", "")).split():
        return "nothing to restore, since no such snapshot was taken: the new version had not been started"
    return "identical, byte for byte" + ("" if outcome["changed"] else " (was so already)")


def _page(facts: Facts, root: Path) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - Markdown, not HTML; `line` keeps what a host said on one line
        loader=FileSystemLoader(root / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["line"] = line
    return environment.get_template("incident.md.j2").render(facts)


def line(value: object) -> str:
    """A host's words inside Markdown: one line, cut to a length, with what Markdown and HTML would act on disarmed."""
    text = " ".join(str(value).split())
    text = text if len(text) <= 600 else f"{text[:600]}…"
    return (
        text.replace("\\", "\\\\")
        .replace("`", "'")
        .replace("<", "&lt;")
        .replace("|", "\\|")
        .replace("*", "\\*")
        .replace("[", "\\[")
    )


def _place(folder: Path, text: str) -> Path:
    """Where the page goes: incident.md, or beside it where a person has written in it."""
    first = folder / "incident.md"
    edited = first.exists() and first.read_text() != text and _digest(first.read_text()) != _written(folder)
    number = 2
    place = first
    while edited and place.exists() and place.read_text() != text:
        place = folder / f"incident-{number}.md"
        number += 1
    return place


def _written(folder: Path) -> str:
    """The digest of the page as it was last written by us."""
    path = folder / "incident.json"
    return str(json.loads(path.read_text()).get("page_sha256", "")) if path.exists() else ""


def _json(run: RunDir) -> Path:
    return run.path / "incident.json"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
