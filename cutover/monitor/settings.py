"""How a watch is held, as the variables set it (roles/standard/defaults.yml is where each default lives)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar, get_args

from cutover.core.errors import Problem, UsageError
from cutover.inventory.targets import Targets
from cutover.monitor.rules.rulebook import HOW, Cadence, NoDurationError, RuleBook, cadence, paced, seconds
from cutover.monitor.rules.rules import load_for
from cutover.plan.service import load_service

Default = Literal["stay", "rollback", "go_on"]
DEFAULTS: tuple[Default, ...] = get_args(Default)
T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """The watch's own times (seconds on its clock), what happens when nobody decides, and by what it judges."""

    look_s: float
    cadence: Cadence
    live_s: float  # when the watch that stays in the terminal is over; what comes later is for `--once`
    scale: float
    hold_s: float
    hold_default: Default
    deciders: tuple[str, ...]  # the roles that decide what a hold waits for
    signers: Mapping[str, tuple[str, ...]]  # by point, the roles that sign it
    book: RuleBook

    def looking_every(self, look_s: float) -> "Settings":
        """The same for looks so far apart, in seconds of the watch's clock."""
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


def settings_of(targets: Targets) -> Settings:
    """Read them; they concern the watch as a whole, so they must be the same on all hosts. All that is wrong at once (UsageError)."""
    shared, reading = Shared(targets), _Reading()
    rows = reading.of(lambda: cadence(shared["watch_cadence"], "watch_cadence"))
    book = reading.of(lambda: load_for(load_service(targets.root, targets.service), shared))
    signed: Mapping[str, Any] = shared["watch_points"]
    if book is not None:
        reading.problems += _points_problems(signed, [point.name for point in book.points])
    hold: Mapping[str, Any] = shared["watch_hold"]
    live, deadline = reading.duration("watch_live", shared["watch_live"]), reading.hold(hold)
    if reading.problems or rows is None or book is None:
        raise UsageError(reading.problems)
    scale = float(shared["watch_scale"])
    signers = {point: tuple(roles) for point, roles in signed.items()}
    settings = Settings(0.0, rows, live, scale, deadline, hold["default"], tuple(hold["roles"]), signers, book)
    return settings.looking_every(float(shared["watch_look_s"]) * scale)


@dataclass
class _Reading:
    """Reads one thing after another, and remembers all that was wrong."""

    problems: list[Problem] = field(default_factory=list)

    def of(self, read: Callable[[], T]) -> T | None:
        """What it gives; None where it refuses."""
        try:
            return read()
        except UsageError as wrong:
            self.problems += wrong.problems
            return None

    def duration(self, path: str, written: object) -> float:
        """A duration in seconds; 0 where it is none."""
        try:
            return seconds(written)
        except NoDurationError as none:
            self.problems.append(Problem(path=path, found=str(none), next=HOW))
            return 0.0

    def hold(self, written: Mapping[str, Any]) -> float:
        """The deadline of a hold, once the whole entry was looked at."""
        if set(written) != {"deadline", "default", "roles"} or not isinstance(written["roles"], list):
            found = f"it has {', '.join(written) or 'nothing'}"
            next_ = "give it deadline, default and roles (a list)"
            self.problems.append(Problem(path="watch_hold", found=found, next=next_))
            return 0.0
        if written["default"] not in DEFAULTS:
            found = f"«{written['default']}»"
            self.problems.append(Problem(path="watch_hold.default", found=found, next=f"one of {', '.join(DEFAULTS)}"))
        return self.duration("watch_hold.deadline", written["deadline"])


@dataclass(frozen=True)
class Shared(Mapping[str, Any]):
    """The variables of the hosts as one: what is asked for must be the same on all of them."""

    targets: Targets

    def __getitem__(self, name: str) -> Any:
        return self.targets.shared(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.targets.variables[self.targets.names[0]])

    def __len__(self) -> int:
        return len(self.targets.variables[self.targets.names[0]])


def _points_problems(signers: Mapping[str, object], points: list[str]) -> list[Problem]:
    """Points that there are not, and roles that are no list: letters of a word would sign nothing."""
    unknown = [
        Problem(path=f"watch_points.{name}", found="there is no such point", next=f"name one of {', '.join(points)}")
        for name in signers
        if name not in points
    ]
    loose = [
        Problem(path=f"watch_points.{name}", found=f"{roles!r} is no list of roles", next="write [engineering_lead]")
        for name, roles in signers.items()
        if not isinstance(roles, list)
    ]
    return [*unknown, *loose]
