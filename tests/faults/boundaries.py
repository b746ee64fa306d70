"""Death at each boundary of the journal, then a series: go on (`cutover --resume`), or give up (`abort`)."""

import time
from dataclasses import dataclass, replace
from typing import Any

from tests.faults.ground import Experiment, Ground
from tests.faults.invariants import Violation, in_service

RESET_EVERY = 15  # runs leave backups; many of them make every later one slower, and prove nothing


@dataclass(frozen=True)
class Boundary:
    """A place in a run: the N-th write of its journal, from one side."""

    command: str
    number: int
    kind: str
    side: str

    def __str__(self) -> str:
        return f"{self.command} killed {self.side} {self.number} ({self.kind})"


@dataclass(frozen=True)
class Outcome:
    """What came of an experiment."""

    name: str
    ends: tuple[str, ...]
    codes: tuple[int, ...]
    seconds: float
    violations: tuple[Violation, ...]


def enumerate_boundaries(ground: Ground, seed: int) -> tuple[list[Boundary], list[Boundary], list[Outcome]]:
    """One clean cutover and one clean rollback, counted: every boundary of both."""
    clean = Experiment(ground, "clean cutover", seed)
    forward = ground.start("cutover", "--yes")
    assert clean.ended(forward).code == 0, clean.commands
    clean.again("cutover", "--yes")
    outcomes = [outcome(clean, "V2")]
    back = ground.start("rollback", "--yes")
    assert back.answer().code == 0, back.answer()
    sides = ("before", "after", "torn")
    found = [
        [Boundary(name, one["number"], one["kind"], side) for one in running.boundaries() for side in sides]
        for name, running in (("cutover", forward), ("rollback", back))
    ]
    return found[0], found[1], outcomes


def outcome(experiment: Experiment, *ends: str, budget_s: float = 30.0) -> Outcome:
    """Judge an experiment that is over."""
    violations = tuple(experiment.judged(*ends, budget_s=budget_s))
    seen = tuple(in_service(one["after"]) for one in experiment.history["hosts"].values())
    codes = tuple(command["code"] for command in experiment.commands)
    return Outcome(experiment.name, seen, codes, round(time.time() - experiment.began, 1), violations)


def resumed(ground: Ground, boundary: Boundary, seed: int) -> tuple[Experiment, Outcome]:
    """The run is gone on with: it ends on V2, or, killed before it was approved, nothing was begun."""
    experiment = Experiment(ground, f"{boundary}, then resume", seed)
    experiment.ended(ground.start("cutover", "--yes", side=boundary.side, number=boundary.number))
    answer = experiment.does("cutover", "--resume", "--yes")
    experiment.again("cutover", "--resume", "--yes")
    nothing = "nothing to resume" in answer.output
    return experiment, _coded(outcome(experiment, *(("V1", "V2") if nothing else ("V2",))), answer.code)


def aborted(ground: Ground, boundary: Boundary, seed: int) -> tuple[Experiment, Outcome]:
    """The run is given up: all is on V1; where it was confirmed already, it stays on V2."""
    experiment = Experiment(ground, f"{boundary}, then abort", seed)
    killed = ground.start("cutover", "--yes", side=boundary.side, number=boundary.number)
    experiment.ended(killed)
    answer = experiment.does("abort", "--yes")
    experiment.again("abort", "--yes")
    ends = "V2" if "is confirmed" in answer.output else "V1"
    return experiment, _coded(outcome(experiment, ends), answer.code)


def unrolled(ground: Ground, boundary: Boundary, seed: int) -> tuple[Experiment, Outcome]:
    """A rollback is killed, and ended by the next one."""
    experiment = Experiment(ground, f"{boundary}, then rollback again", seed)
    experiment.ended(ground.start("cutover", "--yes"))
    experiment.ended(ground.start("rollback", "--yes", side=boundary.side, number=boundary.number))
    answer = experiment.does("rollback", "--resume", "--yes")
    if "nothing to" in answer.output:  # it had not been approved
        answer = experiment.does("rollback", "--yes")
    experiment.again("rollback", "--yes")
    return experiment, _coded(outcome(experiment, "V1"), answer.code)


def _coded(result: Outcome, code: int) -> Outcome:
    """The outcome, which is a violation as well where the last command did not end with 0."""
    wrong = [Violation("END", f"the last command ended with {code}, not 0")] if code else []
    return replace(result, violations=(*wrong, *result.violations))


SERIES = {"resume": resumed, "abort": aborted, "rollback": unrolled}


def back_to_v1(ground: Ground) -> None:
    """For the next boundary: by `rollback`, as a person would; now and then, or where that fails, from the kept image."""
    ground.count += 1
    running = ground.start("rollback", "--yes").answer()
    versions = {in_service(one) for one in ground.look(time.time()).values()}
    if running.code != 0 or versions != {"V1"} or ground.count % RESET_EVERY == 0:
        ground.reset()
    else:
        ground.forget_v2()


def play(ground: Ground, series: str, boundary: Boundary, seed: int) -> tuple[dict[str, Any], Outcome]:
    """One experiment; afterwards the hosts are on V1 for the next, however it went."""
    try:
        experiment, result = SERIES[series](ground, boundary, seed)
    finally:
        back_to_v1(ground)
    return experiment.history, result
