"""The few figures of a service as it is just now, for `status`: what they are called and made of is data (templates/report.yml)."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cutover.core.numbers import is_number

Documents = Mapping[str, Any]  # what the steps of a look saw, by their names


class Figure(BaseModel):
    """One figure. value: what lies at `at`. ratio: `at` by `of`. busy: the increase of `at` for each second. words: `words[at]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    how: Literal["value", "ratio", "busy", "words"] = "value"
    at: str = Field(description="dotted path into the documents")
    of: str = ""
    times: float = 1.0
    words: Mapping[str, str] = Field(default_factory=dict, description="for what lies there; any other is `otherwise`")
    otherwise: str = ""

    def read(self, first: Documents, last: Documents, seconds: float) -> float | str | None:
        """The figure from two looks so many seconds apart; None where it could not be measured, never 0."""
        value = _at(last, self.at)
        if self.how == "words":
            return self.words.get(str(value), self.otherwise)
        if self.how == "busy":
            before = _at(first, self.at)
            known = is_number(before) and is_number(value) and seconds > 0 and value >= before
            return round((value - before) / seconds * self.times, 3) if known else None
        if self.how == "ratio":
            of = _at(last, self.of)
            return round(value / of * self.times, 3) if is_number(value) and is_number(of) and of else None
        return (value if self.times == 1 else value * self.times) if is_number(value) else None


def real_time(declared: Mapping[str, Figure], looks: Mapping[str, Any]) -> dict[str, float | str | None]:
    """The figures by their names, from two looks (`first`, `last`, `seconds` apart)."""
    return {name: one.read(looks["first"], looks["last"], looks["seconds"]) for name, one in declared.items()}


def _at(documents: Documents, path: str) -> Any:
    found: Any = documents
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
