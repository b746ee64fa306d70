"""`--resume`: on from where the journal and the hosts say the run was left, or back, and never in between."""

from pathlib import Path

import pytest

from cutover.agent import lease
from cutover.agent.durable import read_json
from cutover.agent.state_dir import StateDir
from cutover.core.errors import Interrupted, Locked, MixedFleet, RolledBack, Unreachable, UsageError
from cutover.core.verdict import Verdict
from cutover.journal.rundir import RunDir
from tests.run.fakehosts import ALL, COMMITS, RUN, World, checks_that_find, is_on_v1
from tests.run.killing import HOSTS, Killed, Machine, code_of, killed, on_v2

pytestmark = pytest.mark.usefixtures("machines")


def test_a_run_is_resumed_with_its_own_plan_and_a_higher_token(world: World, tmp_path: Path) -> None:
    one = killed(world, tmp_path, "activation", "a")
    before = world.host("a").held_by["token"]
    assert one.resume() == (RUN, None)
    assert world.host("a").held_by["token"] > before
    assert on_v2(world, "a", "b")
    assert world.host("a").changes.count("shutdown") == 1  # what was gated is not done again
    assert one.last_end() == 0


def test_a_host_that_reverted_by_itself_takes_all_back(world: World, tmp_path: Path) -> None:
    one = killed(world, tmp_path, "activation", "b")
    world.host("b").goes_back_by_itself()
    _, end = one.resume()
    assert isinstance(end, RolledBack)
    assert end.problems[0].host == "b"
    assert "reverted by host at" in end.problems[0].found
    assert f"run {RUN}" in end.problems[0].found
    assert is_on_v1(world, "a", "b")
    assert world.host("a").changes[-1] == "rollback"
    assert one.resume() == ("", None)  # it is settled


def test_a_host_that_reverts_just_before_the_lease_is_taken_is_seen(world: World, tmp_path: Path) -> None:
    one = killed(world, tmp_path, "activation", "a")
    acquire = lease.acquire
    went: list[int] = []

    def late(place: object, **asked: object) -> object:
        if not went:
            went.append(1)
            world.host("a").goes_back_by_itself()
        return acquire(place, **asked)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lease, "acquire", late)
        _, end = one.resume()
    assert isinstance(end, RolledBack)
    assert is_on_v1(world, "a")
    assert not world.host("b").marks & set(COMMITS)


@pytest.fixture
def confirming(world: World, tmp_path: Path) -> Machine:
    """A machine that was killed when the hosts were about to be confirmed."""
    twin = Machine(world, tmp_path / "twin", (("twin-a",), ("twin-b",)))
    assert twin.begin() is None
    one = Machine(world, tmp_path, HOSTS, dies_after=twin.journal().index("confirming") + 1)
    assert isinstance(one.begin(), Killed)
    one.begins_anew()
    return one


def test_while_hosts_are_being_confirmed_one_that_reverts_takes_all_back(world: World, confirming: Machine) -> None:
    world.host("b").goes_back_by_itself()
    assert code_of(confirming.resume()[1]) == 4
    assert is_on_v1(world, "a", "b")


@pytest.mark.parametrize("stays", [True, False])
def test_while_hosts_are_being_confirmed_one_that_is_gone_is_listed_and_takes_no_other_back(
    world: World, confirming: Machine, monkeypatch: pytest.MonkeyPatch, stays: bool
) -> None:
    confirming.silent = {"b"}
    if not stays:
        monkeypatch.setattr("cutover.run.phase.check_hosts", checks_that_find("validation", "a", Verdict.FAIL))
    end = confirming.resume()[1]
    assert isinstance(end, MixedFleet)
    assert "b" in {problem.host for problem in end.problems}
    assert on_v2(world, "a") if stays else is_on_v1(world, "a")


