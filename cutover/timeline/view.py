"""A run as its report, its records and its summary see it: read once, by each of them alike."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cutover.journal.journal import Journal
from cutover.journal.rundir import RunDir
from cutover.plan.plan import Plan
from cutover.timeline.host_state import Labels, labels_of
from cutover.timeline.outages import Outage, outages
from cutover.timeline.presentation import Presentation, presentation
from cutover.timeline.timeline import Timeline, read_timeline, timeline_of


@dataclass(frozen=True)
class RunView:
    """What is known of a run: its timeline, its plan (None where it has none), and how its service is shown."""

    run: RunDir
    root: Path
    timeline: Timeline
    plan: Plan | None
    shown: Presentation

    @cached_property
    def labels(self) -> Labels:
        """What people call the two releases."""
        return labels_of(self.plan)

    @cached_property
    def outages(self) -> list[Outage]:
        """One for each host on which the old release was to be stopped."""
        return outages(self.timeline, self.shown.outage, self.labels)


def view_of(run: RunDir, root: Path, journal: Journal | None = None) -> RunView:
    """Read a run that may have no end, or no plan; UsageError where its plan was altered, or report.yml of its service is wrong.

    `journal` is the one that this process has written: what it could not write is known nowhere else.
    """
    plan = run.plan() if run.plan_file.exists() else None
    unwritten = journal is not None and journal.unwritten
    timeline = timeline_of(journal.records) if journal and unwritten else read_timeline(run.journal_file)
    return RunView(run, root, timeline, plan, presentation(root, run.created().service))
