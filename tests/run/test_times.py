"""The times of a run: read from the variables, and refused where they exclude each other."""

from pathlib import Path

import pytest

from cutover.core.errors import UsageError
from cutover.inventory.targets import Options, Targets, choose
from cutover.remote.timeouts import times_of
from tests.checkout import ROOT, environment


def targets(directory: Path, **variables: object) -> Targets:
    """One host of an environment with these variables, on top of the real roles' defaults."""
    return choose(Options(ROOT, "prod", str(environment(directory / "prod", {"h1": "192.0.2.1"}, **variables))))


def test_the_defaults_fit_together(tmp_path: Path) -> None:
    times = times_of(targets(tmp_path))
    assert (times.renew, times.lease, times.confirm) == (15, 60, 60)


def test_all_deadlines_that_are_too_short_for_the_renewals_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        times_of(targets(tmp_path, cutover_renew_s=21, cutover_confirm_s=30))
    assert {problem.path for problem in caught.value.problems} == {"cutover_confirm_s", "cutover_lease_s"}