def test_a_holder_that_lives_is_named_and_nothing_is_done(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = killed(world, tmp_path, "activation", "a")
    monkeypatch.setattr("cutover.run.leases.is_dead", lambda _process: False)
    before = list(world.host("a").changes)
    _, end = one.resume()
    assert isinstance(end, Locked)
    assert f"run {RUN}" in end.problems[0].found
    assert "--steal-lock" in end.problems[0].next
    assert world.host("a").changes == before


def test_before_phase_3_every_host_is_needed(world: World, tmp_path: Path) -> None:
    one = killed(world, tmp_path, "staging", "a")
    one.silent = {"b"}
    _, end = one.resume()
    assert isinstance(end, Unreachable)
    assert [problem.host for problem in end.problems] == ["b"]
    one.silent = set()
    assert one.resume() == (RUN, None)
    assert on_v2(world, "b")


@pytest.mark.parametrize(("gone", "code"), [("b", 4), ("a", 5)])
def test_from_phase_3_on_a_host_that_is_gone_takes_all_back(world: World, tmp_path: Path, gone: str, code: int) -> None:
    """With the journal it is known that b was not touched; a is on nobody knows what, and is listed."""
    one = killed(world, tmp_path, "activation", "a", ("a", "c"), ("b",))
    one.silent = {gone}
    _, end = one.resume()
    assert code_of(end) == code
    assert gone in {problem.host for problem in end.problems}  # type: ignore[union-attr]
    assert is_on_v1(world, "c")


def test_where_nobody_answers_any_more_the_hosts_are_listed(world: World, tmp_path: Path) -> None:
    one = killed(world, tmp_path, "activation", "a")
    one.silent = {"a", "b"}
    assert isinstance(one.resume()[1], MixedFleet)


def test_a_journal_that_lost_its_end_is_not_gone_on_from_and_set_aside_on_the_way_back(
    world: World, tmp_path: Path
) -> None:
    one = killed(world, tmp_path, "activation", "a")
    file = RunDir(one.runs.root / RUN).journal_file
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:12]))
    _, end = one.resume()
    assert isinstance(end, UsageError)
    assert "a host knows record" in str(end)
    assert one.rollback() == (("a",), None)
    assert is_on_v1(world, "a")
    assert one.journal()[0] == "journal.set_aside"


def test_a_run_that_was_only_prepared_is_not_gone_on_with_beyond_that(world: World, tmp_path: Path) -> None:
    one = killed(world, tmp_path, "staging", only_prepare=True)
    assert one.resume(only_prepare=True) == (RUN, None)
    assert world.host("a").marks == set(ALL[:3])
    assert one.resume(only_prepare=True) == ("", None)


def test_prepare_does_not_go_on_with_a_run_past_phase_2(world: World, tmp_path: Path) -> None:
    one = killed(world, tmp_path, "activation", "a")
    end = one.resume(only_prepare=True)[1]
    assert isinstance(end, UsageError)
    assert "cutover --resume" in str(end)


def test_there_is_nothing_to_resume_where_all_has_ended(world: World, tmp_path: Path) -> None:
    one = Machine(world, tmp_path, HOSTS)
    assert one.resume() == ("", None)
    assert one.begin() is None
    before = one.journal()
    assert one.resume() == ("", None)
    assert one.resume(RUN) == ("", None)
    assert one.journal() == before


def test_a_way_back_that_was_cut_off_is_ended_and_not_turned_round(world: World, tmp_path: Path) -> None:
    one = Machine(world, tmp_path, HOSTS)
    world.host("a").broken.add("activation")
    world.host("a").meanwhile["rollback"] = lambda: setattr(one, "dead", True)
    one.begin()
    world.host("a").broken.clear()
    world.host("a").meanwhile.clear()
    one.begins_anew()
    assert isinstance(one.resume()[1], RolledBack)
    assert is_on_v1(world, "a")


def test_an_interrupt_while_it_is_resumed_goes_back_first(world: World, tmp_path: Path) -> None:
    one = killed(world, tmp_path, "activation", "a")
    world.host("a").meanwhile["validation"] = one.interrupt
    end = one.resume()[1]
    assert isinstance(end, Interrupted)
    assert is_on_v1(world, "a")


def test_that_a_host_reverts_is_written_down_before_it_locks_the_run_out(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who takes the lease while the host is at it must see that it does not go forward any more."""
    one = killed(world, tmp_path, "activation", "a")
    seen: list[object] = []

    def raise_token(state_dir: StateDir, *, by: str) -> int:
        seen.append(read_json(state_dir.run(RUN) / "reverted.json")["ok"])
        return lease.raise_token(state_dir, by=by)

    monkeypatch.setattr("cutover.agent.revert.raise_token", raise_token)
    world.host("a").goes_back_by_itself()
    assert seen == [False]
    assert isinstance(one.resume()[1], RolledBack)
