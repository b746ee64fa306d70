"""What a watch shows of a service: the `watch:` part of templates/report.yml. The engine knows no signal and no value by name."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ReportModel(BaseModel):
    """Refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Raw(ReportModel):
    """How a figure is measured from the documents of the samples: dotted paths, and what is done with what lies there.

    value: the sum of `at` as it is. per: the increase of `at` for each one of the increase of `of`. busy: the increase of
    `at` for each second of real time. changes: how often `at` has become another value since the watch began.
    """

    how: Literal["value", "per", "busy", "changes"] = "value"
    at: tuple[str, ...] = Field(min_length=1)
    of: tuple[str, ...] = ()
    times: float = 1.0
    window_s: float = Field(default=0.0, ge=0, description="over how much of the watch's clock an increase is taken")


class ShownSignal(ReportModel):
    """A figure that people follow: its names, its unit, the rule that judges it and whose limits are drawn in its chart."""

    name: str
    label: str
    short: str = Field(description="the head of its column where room is short")
    unit: str = ""
    format: str = ".4g"
    rule: str = ""
    units: dict[str, float] = Field(default_factory=dict, description="unit of a judgement -> factor to this unit")
    raw: Raw | None = None
    limits_times: float = Field(default=1.0, description="from the unit of the rule's limits to this unit")
    fleet: Literal["most", "sum", "pooled"] = Field("most", description="pooled: weighted by n, where n is known")
    counted: bool = Field(default=False, description="a rate: on how many events it rests stands beside it")
    table: bool = False
    live: bool = False


class WatchDisplay(ReportModel):
    """The whole of it. `values` is where in a sample the service's own named values lie (a mapping)."""

    signals: tuple[ShownSignal, ...] = ()
    values: str = ""
    values_format: str = ".4g"
    values_most: int = Field(default=4, description="how many of them the live view shows")
