"""What stays of a run: the report, the validation reports, the incident record of a rollback."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cutover.conduct.judging.judged import Judged
from cutover.tell.page.report import write_report
from cutover.tell.presentation import presentation
from cutover.tell.records.incident import write_incident
from cutover.tell.records.validation import COMPARISON, completed, judging, write_reports, write_validation_reports
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


def write_validation(root: Path, judged: Judged) -> Path:
    """The reports of a validation outside any run: fleet and hosts, in a directory named by the time."""
    shown = presentation(root).validation
    given = {host: judging(by_step.get(shown.step)) for host, by_step in judged.documents.items()}
    documents = completed(given, shown.checks, {host: judged.why(host) for host in given})
    return write_reports(root / ".cutover" / "validations" / utc_stamp(), documents, {})


def write_comparison(root: Path, judged: Judged) -> list[Path]:
    """The reports of a comparison of both versions: fleet and hosts, in a directory named by the time.

    Where the run whose release compared has its directory here, they are part of its evidence too, and its report is drawn anew.
    """
    given = {host: judging(next(iter(by_step.values()), None)) for host, by_step in judged.documents.items()}
    documents = completed(given, (), {host: judged.why(host) for host in given})
    stamp, run = utc_stamp(), RunDir(root / ".cutover" / "runs" / judged.run)
    about = {"run": judged.run} if judged.run else {}
    written = [write_reports(root / ".cutover" / "shadows" / stamp, documents, about, COMPARISON)]
    if judged.run and run.journal_file.is_file():
        written.append(write_reports(run.evidence / "shadows" / stamp, documents, about, COMPARISON))
        write_report(run, root)
    return written
