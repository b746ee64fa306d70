"""One simulated watch of 24 hours: a service, its judge, and when each rule first said what."""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bench.watch.parameters import DAY, LOOK_S, Parameters
from bench.watch.regressions import REGRESSIONS, Expected, Regression
from bench.watch.service import SimulatedService
from cutover.core.samples import Judgement, Sample
from cutover.core.verdict import Verdict
from cutover.monitor.rules.judge import HostJudge
from cutover.monitor.rules.points import PointAnswer, judge_point
from cutover.monitor.rules.rulebook import Cadence, RuleBook
from cutover.monitor.rules.rules import load
from cutover.plan.service import load_service, thresholds

HOURS = 3600.0
CADENCE = Cadence(((4 * HOURS, HOURS / 2), (8 * HOURS, HOURS), (16 * HOURS, 2 * HOURS), (24 * HOURS, 4 * HOURS)))
HOST = "simulated"
GRAVITY: tuple[Expected, ...] = ("warn", "hold", "rollback")


@dataclass
class SimulatedDay:
    """What a watch said: of each rule the first moment of each answer, and what its decision points came to."""

    first: dict[tuple[str, Expected], float] = field(default_factory=dict)
    points: dict[str, PointAnswer] = field(default_factory=dict)
    inconclusive: int = 0
    looks: int = 0
    planted: float = 0.0

    def note(self, judgement: Judgement, t: float) -> None:
        """Keep it, where it is the first of its rule."""
        if judgement.verdict is Verdict.INCONCLUSIVE:
            self.inconclusive += 1
        elif judgement.verdict is not Verdict.PASS:
            said: Expected = (
                "warn" if judgement.verdict is Verdict.WARN else "rollback" if judgement.rolls_back else "hold"
            )
            self.first.setdefault((judgement.rule, said), t)

    def earliest(self, said: Expected, rules: Collection[str], after: float) -> float | None:
        """When one of these rules first said so, or something graver, from a moment on."""
        grave = GRAVITY[GRAVITY.index(said) :]
        times = [t for (rule, one), t in self.first.items() if one in grave and rule in rules and t >= after]
        return min(times, default=None)

    def seen_at(self, regression: Regression) -> float | None:
        """When the rules that are there for a regression first gave the answer that it needs."""
        return self.earliest(regression.expected, regression.rules, self.planted)


def watch(book: RuleBook, seed: str, parameters: Parameters, regression: Regression | None = None) -> SimulatedDay:
    """One watch. With a regression it begins with the service well, and ends when what is expected was said."""
    random = Random(seed)  # noqa: S311 - a simulation that must be repeatable
    service, judge, day = SimulatedService(random, parameters), HostJudge(book, HOST, LOOK_S), SimulatedDay()
    slow = regression is not None and regression.at_points
    day.planted = 0.0 if slow else random.uniform(1.5, 3.0) * HOURS if regression else float("inf")
    rows = {0.0, *CADENCE.between(0.0, DAY)}
    points = {point.at: point for point in book.points if point.at <= DAY}
    unseen = 0
    for number in range(int(DAY / LOOK_S) + 1):
        t = number * LOOK_S
        if number:
            service.step()
        if regression and t >= day.planted:
            regression.plant(service.faults)
        if random.random() < parameters.lost_sights_a_day * LOOK_S / DAY:
            unseen = 1 + random.randrange(parameters.lost_sight_looks)
        failed = unseen > 0 or service.faults.unseen or random.random() < parameters.missed_looks
        unseen -= unseen > 0
        row = t in rows
        sample = Sample(HOST, t, t, {} if failed else service.look(row=row), row, "not reached" if failed else "")
        judged = judge.take(sample)
        day.looks += 1
        for one in judged:
            day.note(one, t)
        if t in points:
            point, history = points[t], judge.history
            day.points[point.name] = judge_point(point, {HOST: history}, book)
            history.marks[point.name] = history.metrics
            history.decided()
        if regression and not slow and day.seen_at(regression) is not None:
            break
    return day


def book(root: Path) -> RuleBook:
    """The rules of the checkout, with the table of thresholds as it is by default, and no changes to any rule."""
    service = load_service(root, "abaco")
    return load(service.file("rules.yml"), thresholds(service, {}), {})


def batch(root: str, seed: int, parameters: Parameters, name: str, numbers: range) -> list[SimulatedDay]:
    """Several watches in one process: of a regression by its name, or A/A where the name is empty."""
    rules = book(Path(root))
    regression = next((one for one in REGRESSIONS if one.name == name), None)
    return [watch(rules, f"{seed}/{name}/{number}", parameters, regression) for number in numbers]
