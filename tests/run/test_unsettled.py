"""What an earlier run left unsettled keeps every new one out, until a rollback has settled it; and what is owed is remembered."""

import json
from pathlib import Path

import pytest

from cutover.agent import revert
from cutover.agent.durable import read_json
from cutover.agent.state_dir import revert_unit
from cutover.core.errors import Locked, MixedFleet, Refused, RolledBack, Unreachable
from cutover.core.verdict import Verdict
from cutover.journal.pending_rollbacks import pending_rollbacks
from cutover.run.history import settle_what_is
from tests.run import fakehosts
from tests.run.fakehosts import RUN, World, checks_that_find, is_on_v1
from tests.run.killing import HOSTS, Machine, killed

pytestmark = pytest.mark.usefixtures("machines")
LATER = "20260103T030405Z-def456"


def lease_ends(world: World, *names: str) -> None:
    """The leases of a dead holder end."""
    for name in names:
        place = world.host(name).place
        lease = read_json(place.lease)
        place.lease.write_text(json.dumps({**lease, "ends": 0.0}))


def begins_later(one: Machine) -> object:
    """A new run of the same hosts."""
    one.run = LATER
    end = one.begin()
    one.run = RUN
    return end


def test_a_host_that_reverted_by_itself_keeps_new_runs_out_until_a_rollback_has_judged_it(
    world: World, tmp_path: Path
) -> None:
    one = killed(world, tmp_path, "activation", "a")
    world.host("a").goes_back_by_itself()
    lease_ends(world, "b")
    end = begins_later(one)
    assert isinstance(end, Refused)
    assert [problem.host for problem in end.problems] == ["a"]
    assert "reverted by host at" in end.problems[0].found
    assert f"run {RUN}" in end.problems[0].found
    assert "./invokew rollback" in end.problems[0].next
    changes = list(world.host("a").changes)
    assert one.rollback() == (("a",), None)
    assert world.host("a").changes == changes  # it was judged, not done again
    assert "rollback.finished" in one.journal()
    assert one.rollback() == ((), None)
    assert begins_later(one) is None


