"""The watch's role: it measures by the deployed entry point, its variables fit each other, and there is one table of limits."""

import json

import pytest

from cutover.inventory.schema import seconds
from cutover.monitor.rules.rulebook import Cadence
from cutover.monitor.rules.rules import load_for
from cutover.plan.service import load_service
from kpi.config import PipelineConfig
from kpi.findings import UsageError
from kpi.judging import DEVIATION
from kpi.probes import EXAMPLE
from tests.checkout import ROOT
from tests.monitor.watch_samples import table
from tests.roles.exampled import role_for, wanted


def test_there_is_one_table() -> None:
    assert json.loads(EXAMPLE.read_text())["thresholds"] == table()
    assert table()["kpi_deviation"] == DEVIATION


def test_the_config_takes_the_whole_table_and_nothing_beside_it() -> None:
    document = json.loads(EXAMPLE.read_text())
    assert PipelineConfig.parse(json.dumps(document), "c").limits("tapes_lost") == {"rollback": 0.0}
    document["thresholds"] |= {"cpu_percents": {"warn": 1}, "error_rate": {"warn": "much"}}
    with pytest.raises(UsageError) as refused:
        PipelineConfig.parse(json.dumps(document), "c")
    where = {finding.where for finding in refused.value.findings}
    assert where >= {"c: thresholds.cpu_percents", "c: thresholds.error_rate.warn"}


def test_a_look_changes_nothing_and_runs_one_program_of_the_deployed_release() -> None:
    role, steps = wanted("watch.looks")
    assert [step.id for step in steps] == ["watch.unit", "watch.resources", "watch.health", "watch.figures"]
    (figures,) = [step for step in steps if not step.probe]
    assert figures.args["argv"][:2] == [f"{role['abaco_home']}/current/bin/kpi", "vitals"]
    assert figures.args["user"] == role["abaco_user"]


def test_a_row_asks_what_validation_asked() -> None:
    rows = {step.id.partition(".")[2]: step for step in wanted("watch.rows")[1]}
    asked = {
        step.id.partition(".")[2]: step for step in wanted("validation")[1] if step.kind == "command" and not step.probe
    }
    assert rows["validate"].args["argv"] == asked["validate"].args["argv"]
    assert rows["log_review"].args["argv"] == asked["log-review"].args["argv"]
    assert [step.args["name"] for step in rows.values()] == ["watch.validate", "watch.log_review"]
    assert [step.desired for step in rows.values()] == [{"ran": True}] * 2  # it is the rules that judge


def test_the_cadence_is_that_of_the_seeds_and_ends_at_day_28() -> None:
    rows = Cadence.of({seconds(until): seconds(every) for until, every in role_for()["watch_cadence"].items()})
    hours = [moment / 3600 for moment in rows.between(0, 24 * 3600)]
    assert hours == [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24]
    assert rows.between(24 * 3600, 28 * 86400) == tuple(day * 86400.0 for day in range(2, 29))


def test_who_signs_is_a_known_role_at_a_known_point() -> None:
    role = role_for()
    book = load_for(load_service(ROOT, "abaco"), role.variables)
    assert set(role["watch_points"]) <= {point.name for point in book.points}
    for roles in role["watch_points"].values():
        assert set(roles) <= set(role["people_roles"])
