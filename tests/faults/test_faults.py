"""Faults on real hosts: death of the controller at every boundary of its journal, and everything else that can befall a run."""

import random
from itertools import product

import pytest

from tests.faults.boundaries import Boundary, enumerate_boundaries
from tests.faults.ground import Ground
from tests.faults.running import Results, all_of, boundary, scenario
from tests.faults.scenarios import SCENARIOS

Enumerated = tuple[list[Boundary], list[Boundary]]
QUICK = 6  # boundaries in every test run, spread over the run


@pytest.fixture(scope="module")
def enumerated(grounds: dict[str, Ground], results: Results) -> Enumerated:
    """Every boundary of a clean cutover and of a clean rollback of one host."""
    ground = next(iter(grounds.values()))
    forward, back, outcomes = enumerate_boundaries(ground, results.seed)
    assert len(forward) > 3 * 40, "fewer boundaries than the phases have"
    assert [violation for outcome in outcomes for violation in outcome.violations] == []
    ground.reset()
    return forward, back


def spread(found: list[Boundary], count: int) -> list[Boundary]:
    """So many of them, evenly over the run: sides in turn."""
    step = len(found) / count
    return [found[int(step * number + step / 2)] for number in range(count)]


def chance(results: Results) -> random.Random:
    """What the seed says; the same seed says the same."""
    return random.Random(results.seed)  # noqa: S311 - a choice of tests, no secret


@pytest.mark.lab
def test_some_boundaries_converge(grounds: dict[str, Ground], enumerated: Enumerated, results: Results) -> None:
    chosen = [one for one in enumerated[0] if one.kind not in ("run.created", "run.finished")]
    jobs = [
        boundary(results, grounds, series, at, "boundaries, 1 host")
        for series, at in zip(["resume", "abort"] * (QUICK // 2), spread(chosen, QUICK), strict=True)
    ]
    assert all_of(jobs, enumerated_hosts(grounds)) == []


@pytest.mark.lab
def test_the_most_telling_scenarios(grounds: dict[str, Ground], others: dict[str, Ground], results: Results) -> None:
    jobs = [scenario(results, grounds, others, one) for one in SCENARIOS if one.quick]
    assert all_of(jobs, enumerated_hosts(grounds)) == []


@pytest.mark.faults
def test_every_boundary_converges(grounds: dict[str, Ground], enumerated: Enumerated, results: Results) -> None:
    forward = [one for one in enumerated[0] if one.side != "torn"]
    torn = [one for one in enumerated[0] if one.side == "torn"]
    back = [one for one in enumerated[1] if one.side != "torn"]
    plan = [
        *product(("resume", "abort"), forward),
        *(("resume", one) for one in torn),
        *(("rollback", one) for one in back),
    ]
    chance(results).shuffle(plan)
    jobs = [boundary(results, grounds, series, at, "boundaries, 1 host") for series, at in plan]
    assert all_of(jobs, enumerated_hosts(grounds)) == []


@pytest.mark.faults
def test_sampled_boundaries_of_three_hosts_converge(grounds: dict[str, Ground], results: Results) -> None:
    ground = grounds["all"]
    ground.reset()
    forward, _, outcomes = enumerate_boundaries(ground, results.seed)
    assert [violation for outcome in outcomes for violation in outcome.violations] == []
    ground.reset()
    chosen = chance(results).sample(forward, 12)
    jobs = [
        boundary(results, grounds, series, at, "boundaries, 3 hosts")
        for series, at in zip(["resume", "abort"] * 6, chosen, strict=True)
    ]
    assert all_of(jobs, ["all"]) == []


@pytest.mark.faults
@pytest.mark.parametrize("one", [1, 3], ids=["one host", "three hosts"])
def test_every_scenario(one: int, grounds: dict[str, Ground], others: dict[str, Ground], results: Results) -> None:
    jobs = [scenario(results, grounds, others, each) for each in SCENARIOS if each.hosts == one]
    assert all_of(jobs, enumerated_hosts(grounds) if one == 1 else ["all"]) == []


def enumerated_hosts(grounds: dict[str, Ground]) -> list[str]:
    """The grounds of one host each."""
    return [name for name in grounds if name != "all"]