def test_a_reverted_host_that_is_not_as_v1_was_is_taken_back_once_more(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = killed(world, tmp_path, "activation", "a")
    world.host("a").goes_back_by_itself()
    world.host("a").marks.add("activation")  # somebody started V2 again
    looks: list[str] = []

    def check(session: object, phase: object, hosts: tuple[str, ...]) -> object:
        looks.append("look")
        shut = checks_that_find("rollback", "a", Verdict.FAIL) if len(looks) == 1 else fakehosts.passes
        return shut(session, phase, hosts)  # type: ignore[arg-type]

    monkeypatch.setattr("cutover.run.phase.check_hosts", check)
    assert one.rollback() == (("a",), None)
    assert is_on_v1(world, "a")


def test_a_host_that_is_about_to_go_back_or_tried_in_vain_keeps_new_runs_out(world: World, tmp_path: Path) -> None:
    one = killed(world, tmp_path, "activation", "a")
    lease_ends(world, "a", "b")
    end = begins_later(one)
    assert isinstance(end, Refused)
    assert "about to go back by itself" in end.problems[0].found
    world.host("a").broken.add("rollback")
    world.host("a").goes_back_by_itself()  # it tries, and fails
    world.host("a").place.armed.unlink()
    end = begins_later(one)
    assert isinstance(end, MixedFleet)
    assert [problem.host for problem in end.problems] == ["a"]
    assert "left in the middle" in end.problems[0].found


def test_a_host_that_a_run_holds_is_left_to_the_lock(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = killed(world, tmp_path, "activation", "a")
    monkeypatch.setattr("cutover.run.leases.is_dead", lambda _process: False)
    assert isinstance(begins_later(one), Locked)


def owing(world: World, folder: Path) -> Machine:
    """A run that went back, while a was cut off."""
    one = Machine(world, folder, HOSTS)
    world.host("b").broken.add("activation")
    world.host("b").meanwhile["activation"] = lambda: setattr(world.host("a"), "silent", True)
    end = one.begin()
    assert isinstance(end, MixedFleet)
    assert "a" in {problem.host for problem in end.problems}
    world.host("b").meanwhile.clear()
    world.host("b").broken.clear()
    return one


def test_a_host_that_was_gone_when_the_others_went_back_is_remembered(world: World, tmp_path: Path) -> None:
    one = owing(world, tmp_path)
    assert is_on_v1(world, "b")
    owed = pending_rollbacks(one.folder, "lab", "toy").all()
    assert list(owed) == ["a"]
    assert owed["a"].run == RUN
    assert "rollback.owed" in one.journal()
    assert read_json(world.host("b").place.run(RUN) / "state.json")["owed"] == ["a"]


def test_an_owed_rollback_keeps_new_runs_out_with_exit_5_on_any_machine(world: World, tmp_path: Path) -> None:
    one = owing(world, tmp_path / "one")
    for other in (one, Machine(world, tmp_path / "other", HOSTS)):
        other.silent = {"a"}
        end = begins_later(other)
        assert isinstance(end, MixedFleet)
        assert "is pending since" in end.problems[0].found
        assert end.problems[0].host == "a"


def test_an_owed_rollback_is_settled_by_the_next_rollback_that_reaches_the_host(world: World, tmp_path: Path) -> None:
    one = owing(world, tmp_path)
    one.silent = {"a"}
    _, end = one.rollback()
    assert isinstance(end, MixedFleet)
    assert "a" in {problem.host for problem in end.problems}
    one.silent = set()
    world.host("a").silent = False
    assert one.rollback() == (("a",), None)
    assert is_on_v1(world, "a")
    assert pending_rollbacks(one.folder, "lab", "toy").all() == {}
    assert begins_later(one) is None


def test_what_is_owed_is_struck_out_where_another_machine_has_settled_it(world: World, tmp_path: Path) -> None:
    one = owing(world, tmp_path / "one")
    world.host("a").silent = False
    assert Machine(world, tmp_path / "other", HOSTS).rollback()[1] is None
    assert begins_later(one) is None
    assert pending_rollbacks(one.folder, "lab", "toy").all() == {}


def test_another_service_on_the_same_host_settles_nothing(world: World, tmp_path: Path) -> None:
    one = owing(world, tmp_path)
    knows_no_run = {"a": {"runs": [], "revert": {"armed": False}}}  # what the other service's state directory says
    settle_what_is(pending_rollbacks(one.folder, "lab", "other"), knows_no_run)
    assert list(pending_rollbacks(one.folder, "lab", "toy").all()) == ["a"]
    settle_what_is(pending_rollbacks(one.folder, "lab", "toy"), knows_no_run)
    assert pending_rollbacks(one.folder, "lab", "toy").all() == {}


def test_a_host_that_answers_again_soon_goes_back_with_the_others(world: World, tmp_path: Path) -> None:
    one = Machine(world, tmp_path, HOSTS)
    world.host("b").broken.add("activation")
    world.host("b").meanwhile["activation"] = lambda: setattr(world.host("a"), "silent", True)
    world.host("b").meanwhile["rollback"] = lambda: setattr(world.host("a"), "silent", False)
    assert isinstance(one.begin(), RolledBack)
    assert is_on_v1(world, "a")
    assert pending_rollbacks(one.folder, "lab", "toy").all() == {}


def test_a_host_that_is_just_not_there_is_unreachable_and_owed_nothing(world: World, tmp_path: Path) -> None:
    one = Machine(world, tmp_path, HOSTS)
    one.silent = {"b"}
    assert isinstance(one.begin(), Unreachable)
    assert world.host("a").changes == []


def test_what_a_host_did_on_its_own_way_back_is_in_the_journal_once(world: World, tmp_path: Path) -> None:
    one = killed(world, tmp_path, "activation", "a")
    world.host("a").goes_back_by_itself()
    one.dies_after = one.records + 7
    one.rollback()
    one.begins_anew()
    assert one.rollback() == (("a",), None)
    (reported,) = [record for record in one.written if record.kind == "outcome" and record.phase == "rollback"]
    by = ("a", "rollback.step", "do rollback", True, "the host's own revert")
    assert (reported.host, *(reported.data[name] for name in ("id", "words", "ok", "by"))) == by


@pytest.mark.parametrize("by_itself", [True, False])
def test_where_the_rest_may_not_be_touched_any_more_the_way_back_ends_settled_and_lists_it(
    world: World, tmp_path: Path, by_itself: bool
) -> None:
    one = killed(world, tmp_path, "activation", "a")
    world.host("a").late.add("rollback")
    if by_itself:
        world.host("a").goes_back_by_itself()
        assert world.host("a").armed is False
    assert one.rollback() == (("a",), None)
    assert world.host("a").armed is False
    gates = [record for record in one.written if record.kind == "gate" and record.phase == "rollback"]
    left = [one for gate in gates for one in gate.data["findings"] if "left unchanged, because" in one["message"]]
    assert [finding["verdict"] for finding in left] == ([] if by_itself else ["WARN"])
    assert one.rollback() == ((), None)


@pytest.mark.parametrize("ended", ["failed", "inactive"])
def test_a_revert_that_was_ended_as_it_began_leaves_no_failed_unit_behind(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: str
) -> None:
    one, reported = Machine(world, tmp_path, HOSTS), []
    monkeypatch.setattr(revert, "systemctl_or_fail", lambda *words, **_: reported.append(words))
    monkeypatch.setattr(revert, "show", lambda *_: {"SubState": ended, "ActiveState": ended})
    assert one.begin() is None  # armed, and disarmed in the end
    name = revert_unit(world.host("a").place.root)
    assert ("stop", f"{name}.service") in reported
    assert (("reset-failed", f"{name}.service") in reported) is (ended == "failed")
