"""Who is reported what and when: the defaults, the matrix, and everything that can be wrong with them."""

from typing import Any

import pytest

from cutover.core.errors import UsageError
from cutover.core.verdict import Verdict
from cutover.notify.escalation import EVENTS
from tests.notify.peopling import ORIGINS, defaults, known, reached


def refusals(values: dict[str, Any]) -> list[str]:
    with pytest.raises(UsageError) as caught:
        known(values)
    assert all(problem.next for problem in caught.value.problems)
    return [f"{problem.path}: {problem.found}" for problem in caught.value.problems]


def test_the_defaults_name_somebody_for_every_event_and_no_channel() -> None:
    there = known(defaults())
    assert there.channels == {}
    for event in EVENTS:
        levels = there.levels(event, there.severity(event))
        assert levels[0].roles, event
        assert levels[0].after_s == 0


def test_a_verdict_makes_an_event_graver_and_never_milder() -> None:
    escalation = known()
    assert escalation.severity("hourly") == "info"
    assert escalation.severity("hourly", "PASS") == "info"
    assert escalation.severity("hourly", "WARN") == "attention"
    assert escalation.severity("hourly", "FAIL") == "decision"
    assert escalation.severity("rollback", "PASS") == "critical"

    own = escalation.levels("success", escalation.severity("success"))
    assert "stakeholders" in own[0].roles  # its own entry, unless its verdict made it graver
    assert escalation.levels("success", escalation.severity("success", "FAIL")) == escalation.matrix["decision"]


def test_a_channel_is_told_once_whoever_shares_it() -> None:
    assert known().channels_of(["on_call", "operations_lead", "management"]) == ("chat", "mail")


def test_every_wrong_value_comes_at_once_with_its_place() -> None:
    values = reached()
    values["people_roles"]["on_call"] = {"title": "On-call", "chanels": ["chat"], "channels": ["chta"], "names": [""]}
    values["people_roles"]["management"] = {"channels": ["mail"]}
    values["people_severities"]["info"]["events"] = ["announcement", "hourly", "succes"]
    values["people_severities"]["critical"]["verdicts"] = ["fail"]
    values["people_matrix"]["decision"] = [{"roles": ["oncall"]}, {"after_s": "soon", "roles": ["management"]}]
    values["people_matrix"]["roll_back"] = [{"roles": ["management"]}]
    assert refusals(values) == [
        "group_vars/prod.yml:4: people_roles.on_call.names[0]: is empty",
        "group_vars/prod.yml:4: people_roles.on_call.channels[0]: unknown channel `chta`",
        "group_vars/prod.yml:4: people_roles.on_call.chanels: unknown key `chanels`",
        "group_vars/prod.yml:4: people_roles.management.title: `title` is missing",
        "group_vars/prod.yml:5: people_severities.info.events[2]: unknown event `succes`",
        "group_vars/prod.yml:5: people_severities.critical.verdicts[0]: unknown verdict `fail`",
        "group_vars/prod.yml:6: people_matrix.decision[0].roles[0]: unknown role `oncall`",
        'group_vars/prod.yml:6: people_matrix.decision[1].after_s: expected a number, found text "soon"',
        "group_vars/prod.yml:6: people_matrix.roll_back: unknown event or severity `roll_back`",
    ]


def test_everything_that_does_not_fit_together_comes_at_once_with_its_place() -> None:
    values = reached()
    values["people_channels"]["pager"] = {"env": "PAGER"}
    values["people_severities"]["info"]["events"] = ["announcement", "hourly", "hold"]
    values["people_severities"]["hourly"] = {"meaning": "x"}
    del values["people_matrix"]["critical"]
    values["people_matrix"]["hourly"] = [{"roles": []}]
    assert refusals(values) == [
        "group_vars/prod.yml:3: people_channels.pager: no role uses the channel `pager`",
        "group_vars/prod.yml:5: people_severities: the event `in_progress` has no severity",
        "group_vars/prod.yml:5: people_severities: the event `success` has no severity",
        "group_vars/prod.yml:5: people_severities: the event `hold` has several severities: info, decision",
        "group_vars/prod.yml:6: people_matrix: the severity `critical` is missing",
        "group_vars/prod.yml:6: people_matrix.hourly[0].roles: this level reaches nobody",
    ]


@pytest.mark.parametrize(
    ("level", "found"),
    [
        ([], "has no level"),
        ([{"after_s": 5, "roles": ["on_call"]}], "the first level waits 5 s"),
        ([{"roles": ["on_call"]}, {"roles": ["management"]}], "not later than the one before"),
        ([{"roles": ["on_call"]}, {"after_s": -1, "roles": ["management"]}], "expected greater than or equal to 0"),
        ([{"roles": ["on_call", "on_call"]}], "lists `on_call` more than once"),
    ],
)
def test_a_level_that_makes_no_sense_is_refused(level: object, found: str) -> None:
    values = reached()
    values["people_matrix"]["attention"] = level
    reported = refusals(values)
    assert [line for line in reported if "people_matrix.attention" in line and found in line], reported


def test_every_verdict_has_one_severity_by_default() -> None:
    held = [verdict for one in known(defaults()).severities.values() for verdict in one.verdicts]
    assert sorted(held) == sorted(str(verdict) for verdict in Verdict)
    assert set(ORIGINS) == set(defaults())
