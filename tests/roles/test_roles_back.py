"""The way back as its role wants it: V1 is up in the end, whatever else cannot be done."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import pytest

from cutover.agent.work import Kind, Work, work_off
from cutover.core.step import State, Step
from cutover.plan.roles import steps_of
from tests.roles.exampled import FACTS, role_for, wanted


def test_on_the_way_back_v1_starts_only_where_v2_is_gone_and_the_config_is_back() -> None:
    steps = {step.id: step for step in wanted("rollback")[1]}
    assert {"rollback.new", "rollback.files"} <= set(steps["rollback.old"].needs)
    assert "rollback.keep" in steps["rollback.state"].needs


def closure(steps: Mapping[str, Step], name: str) -> set[str]:
    """All that a step needs, and what that needs."""
    return {name}.union(*(closure(steps, need) for need in steps[name].needs))


def test_on_the_way_back_v1_starts_also_where_nothing_of_v2_could_be_kept() -> None:
    steps = {step.id: step for step in wanted("rollback")[1]}
    assert closure(steps, "rollback.old") == {"rollback.old", "rollback.new", "rollback.files"}
    order = list(steps)
    assert order.index("rollback.files") < order.index("rollback.keep") < order.index("rollback.state")
    assert order.index("rollback.keep-files") < order.index("rollback.files")
    assert order.index("rollback.state") < order.index("rollback.old")


@pytest.mark.parametrize("fails", ["rollback.keep", "rollback.keep-files", "rollback.state", "rollback.units-read"])
def test_on_the_way_back_v1_is_up_in_the_end_whatever_cannot_be_kept(fails: str) -> None:
    def look(args: Mapping[str, Any], _: Work) -> State:
        if args["id"] == fails:
            raise OSError(28, "No space left on device")
        return {}

    steps = [
        {**step.for_host(), "kind": "any", "args": {"id": step.id}, "desired": {}} for step in wanted("rollback")[1]
    ]
    outcomes = list(work_off({"any": Kind(look)}, steps, Work(), keep_going=True, guard=nullcontext))
    bad = {outcome["id"]: outcome["error"] for outcome in outcomes if not outcome["ok"]}
    left_out = {"rollback.state": "left out: it needs rollback.keep"} if fails == "rollback.keep" else {}
    assert bad == {fails: "[Errno 28] No space left on device", **left_out}
    assert "rollback.old" in {outcome["id"] for outcome in outcomes if outcome["ok"]}


@pytest.mark.parametrize(("stop_s", "waits_s"), [(90.0, 120.0), (1e9, 300.0)])
def test_on_the_way_back_v1s_start_outlasts_its_stop(stop_s: float, waits_s: float) -> None:
    facts = {**FACTS, "old": {**FACTS["old"], "stop_timeout_s": stop_s}}
    steps = {step.id: step for step in steps_of(role_for(facts), "rollback")}
    assert (steps["rollback.old"].args["timeout_s"], steps["rollback.old"].args["on_timeout"]) == (waits_s, "leave")
