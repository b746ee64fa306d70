"""Reads report.yml of a service: which measurements of the steps are shown, and how. The engine knows no step and no value by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cutover.agent.compare import dig, is_number
from cutover.core.errors import Problem, UsageError
from cutover.inventory.schema import validate
from cutover.inventory.targets import STANDARD
from cutover.inventory.yamlfile import dotted
from cutover.plan.service import load_service, map_in

FILE = "report.yml"


class ReportModel(BaseModel):
    """Refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OutageSteps(ReportModel):
    """The steps that measured the outage, and what its parts are called."""

    forward: str
    back: str
    whole: str
    budget_variable: str
    baseline: str = Field(default="", description="an outage to compare with, in words")
    parts: dict[str, str] = Field(description="of `stop`, what `stop_s` of a step's state measured, in words")


class Column(ReportModel):
    """A column of a table of values: from which step's document, where in it ({row} is the row's name), how it is printed."""

    title: str
    at: str
    step: str = ""
    format: str = ""
    verdict: bool = False
    optional: bool = Field(default=False, description="omitted where no host has the step's document")


class ValueTable(ReportModel):
    """A table with one row for each host and each key of the mapping at `rows` of the step's document."""

    title: str
    words: str = ""
    step: str
    rows: str
    columns: tuple[Column, ...]
    unit: str = ""


class Validation(ReportModel):
    """The step whose document is the validation report (status, checks, timestamp), and the checks that it always has."""

    step: str
    checks: tuple[str, ...]


class RealTimeFigure(ReportModel):
    """A figure of the service as it is now.

    value: what lies at `at`. ratio: `at` by `of`. busy: the increase of `at` for each second. words: `words[at]`.
    """

    how: Literal["value", "ratio", "busy", "words"] = "value"
    at: str = Field(description="dotted path into the documents")
    of: str = ""
    times: float = 1.0
    words: Mapping[str, str] = Field(default_factory=dict, description="for what lies there; any other is `otherwise`")
    otherwise: str = ""

    def read(self, first: Mapping[str, Any], last: Mapping[str, Any], seconds: float) -> float | str | None:
        """The figure from the documents of two samples so many seconds apart; None where it could not be measured, never 0."""
        value = dig(last, self.at)
        if self.how == "words":
            return self.words.get(str(value), self.otherwise)
        if self.how == "busy":
            before = dig(first, self.at)
            known = is_number(before) and is_number(value) and seconds > 0 and value >= before
            return round((value - before) / seconds * self.times, 3) if known else None
        if self.how == "ratio":
            of = dig(last, self.of)
            return round(value / of * self.times, 3) if is_number(value) and is_number(of) and of else None
        return (value if self.times == 1 else value * self.times) if is_number(value) else None


class ShownSignal(ReportModel):
    """A figure that people follow: what the rule of this name measures, with its limits in the chart, and its names and unit."""

    rule: str
    label: str
    short: str = Field(description="the head of its column where room is short")
    unit: str = ""
    times: float = Field(default=1.0, description="from the unit of the rule to this unit")
    format: str = ".4g"
    counted: bool = Field(default=False, description="a rate: on how many events it rests stands beside it")
    table: bool = False


class WatchDisplay(ReportModel):
    """The whole of it. `values` is where in a sample the service's own named values lie (a mapping), for the report."""

    signals: tuple[ShownSignal, ...] = ()
    values: str = ""


class Presentation(ReportModel):
    """Everything that is particular to this service on the page."""

    service: str
    outage: OutageSteps
    validation: Validation
    values: ValueTable | None = None
    watch: WatchDisplay = WatchDisplay()
    real_time: dict[str, RealTimeFigure] = Field(
        default_factory=dict, description="what `status --json` has of the service"
    )

    def real_time_of(self, samples: Mapping[str, Any]) -> dict[str, float | str | None]:
        """The real-time figures by their names, from two samples (`first`, `last`, `seconds` apart)."""
        return {
            name: one.read(samples["first"], samples["last"], samples["seconds"])
            for name, one in self.real_time.items()
        }


def presentation(root: Path, service: str) -> Presentation:
    """What roles/standard/report.yml shows of any service, with the service's own in its place; UsageError where it is wrong.

    A journal that was cut does not name its service; the standard presentation is used then.
    """
    role = load_service(root, service) if service else None
    files = role.files(FILE) if role else [root / "roles" / STANDARD / FILE]
    written = role.document.value if role else None
    title = written.get("title", service) if isinstance(written, dict) else "unknown service"
    document: dict[str, Any] = {"service": str(title)}
    for path in files:
        for key, value in map_in(path)[1].items():
            merges = isinstance(value, dict) and isinstance(document.get(key), dict)
            document[key] = {**document[key], **value} if merges else value
    problems: list[Problem] = []
    found = validate(Presentation, document, lambda *keys: f"{files[-1]}: {dotted(keys)}", problems)
    if found is None:
        raise UsageError(problems)
    return found
