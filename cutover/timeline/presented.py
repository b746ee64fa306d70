"""What a watch shows of a service: the `watch:` part of templates/report.yml. The engine knows no signal and no value by name."""

from pydantic import BaseModel, ConfigDict, Field


class ReportModel(BaseModel):
    """Refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ShownSignal(ReportModel):
    """A figure that people follow: what the rule of this name measures, with its limits in the chart, and its names and unit."""

    rule: str
    label: str
    short: str = Field(description="the head of its column where room is short")
    unit: str = ""
    times: float = Field(default=1.0, description="from the unit of the rule to this unit")
    format: str = ".4g"
    counted: bool = Field(default=False, description="a rate: on how many events it rests stands beside it")
    table: bool = Field(default=False, description="it stands in the table and in the live view")


class WatchDisplay(ReportModel):
    """The whole of it. `values` is where in a sample the service's own named values lie (a mapping), for the report."""

    signals: tuple[ShownSignal, ...] = ()
    values: str = ""
