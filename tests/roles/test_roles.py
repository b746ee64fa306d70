"""What the phases of a role want of an example host, held against files that a person reads in a review: tests/golden/steps.

After a change that is meant: `pytest tests/roles/test_roles.py --update-golden`, and look at the diff.
"""

import json
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from cutover.agent.compare import differences
from cutover.agent.modules import MODULES
from cutover.agent.work import Module, Work, work_off
from cutover.core.errors import UsageError
from cutover.core.step import State, Step
from cutover.plan.phases import PHASES, ROLLBACK
from cutover.plan.roles import RoleContext, functions_of, steps_of
from cutover.plan.service import load_service
from tests.checkout import ROOT
from tests.roles.exampled import FACTS, RELEASE, RUN, role_for, wanted

GOLDEN = ROOT / "tests" / "golden" / "steps"
PLANNED = [phase.name for phase in (*PHASES, ROLLBACK)]
WANTED = [*PLANNED, "lab.lab", "preflight.facts", "validation.bake", "validation.shadow", "watch.looks", "watch.rows"]


@pytest.mark.parametrize("case", PLANNED)
def test_the_steps_of_a_role_are_those_that_were_reviewed(case: str, request: pytest.FixtureRequest) -> None:
    role, steps = wanted(case)
    files = {
        digest: file.masked.splitlines() for digest, file in sorted(role.files.items()) if not _is_code(file.masked)
    }
    document = {"steps": [_brief(step, role) for step in steps], "files": files}
    path = GOLDEN / f"{case}.json"
    if request.config.getoption("--update-golden"):
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    assert json.loads(json.dumps(document)) == json.loads(path.read_text())


def _brief(step: Step, role: RoleContext) -> dict[str, Any]:
    """A step without what it has by default. The digest of code is left out: its own tests are about what is in it."""
    brief = step.model_dump(mode="json", exclude_defaults=True)
    if step.content and _is_code(role.files[step.content].masked):
        brief["desired"]["sha256"] = "of the code"
        brief["words"] = step.words.replace(step.content[:12], "the code")
    return brief


def _is_code(text: str) -> bool:
    return text.startswith(("#!/usr/bin/env python", '"""'))


@pytest.mark.parametrize("case", WANTED)
def test_every_step_can_be_carried_out_and_says_what_it_is(case: str) -> None:
    role, steps = wanted(case)
    assert steps
    for step in steps:
        assert step.kind in MODULES
        assert step.words
        assert step.content is None or step.content in role.files
        assert step.probe or MODULES[step.kind].change is not None or step.kind in ("snapshot", "rehearsal")


@pytest.mark.parametrize("case", PLANNED)
def test_what_a_step_needs_comes_before_it(case: str) -> None:
    before: set[str] = set()
    for step in wanted(case)[1]:
        assert set(step.needs) <= before, step.id
        assert step.id.startswith(f"{case}.")
        before.add(step.id)


def test_before_phase_3_nothing_of_v1_is_named_by_a_step_that_changes() -> None:
    for phase in (phase for phase in PHASES if not phase.commits):
        for step in wanted(phase.name)[1]:
            assert step.probe or step.kind not in ("unit", "file", "link", "restore"), step.id


def test_v1_is_proven_gone_before_anything_else_in_phase_3_and_nobody_stops_it_later() -> None:
    assert wanted("shutdown")[1][0].id == "shutdown.old"
    stops = [step.id for phase in PHASES for step in wanted(phase.name)[1] if step.args.get("want") == "stopped"]
    assert stops == ["shutdown.old"]


def test_v1_and_v2_never_run_beside_each_other_whoever_starts_one() -> None:
    unit = next(text for text in (file.masked for file in wanted("activation")[0].files.values()) if "[Unit]" in text)
    assert {f"{word}=abaco-pipeline-v1.service" for word in ("Conflicts", "After")} <= set(unit.splitlines())


@pytest.mark.parametrize(
    ("stop_s", "wrong"), [(90.0, []), (5.0, ["preflight.old-not-killed"]), (1e9, ["preflight.old-ends"])]
)
def test_a_v1_that_systemd_would_kill_or_never_end_is_seen_before_it_is_stopped(
    stop_s: float, wrong: list[str]
) -> None:
    steps = wanted("preflight")[1]
    stopping = [step for step in steps if "stop_timeout_s" in step.desired]
    assert [step.severity for step in stopping] == ["FAIL", "WARN"]
    assert [step.id for step in stopping if differences({"stop_timeout_s": stop_s}, step.desired)] == wrong


