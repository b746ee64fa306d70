"""The settings of a watch, from the variables (roles/standard/defaults.yml has each default)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import ValidationError

from cutover.core.errors import Problem, UsageError
from cutover.inventory.targets import Targets
from cutover.inventory.yamlfile import dotted
from cutover.monitor.rules.rulebook import Cadence, RuleBook, cadence, paced
from cutover.monitor.rules.rules import Duration, StrictModel, load_for, schema_problems
from cutover.plan.service import load_service


@dataclass(frozen=True)
class Settings:
    """The watch's own times (seconds on its clock), what happens when nobody decides, and by what it judges."""

    look_s: float
    cadence: Cadence
    live_s: float  # when the watch that stays in the terminal is over; what comes later is for `--once`
    scale: float
    hold_s: float
    hold_default: str  # stay, rollback or go_on
    deciders: tuple[str, ...]  # the roles that decide what a hold waits for
    signers: Mapping[str, tuple[str, ...]]  # by point, the roles that sign it
    book: RuleBook

    def looking_every(self, look_s: float) -> "Settings":
        """The same for samples so far apart, in seconds of the watch's clock."""
        return replace(self, look_s=look_s, book=paced(self.book, look_s, hurried=self.scale > 1))

    def as_json(self) -> dict[str, Any]:
        """What the journal keeps of it."""
        return {
            "look_s": self.look_s,
            "cadence": [list(stretch) for stretch in self.cadence.stretches],
            "live_s": self.live_s,
            "scale": self.scale,
            "hold": {"deadline_s": self.hold_s, "default": self.hold_default, "roles": list(self.deciders)},
            "signers": {point: list(roles) for point, roles in self.signers.items()},
            "points": [{"name": point.name, "at": point.at} for point in self.book.points],
            "rules": self.book.as_json(),
        }


class _Hold(StrictModel):
    deadline: Duration
    default: Literal["stay", "rollback", "go_on"]
    roles: list[str]


class _Variables(StrictModel):
    watch_look_s: float
    watch_scale: float
    watch_live: Duration
    watch_hold: _Hold
    watch_points: dict[str, list[str]]


def settings_of(targets: Targets) -> Settings:
    """Read them; they concern the watch as a whole, so they must be the same on all hosts. All that is wrong at once (UsageError)."""
    shared, problems = SharedVariables(targets), list[Problem]()
    rows = book = known = None
    try:
        rows = cadence(shared["watch_cadence"], "watch_cadence")
    except UsageError as wrong:
        problems += wrong.problems
    try:
        book = load_for(load_service(targets.root, targets.service), shared)
        points = [point.name for point in book.points]
        unknown = [f"watch_points.{name}" for name in shared["watch_points"] if name not in points]
        next_ = f"name one of {', '.join(points)}"
        problems += [Problem(path=path, found="there is no such point", next=next_) for path in unknown]
    except UsageError as wrong:
        problems += wrong.problems
    try:
        known = _Variables.model_validate({name: shared[name] for name in _Variables.model_fields})
    except ValidationError as wrong:
        problems += schema_problems(wrong, lambda *keys: dotted(keys), lambda _: _Hold)
    if problems or rows is None or book is None or known is None:
        raise UsageError(problems)
    signers, hold = {point: tuple(roles) for point, roles in known.watch_points.items()}, known.watch_hold
    scale, deciders = known.watch_scale, tuple(hold.roles)
    settings = Settings(0.0, rows, known.watch_live, scale, hold.deadline, hold.default, deciders, signers, book)
    return settings.looking_every(known.watch_look_s * scale)


@dataclass(frozen=True)
class SharedVariables(Mapping[str, Any]):
    """The variables of the hosts as one: what is asked for must be the same on all of them."""

    targets: Targets

    def __getitem__(self, name: str) -> Any:
        return self.targets.shared(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.targets.variables[self.targets.names[0]])

    def __len__(self) -> int:
        return len(self.targets.variables[self.targets.names[0]])
