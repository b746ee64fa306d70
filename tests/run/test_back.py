"""`rollback` of a cutover that was confirmed: protected as the cutover was, and never held up by one sick host."""

import pytest

from cutover.agent import lease
from cutover.core.errors import ExitCode, Locked, MixedFleet, Problem
from cutover.run import rollback
from cutover.run.history import Known
from cutover.run.leases import take_leases_as_far_as_possible
from cutover.run.rollback import go_back
from cutover.run.session import Session, follow, recorded_end
from tests.run.fakehosts import RUN, World, is_on_v1, run, session_of


def take_back(session: Session, *lost: Problem) -> None:
    """What `rollback` does when it has found the run and may go back."""
    session.known, session.lost = Known(RUN, session.plan, {}), lost
    session.resources.enter_context(recorded_end(session))
    follow(session, (take_leases_as_far_as_possible, rollback.arm_again, rollback.take_back))


def test_the_hosts_are_armed_while_they_go_back_and_not_afterwards(world: World) -> None:
    session = session_of(world, "a", "b")
    assert run(session, ("a", "b")) is None
    armed: list[bool] = []
    world.host("a").meanwhile["rollback"] = lambda: armed.append(world.host("a").armed)
    take_back(session)
    assert armed == [True]
    for name in ("a", "b"):
        assert is_on_v1(world, name)
        assert (world.host(name).armed, world.host(name).held_by["held"]) == (False, False)


def test_a_host_that_cannot_be_held_does_not_keep_the_others_from_going(world: World) -> None:
    session = session_of(world, "a", "b")
    assert run(session, ("a", "b")) is None
    world.host("b").lose["begin"] = 99
    with pytest.raises(MixedFleet) as mixed:
        take_back(session)
    assert {problem.host for problem in mixed.value.problems} == {"b"}
    assert is_on_v1(world, "a")


def test_a_host_that_another_run_holds_ends_it_before_anything(world: World) -> None:
    session = session_of(world, "a", "b")
    assert run(session, ("a", "b")) is None
    lease.acquire(world.host("b").place, run="another", holder="someone", nonce="other", seconds=60)
    with pytest.raises(Locked) as locked:
        take_back(session)
    assert "another" in str(locked.value)
    assert not is_on_v1(world, "a")


def test_who_could_not_be_asked_is_told_in_the_end(world: World) -> None:
    session = session_of(world, "a")
    assert run(session, ("a",)) is None
    unknown = Problem(host="z", found="no answer", next="look")
    with pytest.raises(MixedFleet) as mixed:
        take_back(session, unknown)
    assert (mixed.value.problems, is_on_v1(world, "a")) == ((unknown,), True)
    assert session.journal.of("run.finished")[-1].data["exit_code"] == ExitCode.MIXED


def test_a_way_back_that_is_cut_short_here_names_every_host(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_of(world, "a", "b")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rollback, "run_phase", full)
    session.inherited = ("a", "b")
    with pytest.raises(MixedFleet) as mixed:
        go_back(session, "a gate said no")
    assert [problem.host for problem in mixed.value.problems] == ["a", "b"]
    assert "No space left" in str(mixed.value)
