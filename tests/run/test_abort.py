"""`abort` from every state: idle, prepared, between versions; from a holder that is dead, and from one that a person calls dead."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cutover.agent import lease
from cutover.core.errors import CutoverError, Locked, Refused
from cutover.run import rollback
from tests.run.fakehosts import ALL, RUN, World, is_on_v1
from tests.run.killing import HOSTS, Holders, Killed, Machine, killed, on_v2

pytestmark = pytest.mark.usefixtures("machines")


@pytest.fixture
def alive(machines: Holders) -> None:
    """No holder is known to be dead."""
    machines.dead = False


def test_an_idle_abort_does_nothing(world: World, tmp_path: Path) -> None:
    assert Machine(world, tmp_path, HOSTS).abort() == ([], None)
    assert world.host("a").asked.count("begin") == 0


@pytest.mark.parametrize(("phase", "done"), [("staging", ["a released", "b released"]), ("activation", ["a back"])])
def test_a_run_is_given_up_or_rolled_back_where_it_had_stopped_v1(
    world: World, tmp_path: Path, phase: str, done: list[str]
) -> None:
    one = killed(world, tmp_path, phase)
    before = world.host("a").held_by["token"]
    assert one.abort() == (done, None)
    assert is_on_v1(world, "a", "b")
    assert world.host("a").held_by["token"] > before  # whoever had it is fenced
    assert world.host("b").held_by["held"] is False
    assert one.last_end() == 0
    assert one.resume() == ("", None)
    assert one.abort() == ([], None)


def test_a_confirmed_fleet_is_left_alone(world: World, confirmed: Machine) -> None:
    before = {name: (set(host.marks), host.held_by["token"]) for name, host in world.hosts.items()}
    assert confirmed.abort() == ([], None)
    assert {name: (host.marks, host.held_by["token"]) for name, host in world.hosts.items()} == before
    assert on_v2(world, "a")


@pytest.mark.parametrize("ends", ["well", "dead", "given back"])
def test_what_a_run_did_until_its_lease_was_taken_is_seen(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """It was at rest when it was looked at; somebody resumed it before it was taken over."""
    one = killed(world, tmp_path, "staging")
    looked: list[str] = []

    def meanwhile(*_: object) -> None:
        looked.append("once")
        if len(looked) == 2:  # by `rollback`, then to give it up
            if ends != "well":
                world.host("a").meanwhile["activation"] = lambda: setattr(one, "dead", True)
            one.resume()
            one.dead = False
            if ends == "given back":
                lease.release(world.host("a").place, token=world.host("a").held_by["token"])

    monkeypatch.setattr(rollback, "refuse_living_holders", meanwhile)
    done, end = one.abort()
    assert (done, len(looked)) == ([], 2)
    if ends == "well":
        assert end is None
        assert (on_v2(world, "a"), on_v2(world, "b")) == (True, True)
        return
    assert isinstance(end, Locked | Refused)
    assert ("went on to stop the old release" in end.problems[0].found) is (ends == "given back")
    world.host("a").meanwhile.clear()
    assert one.abort()[0] == ["a back"]
    assert is_on_v1(world, "a", "b")


def test_a_run_that_was_confirmed_before_its_hosts_were_taken_is_left_alone(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = killed(world, tmp_path, "activation")
    monkeypatch.setattr(rollback, "approve", lambda _: one.resume())  # while a person thinks about it
    assert one.abort() == ([], None)
    assert (on_v2(world, "a"), on_v2(world, "b")) == (True, True)
    assert one.last_end() == 0


@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize("phase", ["staging", "activation"])
def test_a_holder_that_may_live_keeps_its_hosts_and_it_is_said_how_to_take_them(
    world: World, tmp_path: Path, phase: str
) -> None:
    one = killed(world, tmp_path, phase)
    for steal in ("", "no-such-nonce"):
        done, end = one.abort(steal=steal)
        assert done == []
        assert isinstance(end, Locked)
        assert f"run {RUN}" in end.problems[0].found
        assert "--steal-lock NONCE" in end.problems[0].next
    assert world.host("a").held_by["held"] is True


@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize(("phase", "done"), [("staging", ["a released", "b released"]), ("activation", ["a back"])])
def test_with_its_nonce_a_holder_loses_its_hosts(world: World, tmp_path: Path, phase: str, done: list[str]) -> None:
    killed(world, tmp_path / "one", phase)
    lease = world.host("a").held_by
    other = Machine(world, tmp_path / "other", HOSTS)
    assert other.abort(steal=lease["nonce"]) == (done, None)
    assert world.host("a").held_by["token"] > lease["token"]
    assert is_on_v1(world, "a")


@pytest.mark.usefixtures("alive")
def test_a_holder_that_was_robbed_changes_nothing_more_and_says_who_has_its_hosts(world: World, tmp_path: Path) -> None:
    one, other = Machine(world, tmp_path / "one", HOSTS), Machine(world, tmp_path / "other", HOSTS)
    ended: list[CutoverError | Killed | None] = []
    thief = threading.Thread(target=lambda: ended.append(other.rollback(steal=world.host("a").held_by["nonce"])[1]))
    world.host("a").meanwhile["activation"] = _robbed_by(thief, world)
    end = one.begin()
    thief.join(20)
    assert ended == [None]
    assert isinstance(end, Locked)
    assert {problem.host for problem in end.problems} == {"a", "b"}
    assert is_on_v1(world, "a")
    assert world.host("a").changes == [*ALL[:5], "rollback"]  # once, by the one who has it


def _robbed_by(thief: threading.Thread, world: World) -> Callable[[], None]:
    """Let the thief take the host's lease while its step is under way."""

    def wait() -> None:
        before = world.host("a").held_by["token"]
        thief.start()
        while world.host("a").held_by["token"] == before and thief.is_alive():
            thief.join(0.01)

    return wait


def test_only_a_rollback_that_was_begun_is_resumed(world: World, confirmed: Machine) -> None:
    assert confirmed.rollback(resume=True) == ((), None)
    world.host("b").meanwhile["rollback"] = lambda: setattr(confirmed, "dead", True)
    confirmed.rollback()
    world.host("b").meanwhile.clear()
    confirmed.dead = False
    assert confirmed.rollback(resume=True) == (("a", "b"), None)
    assert is_on_v1(world, "a", "b")
    assert confirmed.rollback(resume=True) == ((), None)


def test_a_step_of_the_dead_that_is_still_at_work_is_waited_for(world: World, tmp_path: Path) -> None:
    """It was begun under a token that rules no more: it ends, and none comes after it."""
    one, other = Machine(world, tmp_path / "one", HOSTS), Machine(world, tmp_path / "other", HOSTS)
    begun, go_on = threading.Event(), threading.Event()

    def step() -> None:
        one.dead = True
        begun.set()
        assert go_on.wait(20)

    world.host("a").meanwhile["backup"] = step
    dead = threading.Thread(target=one.begin, daemon=True)
    dead.start()
    assert begun.wait(20)
    threading.Timer(0.1, go_on.set).start()
    assert other.abort() == (["a released", "b released"], None)
    assert go_on.is_set()
    dead.join(20)
    assert world.host("a").changes == ["preflight", "backup"]
