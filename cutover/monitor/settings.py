"""The settings of a watch, from the variables (roles/standard/defaults.yml has each default)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from cutover.core.errors import Problem, UsageError
from cutover.inventory.schema import Duration, Names, Schema, validate
from cutover.inventory.targets import Targets
from cutover.inventory.yamlfile import dotted
from cutover.monitor.rules.rulebook import Cadence, RuleBook, paced
from cutover.monitor.rules.rules import load_for
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


def _cadence(rows: dict[float, float]) -> dict[float, float]:
    Cadence.of(rows)
    return rows


class _Hold(Schema):
    deadline: Duration
    default: Literal["stay", "rollback", "go_on"]
    roles: Names


class _Variables(Schema):
    watch_look_s: float
    watch_scale: float
    watch_cadence: Annotated[dict[Duration, Duration], AfterValidator(_cadence)]
    watch_live: Duration
    watch_hold: _Hold
    watch_points: dict[str, Names]


def settings_of(targets: Targets) -> Settings:
    """Read them; they concern the watch as a whole, so they must be the same on all hosts. All that is wrong at once (UsageError)."""
    shared: dict[str, Any] = {
        name: targets.shared(name) for name in (*_Variables.model_fields, "watch_thresholds", "watch_rules")
    }
    problems: list[Problem] = []
    known = validate(
        _Variables, {name: shared[name] for name in _Variables.model_fields}, lambda *keys: dotted(keys), problems
    )
    try:
        book = load_for(load_service(targets.root, targets.service), shared)
    except UsageError as wrong:
        raise UsageError([*problems, *wrong.problems]) from wrong
    points = [point.name for point in book.points]
    for name in shared["watch_points"]:
        if name not in points:
            next_ = f"name one of {', '.join(points)}"
            problems.append(Problem(path=f"watch_points.{name}", found="there is no such point", next=next_))
    if problems or known is None:
        raise UsageError(problems)
    hold = known.watch_hold
    settings = Settings(
        look_s=0.0, cadence=Cadence.of(known.watch_cadence), live_s=known.watch_live, scale=known.watch_scale, hold_s=hold.deadline,
        hold_default=hold.default, deciders=hold.roles, signers=known.watch_points, book=book,
    )  # fmt: skip
    return settings.looking_every(known.watch_look_s * known.watch_scale)
