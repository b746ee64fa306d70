"""`rollback` of a cutover that was confirmed: protected as the cutover was, and never held up by one sick host.

Hosts that stay on V2, by choice or because they are silent, are never «all is as it was», and each is named.
"""

from pathlib import Path

import pytest

from cutover.core.errors import ExitCode, MixedFleet
from cutover.run import rollback
from tests.full_disk import full
from tests.run.fakehosts import World, is_on_v1
from tests.run.killing import Machine, code_of, killed, on_v2

pytestmark = pytest.mark.usefixtures("machines")
HOSTS = (("a",), ("b",), ("c",))


def found(end: BaseException | None) -> dict[str, str]:
    """The problems of an end, by host."""
    assert isinstance(end, MixedFleet), end
    return {problem.host: problem.found for problem in end.problems}


@pytest.mark.parametrize("elsewhere", [False, True])
def test_hosts_of_the_run_that_were_not_chosen_and_stay_on_v2_are_named(
    world: World, tmp_path: Path, elsewhere: bool
) -> None:
    one = Machine(world, tmp_path, HOSTS)
    assert one.begin() is None
    machine = Machine(world, tmp_path / "other", HOSTS) if elsewhere else one
    machine.limit = ("a",)
    _, end = machine.rollback()
    assert set(found(end)) == {"b", "c"}
    assert all("stays on V2" in words for words in found(end).values())
    assert machine.last_end() == code_of(end) == ExitCode.MIXED
    assert (is_on_v1(world, "a"), on_v2(world, "b"), on_v2(world, "c")) == (True, True, True)
    machine.limit = ("b",)
    assert set(found(machine.rollback()[1])) == {"c"}
    machine.limit = ("c",)
    assert machine.rollback() == (("c",), None)  # the last one: the fleet is no mix any more
    assert machine.last_end() == ExitCode.DONE


def test_one_that_was_not_chosen_and_cannot_say_is_listed_too(world: World, tmp_path: Path) -> None:
    one = Machine(world, tmp_path, HOSTS)
    assert one.begin() is None
    one.limit, one.silent = ("a",), {"b", "c"}
    _, end = one.rollback()
    assert is_on_v1(world, "a")
    assert set(found(end)) == {"b", "c"}
    assert all("whether run" in words and "no route to host" in words for words in found(end).values())


def test_hosts_that_the_run_never_touched_are_no_mix(world: World, tmp_path: Path) -> None:
    one = killed(world, tmp_path, "activation", "a", *HOSTS)
    one.limit = ("a",)
    assert one.rollback() == (("a",), None)


@pytest.mark.parametrize("how", ["rollback", "abort"])
@pytest.mark.parametrize("hosts", [(("a",),), HOSTS])
def test_where_nobody_answers_that_is_a_mix_and_not_v1_as_it_was(
    world: World, tmp_path: Path, how: str, hosts: tuple[tuple[str, ...], ...]
) -> None:
    one = Machine(world, tmp_path, hosts)
    assert one.begin() is None
    one.silent = set(one.names)
    _, end = getattr(one, how)()
    assert set(found(end)) == set(one.names)
    assert all("whether it is on the new release is not known" in words for words in found(end).values())
    assert code_of(end) == ExitCode.MIXED


def test_the_hosts_are_armed_while_they_go_back_and_not_afterwards(world: World, confirmed: Machine) -> None:
    armed: list[bool] = []
    world.host("a").meanwhile["rollback"] = lambda: armed.append(world.host("a").armed)
    assert confirmed.rollback() == (("a", "b"), None)
    assert armed == [True]
    assert is_on_v1(world, "a")  # which includes that nothing is armed and no lease held
    assert is_on_v1(world, "b")


@pytest.mark.parametrize("how", ["cannot be held", "silent"])
def test_a_host_that_cannot_take_part_does_not_keep_the_others_from_going(
    world: World, confirmed: Machine, how: str
) -> None:
    if how == "silent":
        confirmed.silent = {"b"}
    else:
        world.host("b").lose["begin"] = 99
    _, end = confirmed.rollback()
    assert set(found(end)) == {"b"}
    assert is_on_v1(world, "a")
    assert confirmed.last_end() == ExitCode.MIXED


def test_a_way_back_that_is_cut_short_here_names_every_host(
    confirmed: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollback, "run_phase", full)
    _, end = confirmed.rollback()
    assert list(found(end)) == ["a", "b"]
    assert "No space left" in str(end)
