"""The documents as lines of text."""

from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]


def lines(command: str, document: Document) -> list[str]:
    """A command's document as text."""
    formats = {
        "compute": _tape,
        "judge": _judged,
        "validate": _validated,
        "log-review": _reviewed,
        "series": _series,
        "shadow": _shadowed,
        "stress": _stressed,
    }
    return list(formats.get(command, _plain)(document))


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
            difference = f"relative {entry['relative']:.3g}" if "relative" in entry else entry["reason"]
            yield f"  {name:<16} V1 {entry['v1']}, V2 {entry['v2']}: {difference}, {entry['verdict']}"
        yield from _findings(tape["problems"])
    yield f"{document['n']} tapes: {document['verdict']}"


def _validated(document: Document) -> Iterator[str]:
    for name, check in document["checks"].items():
        yield f"{check['status']:<13} {name} (n = {check['n']})"
        yield from _issues(check)
    yield f"{document['status']:<13} overall, {document['timestamp']}"


def _shadowed(document: Document) -> Iterator[str]:
    for tape in document["tapes"]:
        yield f"{tape['tape']}: {tape['verdict']}, {tape['outcome']}"
        yield from (f"  {name} refuses: {tape[key]}" for name, key in _REFUSING if tape.get(key))
        for name, kpi in tape["kpis"].items():
            unlike = name if kpi["v1_name"] == name else f"{name} ({kpi['v1_name']})"
            difference = kpi["reason"] or f"off by {kpi['difference']:.3g}, relative {kpi['relative']:.3g}"
            yield f"  {unlike:<29} V1 {kpi['v1']}, V2 {kpi['v2']}: {difference} {kpi['level']}".rstrip()
        ran = [
            f"{side.upper()} {one['seconds']:.2f} s, {one['peak_mb']:g} MB" for side, one in tape["ran"].items() if one
        ]
        yield f"  ran: {'; '.join(ran)}"
    yield from _checked(document)


_REFUSING = (("V1", "v1_refuses"), ("V2", "v2_refuses"))


def _stressed(document: Document) -> Iterator[str]:
    yield f"{document['iterations']} tapes in {document['seconds']} s, {document['tapes_per_second']} a second"
    held = document["checks"]["memory"]["values"]
    first, last = held["first_quarter_median_mb"], held["last_quarter_median_mb"]
    yield f"memory: first quarter {first} MB, last quarter {last} MB, peak {held['peak_mb']} MB"
    yield from _checked(document)


def _series(document: Document) -> Iterator[str]:
    for grain in ("daily", "weekly", "monthly"):
        yield f"{grain}:"
        for period in document[grain]:
            kpis = (
                (name, kpi["status"] if kpi["value"] is None else f"{kpi['value']:.4f}")
                for name, kpi in period["kpis"].items()
            )
            yield f"  {period['period']:<11}{', '.join(f'{name} {value}' for name, value in kpis)}"
        yield from (f"  no tape from {gap['from']} to {gap['to']}" for gap in document["gaps"][grain])
    yield from (f"restated: {day}, {count} times" for day, count in document["restated"].items())
    yield from _findings(document["problems"])
    yield f"{document['dates']} dates: {document['verdict']}"


def _checked(document: Document) -> Iterator[str]:
    for name, check in document["checks"].items():
        yield f"{check['status']:<13} {name}: {check['words']}"
        yield from _issues(check)
    yield f"{document['status']:<13} overall, {document['timestamp']}"


def _issues(check: Document) -> Iterator[str]:
    for issue in check["issues"]:
        yield f"    {issue['verdict']}: {issue['found']}"
        yield f"        next: {issue['next']}"


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
