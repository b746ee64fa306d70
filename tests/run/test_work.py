"""Look, compare, change, look again: what a step may do, and what it never does."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from cutover.agent.state_dir import Refusal
from cutover.agent.work import CannotChange, LeftAsItIs, Module, State, Work, carry_out, work_off


class Lamp:
    """A kind of step about a lamp: it counts what is done to it."""

    def __init__(self, *, lit: bool = False, works: bool = True, seen: bool = True) -> None:
        self.lit, self.works, self.seen = lit, works, seen
        self.looks = self.changes = 0

    def look(self, _args: Mapping[str, Any], _work: Work) -> State:
        """Look whether it is lit."""
        self.looks += 1
        if not self.seen:
            raise PermissionError(13, "it is dark")
        return {"lit": self.lit}

    def change(self, args: Mapping[str, Any], desired: Mapping[str, Any], _before: State, _work: Work) -> None:
        """Light it or put it out."""
        self.changes += 1
        if args.get("breaks"):
            raise CannotChange("the bulb is broken")
        if args.get("late"):
            raise LeftAsItIs("somebody has moved in since")
        if self.works:
            self.lit = desired["lit"]

    def kinds(self) -> dict[str, Module]:
        """Lamps, and sensors that only look."""
        return {"lamp": Module(self.look, self.change), "sensor": Module(self.look)}


def step(name: str = "on", *, kind: str = "lamp", lit: bool = True, probe: bool = False, **more: Any) -> dict[str, Any]:
    return {"id": name, "kind": kind, "args": more.pop("args", {}), "desired": {"lit": lit}, "probe": probe, **more}


def outcomes(
    lamp: Lamp, *steps: dict[str, Any], keep_going: bool = False, deadline: float = float("inf")
) -> list[State]:
    return list(work_off(lamp.kinds(), steps, Work(deadline=deadline), keep_going=keep_going, guard=nullcontext))


@pytest.mark.parametrize(
    ("lamp", "looks", "changes", "changed", "ok"),
    [
        (Lamp(), 2, 1, True, True),
        (Lamp(lit=True), 1, 0, False, True),  # what is as it should be is not touched
        (Lamp(works=False), 2, 1, True, False),  # the second look is believed, and not the change
        (Lamp(seen=False), 1, 0, False, False),  # what cannot be looked at is never changed
    ],
    ids=["changed", "as it should be", "does not work", "unseen"],
)
def test_a_step_looks_changes_and_looks_again(lamp: Lamp, looks: int, changes: int, changed: bool, ok: bool) -> None:
    outcome = carry_out(lamp.kinds(), step(), Work())
    assert (lamp.looks, lamp.changes, outcome["changed"], outcome["ok"]) == (looks, changes, changed, ok)
    assert ("it is dark" in (outcome["error"] or "")) is not lamp.seen
    assert outcome["differences"] == (
        [] if ok else [f"lit: found {'false' if lamp.seen else 'unknown'}, expected true"]
    )


@pytest.mark.parametrize("kind", ["lamp", "sensor"])
def test_a_probe_never_changes_whatever_its_kind(kind: str) -> None:
    lamp = Lamp()
    outcome = carry_out(lamp.kinds(), step(kind=kind, probe=True), Work())
    assert (lamp.changes, outcome["ok"], outcome["changed"]) == (0, False, False)


def test_a_change_that_fails_is_told_even_if_the_state_is_right_afterwards() -> None:
    lamp = Lamp(lit=False)
    outcome = carry_out(lamp.kinds(), step(args={"breaks": True}), Work())
    assert (outcome["error"], outcome["ok"], lamp.looks) == ("the bulb is broken", False, 2)


@pytest.mark.parametrize("probe", [True, False])
def test_a_kind_that_this_agent_does_not_know_is_an_error_of_that_step(probe: bool) -> None:
    found = outcomes(Lamp(), step(kind="laser", probe=probe), step())
    assert [outcome["ok"] for outcome in found] == [False]
    assert "laser" in found[0]["error"]


@pytest.mark.parametrize("optional", [True, False])
def test_work_stops_at_the_first_step_that_is_not_as_it_should_be_unless_it_is_optional(optional: bool) -> None:
    found = outcomes(Lamp(), step("a", args={"breaks": True}, optional=optional), step("b"))
    assert [(one["id"], one["ok"]) for one in found] == [("a", False), ("b", True)][: 1 + optional]


def test_on_the_way_back_only_what_needs_a_failed_step_is_left_out() -> None:
    lamp = Lamp()
    steps = [step("a", args={"breaks": True}), step("b", needs=["a"]), step("c", needs=["b"]), step("d")]
    found = outcomes(lamp, *steps, keep_going=True)
    assert {one["id"]: one["ok"] for one in found} == {"a": False, "b": False, "c": False, "d": True}
    assert (found[1]["error"], found[2]["error"]) == ("left out: it needs a", "left out: it needs b")
    assert lamp.changes == 2


def test_what_needs_a_step_that_was_left_as_it_is_is_left_as_well() -> None:
    steps = [step("a", args={"late": True}), step("b", needs=["a"]), step("c", args={"breaks": True})]
    found = outcomes(Lamp(), *steps, step("d", needs=["a", "c"]), keep_going=True)
    assert [(one["ok"], one["left"]) for one in found] == [(False, True), (False, True), (False, False), (False, False)]


def test_no_step_is_begun_after_the_deadline() -> None:
    lamp = Lamp()
    found = outcomes(lamp, step("a"), step("b"), keep_going=True, deadline=time.monotonic() - 1)
    assert (lamp.looks, [outcome["ok"] for outcome in found]) == (0, [False, False])
    assert found[0]["error"] == "left out: the deadline of the batch has passed"


def test_a_guard_that_refuses_ends_the_work_and_keeps_what_was_done() -> None:
    lamp = Lamp()
    done: list[State] = []
    entered = iter([True, False])

    @contextmanager
    def guard() -> Iterator[None]:
        if not next(entered):
            raise Refusal("fenced", "another run rules")
        yield

    with pytest.raises(Refusal, match="another run rules"):
        done.extend(work_off(lamp.kinds(), [step("a"), step("b", lit=False)], Work(), keep_going=True, guard=guard))
    assert ([outcome["id"] for outcome in done], lamp.lit) == (["a"], True)
