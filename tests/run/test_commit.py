"""Phases 3-5 and the way back, on hosts in memory that run the real agent."""

import signal
from dataclasses import replace
from typing import Any

import pytest

from cutover.agent import lease
from cutover.agent.work import Module
from cutover.core.errors import CutoverError, Locked, MixedFleet, Refused, RolledBack, UsageError
from cutover.core.verdict import Verdict
from cutover.journal.journal import Journal
from cutover.plan.gate import Finding
from cutover.plan.phases import Phase
from cutover.run import cutover
from cutover.run.leases import held
from cutover.run.rollback import go_back
from cutover.run.session import Session
from tests.full_disk import full
from tests.run import fakehosts
from tests.run.fakehosts import ALL, COMMITS, World, began, checks_that_find, is_on_v1, run, session_of, when_baking


def test_all_hosts_go_to_v2_batch_by_batch(world: World) -> None:
    session = session_of(world, "a", "b", "c")
    assert run(session, ("a",), ("b", "c")) is None
    for name in ("a", "b", "c"):
        assert began(session, name) == ALL
        assert world.host(name).marks == set(ALL)
        assert (world.host(name).armed, world.host(name).held_by["held"]) == (False, False)
    order = [(record.host, record.phase) for record in session.journal.of("intent") if record.phase in COMMITS]
    assert order[:3] == [("a", phase) for phase in COMMITS]  # the canary is through before the others begin
    last = max(record.seq for record in session.journal.of("gate"))
    assert [record.seq > last for record in session.journal.of("confirmed")] == [True]


def test_each_batch_is_armed_before_v1_is_stopped_on_it(world: World) -> None:
    session = session_of(world, "a", "b")
    armed: dict[str, list[bool]] = {"a": [], "b": []}

    def note() -> None:
        for name, states in armed.items():
            states.append(world.host(name).armed)

    for name in armed:
        world.host(name).meanwhile["shutdown"] = note
    assert run(session, ("a",), ("b",)) is None
    assert armed == {"a": [True, True], "b": [False, True]}  # a's is not taken away before the last gate


def test_an_intent_is_on_disk_before_its_effect(world: World) -> None:
    session = session_of(world, "a")
    seen: list[list[str]] = []
    world.host("a").meanwhile["shutdown"] = lambda: seen.append(began(session, "a"))
    assert run(session, ("a",)) is None
    assert seen == [[*ALL[:3], "shutdown"]]


