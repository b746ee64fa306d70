"""production_validation_report.json: what phase 5 measured of the live service, one for each host and one for the fleet."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cutover.tell.page.values import document
from cutover.tell.story.timeline import Story, read_story
from cutover.words.verdict import Verdict, worst
from cutover.world.rundir import RunDir

NAME = "production_validation_report.json"
COMPARISON = "shadow_report.json"  # the same of both versions side by side
Document = dict[str, Any]


def write_validation_reports(run: RunDir, step: str) -> Path | None:
    """Write the reports out of the outcomes of the step that judged the service; None where it ran nowhere."""
    documents = host_documents(read_story(run.journal_file), step)
    return write_reports(run.path, documents, {"run": run.id}) if documents else None


def write_reports(directory: Path, documents: Mapping[str, Document | None], about: Document, name: str = NAME) -> Path:
    """Write one report for each host below a directory, and the fleet's into it; gives the fleet's path."""
    for host, found in documents.items():
        path = directory / "hosts" / host / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, _of_host(found) | {"host": host} | about)
    _write(directory / name, fleet_document(documents) | about)
    return directory / name


def host_documents(story: Story, step: str) -> dict[str, Document | None]:
    """The document of every host that phases 3-5 were begun on; None where the host gave none. Empty where no host did."""
    found = {host: document(story, host, step) for host in story.touched()}
    documents = {
        host: value if isinstance(value, dict) and isinstance(value.get("checks"), dict) else None
        for host, value in found.items()
    }
    return documents if any(documents.values()) else {}


def fleet_document(documents: Mapping[str, Document | None]) -> Document:
    """The fleet's report: for each check the worst of the hosts, with the values of each. A host without one is INCONCLUSIVE."""
    names = dict.fromkeys(name for found in documents.values() if found for name in found["checks"])
    hosts = {host: str(_status(found)) for host, found in documents.items()}
    return {
        "status": str(worst(Verdict(status) for status in hosts.values())),
        "checks": {name: _check(name, documents) for name in names},
        "timestamp": max((str(found["timestamp"]) for found in documents.values() if found), default=None),
        "issues": [{"host": host} | issue for host, found in documents.items() for issue in _of_host(found)["issues"]],
        "hosts": hosts,
    }


def _check(name: str, documents: Mapping[str, Document | None]) -> Document:
    hosts = {
        host: (found or {"checks": {}})["checks"].get(
            name, {"status": str(Verdict.INCONCLUSIVE), "n": 0, "values": {}, "thresholds": {}, "issues": []}
        )
        for host, found in documents.items()
    }
    return {
        "status": str(worst(Verdict(check["status"]) for check in hosts.values())),
        "n": sum(check.get("n", 0) for check in hosts.values()),
        "hosts": hosts,
    }


def _status(found: Document | None) -> Verdict:
    return Verdict(found["status"]) if found else Verdict.INCONCLUSIVE


def _of_host(found: Document | None) -> Document:
    """A host's own document; one that says so where the host gave none."""
    if found is not None:
        return found | {"issues": found.get("issues", [])}
    issue = {
        "verdict": str(Verdict.INCONCLUSIVE),
        "found": "the service was not judged on this host",
        "next": "see the journal of the run",
    }
    return {"status": str(Verdict.INCONCLUSIVE), "checks": {}, "timestamp": None, "issues": [issue]}


def _write(path: Path, content: Document) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
