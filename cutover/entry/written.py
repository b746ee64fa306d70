"""What stays of a run: the report, the validation reports, the incident record of a rollback."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutover.tell.page.report import write_report
from cutover.tell.presentation import presentation
from cutover.tell.records.incident import write_incident
from cutover.tell.records.validation import COMPARISON, write_reports, write_validation_reports
from cutover.world.journal import utc_stamp
from cutover.world.rundir import RunDir


@dataclass(frozen=True)
class Written:
    """The files that were written, by what they are; None for what does not apply to the run."""

    paths: Mapping[str, Path | None]

    @property
    def files(self) -> dict[str, str]:
        """The same for --json."""
        return {name.replace(" ", "_"): str(path) for name, path in self.paths.items() if path is not None}


def write_all(root: Path, run: RunDir) -> Written:
    """Write everything anew from plan, journal and evidence; safe to repeat."""
    incident = write_incident(run, root)
    validation = write_validation_reports(run, presentation(root).validation)
    return Written({"report": write_report(run, root), "incident record": incident, "validation": validation})


def write_validation(root: Path, documents: Mapping[str, Mapping[str, dict[str, Any]]]) -> Path:
    """The reports of a validation outside any run: fleet and hosts, in a directory named by the time."""
    step = presentation(root).validation
    found = {host: by_step.get(step) for host, by_step in documents.items()}
    return write_reports(root / ".cutover" / "validations" / utc_stamp(), found, {})


def write_comparison(root: Path, documents: Mapping[str, Mapping[str, dict[str, Any]]]) -> Path:
    """The reports of a comparison of both versions: fleet and hosts, in a directory named by the time."""
    found = {host: next(iter(by_step.values()), None) for host, by_step in documents.items()}
    directory = root / ".cutover" / "shadows" / utc_stamp()
    return write_reports(directory, found, {}, COMPARISON)