@pytest.mark.parametrize("phase", ALL[:3])
@pytest.mark.parametrize("how", ["step", "silent", "check", "no check"])
def test_one_no_before_phase_3_and_nothing_of_v1_was_touched_anywhere(
    world: World, phase: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_of(world, "a", "b", phase=0.05 if how == "silent" else 20)
    if how == "step":
        world.host("b").broken.add(phase)
    elif how == "silent":

        def gone() -> None:
            world.host("b").lose["apply"] = 1
            world.host("b").silent = True

        world.host("b").meanwhile[phase] = gone
    else:
        monkeypatch.setattr(
            "cutover.run.phase.check_hosts", checks_that_find(phase, "b", Verdict.FAIL if how == "check" else None)
        )
    end = run(session, ("a",), ("b",))
    if how == "silent":  # it took effect, and then the host was gone for good
        assert phase in world.host("b").marks
    assert isinstance(end, Refused)
    assert [problem.host for problem in end.problems] == ["b"]
    assert not [record for record in session.journal.records if record.phase in COMMITS]
    assert session.journal.of("armed", "rollback.started") == []
    assert not world.host("a").marks & set(COMMITS)
    assert not world.host("b").marks & set(COMMITS)
    assert world.host("a").held_by["held"] is False


@pytest.mark.parametrize("phase", COMMITS)
def test_a_failure_in_the_second_batch_takes_back_all_that_were_touched_and_no_other(world: World, phase: str) -> None:
    session = session_of(world, "a", "b", "c")
    world.host("b").broken.add(phase)
    end = run(session, ("a",), ("b",), ("c",))
    assert isinstance(end, RolledBack)
    assert f"do {phase}: {phase} is broken" in end.problems[0].found
    assert all(is_on_v1(world, name) for name in "abc")
    assert [began(session, name)[-1] for name in "abc"] == ["rollback", "rollback", ALL[2]]
    assert world.host("a").changes == [*ALL, "rollback"]
    assert "rollback" not in world.host("c").changes
    assert session.journal.of("confirmed") == []


def test_an_incomplete_rollback_names_the_hosts_and_the_cause(world: World) -> None:
    session = session_of(world, "a", "b")
    world.host("b").broken |= {"activation", "rollback"}
    end = run(session, ("a",), ("b",))
    assert isinstance(end, MixedFleet)
    assert {problem.host for problem in end.problems} == {"b"}
    found = " ".join(problem.found for problem in end.problems)
    assert "rollback is broken" in found
    assert "activation is broken" in found
    assert is_on_v1(world, "a")
    assert world.host("b").armed  # its own revert stays, and will try again
    assert session.journal.of("rollback.finished")[0].data["failed"] == ["b"]


def test_an_untouched_host_that_is_gone_does_not_make_a_mixed_fleet(world: World) -> None:
    session = session_of(world, "a", "b")
    world.host("a").meanwhile["activation"] = lambda: setattr(world.host("b"), "silent", True)
    world.host("a").broken.add("activation")
    assert isinstance(run(session, ("a",), ("b",)), RolledBack)
    assert is_on_v1(world, "a")
    assert [record.host for record in session.journal.of("failed")] == ["b"]


@pytest.mark.parametrize("lost", [1, 3])
def test_a_connection_lost_in_the_middle_of_a_batch_loses_and_doubles_nothing(world: World, lost: int) -> None:
    session = session_of(world, "a")
    world.host("a").meanwhile["shutdown"] = lambda: world.host("a").lose.update(apply=lost)
    assert run(session, ("a",)) is None
    assert world.host("a").changes == ALL  # each once
    assert len(session.journal.of("connection.lost")) == lost


def test_a_host_that_another_run_holds_ends_the_run_before_anything(world: World) -> None:
    session = session_of(world, "a", "b")
    lease.acquire(world.host("b").place, run="another", holder="somebody", nonce="n", seconds=60)
    end = run(session, ("a",), ("b",))
    assert isinstance(end, Locked)
    assert [problem.host for problem in end.problems] == ["b"]
    assert world.host("a").held_by["held"] is False
    assert (world.host("b").held_by["run"], world.host("b").held_by["held"]) == ("another", True)
    assert session.journal.of("intent") == []


def test_a_host_that_went_back_by_itself_ends_the_run_and_all_are_on_v1(world: World) -> None:
    session = session_of(world, "a", "b", renew=0.01)
    host = world.host("a")

    def silence() -> None:  # of the controller, as seen from a: its timer goes off
        host.goes_back_by_itself()
        while "a" in session.tokens:
            signal.sigtimedwait([], 0.01)

    world.host("b").meanwhile["shutdown"] = silence
    end = run(session, ("a",), ("b",))
    assert isinstance(end, RolledBack)
    assert end.problems[0].host == "a"
    assert "the lease is lost" in end.problems[0].found
    assert [record.host for record in session.journal.of("lease.lost")] == ["a"]
    assert is_on_v1(world, "a", "b")
    assert world.host("b").changes[-2:] == ["shutdown", "rollback"]


def test_that_a_host_went_back_unnoticed_does_not_make_a_mixed_fleet(world: World) -> None:
    session = session_of(world, "a", "b")  # no renewal in time: the controller was asleep
    world.host("b").meanwhile["activation"] = world.host("a").goes_back_by_itself
    world.host("b").broken.add("activation")
    assert isinstance(run(session, ("a",), ("b",)), RolledBack)
    assert is_on_v1(world, "a", "b")


def test_a_fenced_host_is_not_changed_any_more(world: World) -> None:
    session = session_of(world, "a")
    host = world.host("a")
    host.meanwhile["backup"] = lambda: (
        lease.raise_token(host.place, by="test"),
        lease.acquire(host.place, run="x", holder="y", nonce="z", seconds=60),
    )
    end = run(session, ("a",))
    assert isinstance(end, Refused)
    assert host.changes == ["preflight", "backup"]
    assert host.held_by["run"] == "x"  # and the other run's lease is not given back in its place


def bug(_session: Session, phase: Phase, hosts: tuple[str, ...]) -> list[Finding]:
    if phase.name == "validation":
        raise ZeroDivisionError
    return fakehosts.passes(_session, phase, hosts)


@pytest.mark.parametrize(
    ("checks", "found"),
    [(checks_that_find("validation", "a", Verdict.INCONCLUSIVE), "not so"), (bug, "ZeroDivisionError")],
    ids=["check", "bug of ours"],
)
def test_whatever_ends_phase_5_goes_back(
    world: World, monkeypatch: pytest.MonkeyPatch, checks: object, found: str
) -> None:
    monkeypatch.setattr("cutover.run.phase.check_hosts", checks)
    end = run(session_of(world, "a"), ("a",))
    assert isinstance(end, RolledBack)
    assert found in end.problems[0].found
    assert is_on_v1(world, "a")


def test_the_batches_of_another_session_of_the_run_have_other_names(world: World) -> None:
    """Another machine goes back: it must get its own result, not the stored one of the first attempt."""
    first = session_of(world, "a")
    world.host("a").broken |= {"activation", "rollback"}
    assert isinstance(run(first, ("a",)), MixedFleet)
    world.host("a").broken.clear()
    second = session_of(world, "a")
    second.inherited = ("a",)
    with held(second):
        assert go_back(second, "by hand") == ("a",)
    assert is_on_v1(world, "a")


def test_without_room_for_the_rest_of_the_journal_nothing_is_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Journal, "reserve", lambda *_: False)
    session = session_of(world, "a", "b")
    end = run(session, ("a",), ("b",))
    assert isinstance(end, Refused)
    assert "no room for 512 KiB more" in end.problems[0].found
    assert end.problems[0].path == str(session.journal.path)
    assert {*COMMITS}.isdisjoint(world.host("a").changes)


