"""Reads report.yml of a service: which measurements of the steps a report shows, and how. The engine knows no step and no value by name."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cutover.core.errors import Problem, UsageError
from cutover.inventory.targets import STANDARD
from cutover.plan.service import ServiceRole, load_service
from cutover.timeline.presented import Watched
from cutover.timeline.realtime import Figure

FILE = "report.yml"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Baseline(_Strict):
    """A figure to hold the outage against."""

    seconds: float
    words: str


class OutageSteps(_Strict):
    """The steps that measured how long the service was away, and what its parts are called."""

    forward: str
    back: str
    whole: str
    budget_variable: str
    baseline: Baseline | None = None
    parts: dict[str, str]


class Column(_Strict):
    """A column of a table of values: from which step's document, where in it ({row} is the row's name), how it is printed."""

    title: str
    at: str
    step: str = ""
    format: str = ""
    verdict: bool = False
    missing: str = "not measured"
    optional: bool = Field(default=False, description="left out where no host has the step's document")


class ValueTable(_Strict):
    """A table a host with one row for each key of the mapping at `rows`; with `each`, one table for each item of that list."""

    title: str
    words: str = ""
    step: str
    rows: str
    columns: tuple[Column, ...]
    each: str = ""
    name: str = ""
    unit: str = ""


class Validation(_Strict):
    """The step whose document is the validation report (status, checks, timestamp), and the checks that it always has."""

    step: str
    checks: tuple[str, ...]


class Presentation(_Strict):
    """Everything that is particular to this service on the page."""

    service: str
    outage: OutageSteps
    validation: Validation
    values: ValueTable | None = None
    tables: tuple[ValueTable, ...] = ()
    watch: Watched = Watched()
    real_time: dict[str, Figure] = Field(default_factory=dict, description="what `status --json` says of the service")


def presentation(root: Path, service: str) -> Presentation:
    """What roles/standard/report.yml says for any service, with what the service's own says in its place; UsageError where it is wrong."""
    import yaml

    # A journal that was cut does not say which service it is about.
    role = load_service(root, service) if service else None
    document: dict[str, Any] = {"service": _title(role) if role else "unknown service"}
    path = root / "roles" / STANDARD / FILE
    try:
        for one in role.files(FILE) if role else [path]:
            path = one
            for key, value in yaml.safe_load(path.read_text()).items():
                merges = isinstance(value, dict) and isinstance(document.get(key), dict)
                document[key] = {**document[key], **value} if merges else value
        return Presentation.model_validate(document)
    except (OSError, yaml.YAMLError) as unreadable:
        found, next_ = f"cannot be read: {unreadable}", "restore it"
        raise UsageError(Problem(path=str(path), found=found, next=next_)) from unreadable
    except ValidationError as misfit:
        raise UsageError(
            Problem(
                path=f"{path}: {'.'.join(str(part) for part in error['loc'])}",
                found=error["msg"],
                next="correct the entry",
            )
            for error in misfit.errors()
        ) from misfit


def _title(role: ServiceRole) -> str:
    value = role.document.value
    return str(value.get("title", role.name)) if isinstance(value, dict) else role.name
