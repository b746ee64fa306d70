"""The same documents as lines for people."""

from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]


def lines(command: str, document: Document) -> list[str]:
    """What a person reads of a command's document."""
    tellers = {"compute": _tape, "judge": _judged, "validate": _validated, "log-review": _reviewed}
    return list(tellers.get(command, _plain)(document))


def _tape(document: Document) -> Iterator[str]:
    yield f"{document['tape']}: {document['verdict']}, as of {document['as_of'] or 'no date'}"
    for name, kpi in document["kpis"].items():
        state = f"portfolio: {kpi['portfolio_state']}" if kpi["status"] == "ok" else kpi["reason"]
        yield f"  {name:<16} {kpi['display']:>10}   {state}"
    yield from _findings(document["findings"])


def _judged(document: Document) -> Iterator[str]:
    for tape in document["tapes"]:
        yield from _tape(tape)
        for name, entry in (tape["against_v1"] or {}).items():
            told = f"relative {entry['relative']:.3g}" if "relative" in entry else entry["reason"]
            yield f"  {name:<16} V1 {entry['v1']}, V2 {entry['v2']}: {told}, {entry['verdict']}"
        yield from _findings(tape["problems"])
    yield f"{document['n']} tapes: {document['verdict']}"


def _validated(document: Document) -> Iterator[str]:
    for name, check in document["checks"].items():
        yield f"{check['status']:<13} {name} (n = {check['n']})"
        for issue in check["issues"]:
            yield f"    {issue['verdict']}: {issue['found']}"
            yield f"        next: {issue['next']}"
    yield f"{document['status']:<13} overall, {document['timestamp']}"


def _reviewed(document: Document) -> Iterator[str]:
    yield f"{document['status']} since {document['since']}: {document['n']} audit events"
    yield from (f"  {name}: {value}" for name, value in document["values"].items())
    yield from (f"  {issue['verdict']}: {issue['found']}" for issue in document["issues"])
    yield from (f"  error {error['at']} {error['event']} {error.get('tape', '')}" for error in document["errors"])


def _plain(document: Document) -> Iterator[str]:
    yield from (f"{name}: {value}" for name, value in document.items())


def _findings(findings: list[dict[str, str]]) -> Iterator[str]:
    for finding in findings:
        yield f"  {finding['code']}: {finding['found']}"
        yield f"      next: {finding['next']}"