@pytest.mark.parametrize(
    ("declared", "severity", "tried", "unreachable", "holds"),
    [
        (None, "WARN", 0, {}, False), ([], "FAIL", 0, {}, True),
        (["db:1"], "FAIL", 1, {}, True), (["db:1"], "FAIL", 1, {"db:1": "no"}, False),
    ],
)  # fmt: skip
def test_what_the_service_must_reach_is_tried_and_that_nobody_has_said_is_a_warning(
    declared: list[str] | None, severity: str, tried: int, unreachable: dict[str, str], holds: bool
) -> None:
    role = role_for()
    needs = role.service.needs.model_copy(update={"connections": declared})
    role.service = role.service.model_copy(update={"needs": needs})
    step = next(step for step in steps_of(role, "preflight") if step.id == "preflight.connections")
    assert step.severity == severity
    assert (differences({"tried": tried, "unreachable": unreachable}, step.desired) == []) is holds


def test_v2_has_its_own_time_to_stop_in_its_unit_and_on_the_way_back_alike() -> None:
    role = role_for(abaco_stop_s=45, abaco_v2_stop_s=7)
    steps_of(role, "activation")
    unit = next(file.masked for file in role.files.values() if "[Unit]" in file.masked)
    assert "TimeoutStopSec=7\n" in unit
    back = steps_of(role_for(abaco_stop_s=45, abaco_v2_stop_s=7), "rollback")
    assert next(step for step in back if step.id == "rollback.new").args["timeout_s"] == 7


def test_a_host_that_runs_the_release_already_is_known() -> None:
    there = {
        **FACTS, "old": {"active": "inactive"}, "new": {"active": "active", "enabled": "enabled"},
        "current": {"target": f"/opt/abaco/releases/{RELEASE.id}"},
        "new-health": {"status": 200, "body": {"ready": True, "release": RELEASE.id}},
    }  # fmt: skip
    (already,) = functions_of(load_service(ROOT, "abaco"), "preflight", "already")
    assert already(role_for(there)) is True
    for change in (
        {"old": {"active": "active"}}, {"new": {"active": "failed", "enabled": "enabled"}},
        {"new": {"active": "active", "enabled": "disabled"}},
        {"current": {"target": "/opt/abaco/releases/other"}},
        {"new-health": {"status": 200, "body": {"ready": False, "release": RELEASE.id}}},
        {"new-health": {"status": 503, "body": {"ready": True, "release": RELEASE.id}}},
        {"new-health": {"status": 200, "body": "not json"}}, {"new-health": {"answers": False}},
    ):  # fmt: skip
        assert already(role_for({**there, **change})) is False


def test_two_steps_of_one_name_are_refused_before_a_host_is_asked(tmp_path: Path) -> None:
    role = tmp_path / "roles" / "toy"
    role.mkdir(parents=True)
    (role / "service.yml").write_text("title: Toy\n")
    text = (
        'from cutover.plan.steps import link\ndef staging(role): return [link("a", "/x", "y"), link("a", "/z", "y")]\n'
    )
    (role / "steps.py").write_text(text)
    context = RoleContext(load_service(tmp_path, "toy"), role_for().variables, RUN)
    with pytest.raises(UsageError, match="several steps are called a"):
        steps_of(context, "staging")
    assert steps_of(context, "validation") == ()  # a function that neither role has adds nothing


@pytest.mark.parametrize("case", [phase.name for phase in PHASES])
def test_a_judging_document_that_may_warn_has_a_probe_that_makes_the_warning_visible(case: str) -> None:
    _, steps = wanted(case)
    may_warn = {step.id for step in steps for wants in step.desired.values() if _lets_warn(wants)}
    shown = {
        step.args["name"]
        for step in steps
        if (step.kind, step.probe, step.severity) == ("command", True, "WARN") and "PASS" in step.desired.values()
    }
    assert may_warn == shown


def _lets_warn(wants: Any) -> bool:
    return isinstance(wants, Mapping) and "WARN" in wants.get("one_of", ())


# The way back: V1 is up in the end, whatever else cannot be done.


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
    outcomes = list(work_off({"any": Module(look)}, steps, Work(), keep_going=True, guard=nullcontext))
    bad = {outcome["id"]: outcome["error"] for outcome in outcomes if not outcome["ok"]}
    left_out = {"rollback.state": "left out: it needs rollback.keep"} if fails == "rollback.keep" else {}
    assert bad == {fails: "[Errno 28] No space left on device", **left_out}
    assert "rollback.old" in {outcome["id"] for outcome in outcomes if outcome["ok"]}


@pytest.mark.parametrize(("stop_s", "waits_s"), [(90.0, 120.0), (1e9, 300.0)])
def test_on_the_way_back_v1s_start_outlasts_its_stop(stop_s: float, waits_s: float) -> None:
    facts = {**FACTS, "old": {**FACTS["old"], "stop_timeout_s": stop_s}}
    steps = {step.id: step for step in steps_of(role_for(facts), "rollback")}
    assert (steps["rollback.old"].args["timeout_s"], steps["rollback.old"].args["on_timeout"]) == (waits_s, "leave")
