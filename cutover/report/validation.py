"""production_validation_report.json: what phase 5 measured of the live service, one for each host and one for the fleet."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cutover.core.errors import Problem
from cutover.core.verdict import Verdict, worst
from cutover.plan.gate import judging_document
from cutover.timeline.presentation import Validation
from cutover.timeline.timeline import Timeline
from cutover.timeline.view import RunView

NAME = "production_validation_report.json"
COMPARISON = "shadow_report.json"  # the same of both versions side by side
Document = dict[str, Any]
IN_A_RUN = Problem("the service was not judged on this host", "see the journal of the run")


def write_validation_reports(view: RunView) -> Path | None:
    """Write the reports out of the outcomes of the step that judged the service; None where it ran nowhere."""
    documents = host_documents(view.timeline, view.shown.validation)
    return write_reports(view.run.path, documents, {"run": view.run.id}) if documents else None


def write_reports(directory: Path, documents: Mapping[str, Document], about: Document, name: str = NAME) -> Path:
    """Write one report for each host below a directory, and the fleet's into it; gives the fleet's path."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # what hosts say is nobody's but its owner's
    for host, found in documents.items():
        path = directory / "hosts" / host / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, found | {"host": host} | about)
    _write(directory / name, fleet_document(documents) | about)
    return directory / name


def host_documents(timeline: Timeline, shown: Validation) -> dict[str, Document]:
    """The document of every host that phases 3-5 were begun on, completed where the host gave none. Empty where no host did."""
    documents = {host: judging(timeline.document(host, shown.step)) for host in timeline.touched()}
    if not any(documents.values()):
        return {}
    return completed(documents, shown.checks, dict.fromkeys(documents, IN_A_RUN))


def judging(value: object) -> Document | None:
    """A judging document as a host gave it, with its issues; None where it gave something else."""
    judged = judging_document(value)
    return None if judged is None else judged | {"issues": judged.get("issues", [])}


def completed(
    documents: Mapping[str, Document | None], checks: Iterable[str], why: Mapping[str, Problem]
) -> dict[str, Document]:
    """Every host with a document. Who gave none has these checks too, INCONCLUSIVE, each with why and what to do next."""
    names = tuple(checks)
    return {host: found or _unjudged(names, why[host]) for host, found in documents.items()}


def _unjudged(checks: Iterable[str], why: Problem) -> Document:
    unknown = str(Verdict.INCONCLUSIVE)
    issue = {"verdict": unknown, "found": why.found, "next": why.next}
    check = {"status": unknown, "n": 0, "values": {}, "thresholds": {}, "issues": [issue]}
    return {"status": unknown, "checks": dict.fromkeys(checks, check), "timestamp": None, "issues": [issue]}


def fleet_document(documents: Mapping[str, Document]) -> Document:
    """The fleet's report: for each check the worst of the hosts, with the values of each. A host without one is INCONCLUSIVE."""
    names = dict.fromkeys(name for found in documents.values() for name in found["checks"])
    hosts = {host: found["status"] for host, found in documents.items()}
    return {
        "status": str(worst(Verdict(status) for status in hosts.values())),
        "checks": {name: _check(name, documents) for name in names},
        "timestamp": max((str(at) for found in documents.values() if (at := found.get("timestamp"))), default=None),
        "issues": [issue | {"host": host} for host, found in documents.items() for issue in found["issues"]],
        "hosts": hosts,
    }


def _check(name: str, documents: Mapping[str, Document]) -> Document:
    absent = _unjudged((name,), IN_A_RUN)["checks"][name] | {"issues": []}
    hosts = {host: found["checks"].get(name, absent) for host, found in documents.items()}
    return {
        "status": str(worst(Verdict(check["status"]) for check in hosts.values())),
        "n": sum(check.get("n", 0) for check in hosts.values()),
        "hosts": hosts,
    }


def _write(path: Path, content: Document) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
