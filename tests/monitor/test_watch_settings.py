"""How a watch is held: read from the variables, and everything that is wrong with them reported at once."""

from pathlib import Path

import pytest

from cutover.core.errors import UsageError
from cutover.monitor.settings import settings_of
from tests.run.test_times import targets

HOUR = 3600.0


def test_the_defaults_are_those_of_the_seeds(tmp_path: Path) -> None:
    settings = settings_of(targets(tmp_path))
    assert (settings.look_s, settings.live_s, settings.hold_s, settings.hold_default) == (15, 24 * HOUR, HOUR, "stay")
    assert len(settings.cadence.between(0, 24 * HOUR)) == 18
    assert settings.signers["hour_24"] == ("engineering_lead", "operations_lead")


def test_looks_are_as_far_apart_in_real_time_whatever_the_scale(tmp_path: Path) -> None:
    settings = settings_of(targets(tmp_path, watch_scale=288, watch_look_s=3))
    assert (settings.scale, settings.look_s) == (288, 864)


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    wrong = targets(
        tmp_path,
        watch_cadence={"4h": "soon"},
        watch_live="long",
        watch_rules={"no_such": {}},
        watch_hold={"deadline": "1h", "default": "perhaps", "roles": ["on_call"]},
    )
    with pytest.raises(UsageError) as caught:
        settings_of(wrong)
    reported = " ".join(problem.path for problem in caught.value.problems)
    for path in ("watch_cadence.4h", "watch_live", "watch_rules", "watch_hold.default"):
        assert path in reported


def test_points_that_there_are_not_and_roles_that_are_no_list_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        settings_of(targets(tmp_path, watch_points={"hour_99": ["on_call"], "hour_24": "on_call"}))
    assert [problem.path for problem in caught.value.problems] == ["watch_points.hour_24", "watch_points.hour_99"]