@pytest.mark.parametrize(("phase", "kind"), [("backup", Refused), ("validation", RolledBack)])
def test_a_run_that_takes_longer_than_all_its_phases_may_is_refused_or_goes_back(
    world: World, phase: str, kind: type[CutoverError]
) -> None:
    session = session_of(world, "a", "b")
    world.host("a").meanwhile[phase] = lambda: setattr(session, "ends", 0.0)
    end = run(session, ("a",), ("b",))
    assert isinstance(end, kind)
    assert "longer than all its phases" in end.problems[0].found
    assert is_on_v1(world, "a")
    assert not world.host("b").marks & set(COMMITS)


def test_a_host_that_is_cut_off_in_phases_3_to_5_is_waited_for_no_longer_than_it_waits_itself_and_is_named(
    world: World,
) -> None:
    session = session_of(world, "a", "b", phase=3600)
    session.times = replace(session.times, confirm=0.05)
    world.host("b").meanwhile["activation"] = lambda: setattr(world.host("b"), "silent", True)
    end = run(session, ("a", "b"))
    assert isinstance(end, MixedFleet)
    assert {problem.host for problem in end.problems} == {"b"}
    assert is_on_v1(world, "a")
    assert world.host("b").armed


def test_a_full_disk_here_does_not_keep_v1_from_coming_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_of(world, "a")
    world.host("a").meanwhile["activation"] = lambda: monkeypatch.setattr("cutover.journal.journal._append", full)
    end = run(session, ("a",))
    assert isinstance(end, RolledBack)
    assert is_on_v1(world, "a")
    assert session.journal.unwritten


@pytest.mark.parametrize(("field", "value"), [("service", "other"), ("environment", "prod"), ("names", ("a",))])
def test_a_plan_is_applied_only_to_what_it_is_about(field: str, value: object, world: World) -> None:
    session = session_of(world, "a", "b")
    session.plan.save(session.directory.plan_file)
    assert cutover.plan_of(session) == session.plan
    setattr(session.targets, field, value)
    with pytest.raises(UsageError, match="it is about toy on a, b of lab"):
        cutover.plan_of(session)


# A batch counts as good after its bake time.


def test_a_process_that_was_restarted_is_noticed(world: World) -> None:
    session = session_of(world, "a", bake=30)
    original = world.look
    looks: list[int] = []

    def look(args: Any, work: Any) -> Any:
        if args["name"] == "bake":
            looks.append(1)
            world.host("a").invocation = f"i{len(looks)}"
        return original(args, work)

    world.kinds["mark"] = Module(look, world.mark)
    end = run(session, ("a",))
    assert isinstance(end, RolledBack)
    assert "invocation was i" in end.problems[0].found
    assert len(session.journal.of("bake.failed")) == 1
    assert is_on_v1(world, "a")


def test_a_value_that_does_not_stay_is_noticed(world: World) -> None:
    session = session_of(world, "a", bake=30)
    when_baking(session, lambda: world.host("a").marks.discard("activation"))
    end = run(session, ("a",))
    assert isinstance(end, RolledBack)
    assert "activation: found false" in end.problems[0].found


def test_one_that_stays_as_it_was_is_good(world: World) -> None:
    session = session_of(world, "a", bake=0.03)
    assert run(session, ("a",)) is None
    assert session.journal.of("bake.done")[0].data["looks"] >= 2
