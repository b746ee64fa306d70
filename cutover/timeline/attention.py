"""Everything in a journal that was not as it should be: findings of gates, failures, lost connections and leases."""

from dataclasses import replace
from typing import Any

from cutover.core.errors import Problem
from cutover.core.verdict import Verdict, worst
from cutover.journal.record import Record
from cutover.timeline.timeline import Story

CONSEQUENCE = "left out: it needs"  # how the host says that a step was not tried because another failed (agent/work.py)


def attention(story: Story) -> list[tuple[Verdict, Problem]]:
    """Everything in the journal that was not as it should be, each once: what shuts a gate first, each in the order of time."""
    found: dict[Problem, Verdict] = {}

    def note(verdict: Verdict, problem: Problem) -> None:
        known = found.get(problem)
        found[problem] = verdict if known is None else worst([known, verdict])

    for span in story.spans:
        for finding in span.findings:
            note(
                Verdict(finding["verdict"]),
                Problem(finding["message"], finding["next"] or "see the report", finding["host"], finding["name"]),
            )
    for record in story.records:
        for verdict, problem in _troubles(record):
            if record.kind != "run.finished" or problem not in found:  # the gate's own verdict says more
                note(verdict, problem)
    return sorted(((verdict, problem) for problem, verdict in found.items()), key=lambda pair: pair[0].lets_pass)


def is_consequence(problem: Problem) -> bool:
    """Whether a step only was not tried because another one had failed."""
    return CONSEQUENCE in problem.found


def _troubles(record: Record) -> list[tuple[Verdict, Problem]]:
    """What a record that is no gate has to complain about."""
    data, host = record.data, record.host
    if record.kind == "run.finished":
        return [
            (Verdict.FAIL, Problem(**problem))
            for problem in data.get("problems", ())
            if not problem["found"].startswith("rolled back:")
        ]
    if record.kind == "failed":
        return [(Verdict.ERROR, Problem(data["found"], data["next"], host, f"{record.phase}.remote"))]
    if record.kind in ("connection.lost", "lease.lost", "lease.not_renewed"):
        told = {
            "connection.lost": "the result was asked for again",
            "lease.lost": "see `./invokew status`",
            "lease.not_renewed": "it was tried again",
        }
        return [
            (
                Verdict.WARN,
                Problem(f"{record.kind.replace('.', ' ').replace('_', ' ')}: {data['found']}", told[record.kind], host),
            )
        ]
    if record.kind == "lease.released":
        return [
            (Verdict.WARN, Problem(f"the lease was not given back: {why}", "it ends by itself", name))
            for name, why in data["failed"].items()
        ]
    return []


def grouped(story: Story) -> list[dict[str, Any]]:
    """Problems and warnings, those that several hosts share as one."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for verdict, problem in attention(story):
        words = problem.found.replace(f"{problem.host}: ", "") if problem.host else problem.found
        fresh: dict[str, Any] = {"verdict": verdict, "problem": replace(problem, found=words), "hosts": []}
        item = found.setdefault((problem.path, words, problem.next), fresh)
        if problem.host and problem.host not in item["hosts"]:
            item["hosts"].append(problem.host)
    return list(found.values())
