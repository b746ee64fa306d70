"""What stays of a run: the report, the validation reports, the incident record of a rollback."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cutover.tell.incident import write_incident
from cutover.tell.presentation import presentation
from cutover.tell.report import write_report
from cutover.tell.validation import write_validation_reports
from cutover.world.rundir import RunDir


@dataclass(frozen=True)
class Written:
    """The files that were written, by what they are; None for what does not apply to the run."""

    paths: Mapping[str, Path | None]


def write_all(root: Path, run: RunDir) -> Written:
    """Write everything anew from plan, journal and evidence; safe to repeat."""
    incident = write_incident(run, root)
    validation = write_validation_reports(run, presentation(root).validation)
    return Written({"report": write_report(run, root), "incident record": incident, "validation": validation})
