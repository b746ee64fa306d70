"""`cutover --run` applies just that plan: an inventory that says something else today is named, thing by thing."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from cutover.core.errors import UsageError
from cutover.core.host import Host
from cutover.core.secret import Secret
from cutover.inventory.targets import Targets
from cutover.inventory.variables import Variables
from cutover.plan.plan import Plan
from cutover.plan.roles import NO_RELEASE
from cutover.run.planning import contents_for, refuse_another_inventory
from tests.run.fakehosts import plan_of

HOST = Host("web1", "198.18.0.1", "lab", Path("known_hosts"), user="deploy", port=2222)
VARIABLES = {"ansible_host": HOST.address, "cutover_bake_s": 60, "token": Secret("hunter2"), "a": {"b": [1, 2.5]}}


def targets(host: Host = HOST, **variables: object) -> Targets:
    """The inventory as it is today."""
    values = {name: value for name, value in (VARIABLES | variables).items() if value is not None}
    found = SimpleNamespace(hosts=(host,), names=("web1",), variables={"web1": Variables("web1", values)}, root=Path())
    return cast("Targets", found)


@pytest.fixture
def plan() -> Plan:
    """The plan that was made from it, read back."""
    made = plan_of("20260102T030405Z-abc123", (("web1",),))
    about = {"address": HOST.reached, "variables": Variables("web1", VARIABLES).masked(), "steps": {}}
    made = made.model_copy(update={"hosts": {"web1": made.hosts["web1"].model_copy(update=about)}})
    return Plan.model_validate_json(made.model_dump_json())


@pytest.mark.parametrize(
    ("today", "path", "said"),
    [
        (targets(replace(HOST, address="198.18.0.2")), "hosts.yml", "deploy@198.18.0.1:2222 with /usr/bin/python3, and"),
        (targets(replace(HOST, proxy_jump="bastion")), "hosts.yml", "over bastion"),
        (targets(cutover_bake_s=5), "cutover_bake_s", "it was 60, it is 5"),
        (targets(more=1), "more", "it was not declared, it is 1"),
        (targets(cutover_bake_s=None), "cutover_bake_s", "it is not declared"),
        (targets(token=Secret("another")), "token", str(Secret("another"))),
    ],
)  # fmt: skip
def test_whatever_is_another_today_is_named_and_nothing_is_applied(
    plan: Plan, today: Targets, path: str, said: str
) -> None:
    with pytest.raises(UsageError) as refused:
        contents_for(today, plan, NO_RELEASE)
    assert [(problem.host, problem.path) for problem in refused.value.problems] == [("web1", path)]
    assert said in refused.value.problems[0].found
    assert "plan again" in refused.value.problems[0].next
    assert "hunter2" not in str(refused.value)


def test_all_that_changed_is_told_at_once_and_nothing_where_nothing_has(plan: Plan) -> None:
    refuse_another_inventory(targets(), plan)
    with pytest.raises(UsageError) as refused:
        refuse_another_inventory(targets(replace(HOST, port=22), cutover_bake_s=5, more=1), plan)
    assert {problem.path for problem in refused.value.problems} == {"hosts.yml", "cutover_bake_s", "more"}
