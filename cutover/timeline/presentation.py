"""Reads templates/report.yml: which measurements of the steps a report shows, and how. The engine knows no step and no value by name."""

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from cutover.core.errors import Problem, UsageError
from cutover.timeline.presented import ReportModel, WatchDisplay
from cutover.timeline.realtime import Figure


class Baseline(ReportModel):
    """A figure to hold the outage against."""

    seconds: float
    words: str


class OutageSteps(ReportModel):
    """The steps that measured how long the service was away, and what its parts are called."""

    forward: str
    back: str
    whole: str
    budget_variable: str
    baseline: Baseline
    parts: dict[str, str]


class Column(ReportModel):
    """A column of a table of values: from which step's document, where in it ({row} is the row's name), how it is printed."""

    title: str
    at: str
    step: str = ""
    format: str = ""
    verdict: bool = False
    missing: str = "not measured"
    optional: bool = Field(default=False, description="left out where no host has the step's document")


class ValueTable(ReportModel):
    """A table a host with one row for each key of the mapping at `rows`; with `each`, one table for each item of that list."""

    title: str
    words: str = ""
    step: str
    rows: str
    columns: tuple[Column, ...]
    each: str = ""
    name: str = ""
    unit: str = ""


class Validation(ReportModel):
    """The step whose document is the validation report (status, checks, timestamp), and the checks that it always has."""

    step: str
    checks: tuple[str, ...]


class Presentation(ReportModel):
    """Everything that is particular to this service on the page."""

    service: str
    outage: OutageSteps
    validation: Validation
    values: ValueTable
    tables: tuple[ValueTable, ...] = ()
    watch: WatchDisplay = WatchDisplay()
    real_time: dict[str, Figure] = Field(default_factory=dict, description="what `status --json` says of the service")


def presentation(root: Path) -> Presentation:
    """The presentation that the checkout's templates/report.yml holds; UsageError where it does not fit."""
    import yaml

    path = root / "templates" / "report.yml"
    try:
        document: Any = yaml.safe_load(path.read_text())
        return Presentation.model_validate(document)
    except (OSError, yaml.YAMLError) as unreadable:
        raise UsageError(
            Problem(path=str(path), found=f"cannot be read: {unreadable}", next="restore it")
        ) from unreadable
    except ValidationError as misfit:
        problems = [
            Problem(
                path=f"{path}: {'.'.join(str(part) for part in error['loc'])}",
                found=error["msg"],
                next="correct the entry",
            )
            for error in misfit.errors()
        ]
        raise UsageError(problems) from misfit
