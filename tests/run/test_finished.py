"""`cutover --run` of a run that was confirmed: looked at, and neither applied nor written to a second time."""

from pathlib import Path

import pytest

from cutover.core.errors import Refused
from tests.run.fakehosts import World
from tests.run.killing import HOSTS, Machine

pytestmark = pytest.mark.usefixtures("machines")


def test_nothing_is_to_be_done_and_nothing_is_written(world: World, confirmed: Machine) -> None:
    def seen() -> object:
        return (
            confirmed.journal(),
            [list(host.changes) for host in world.hosts.values()],
            world.host("a").held_by["token"],
        )

    before = seen()
    assert confirmed.is_finished() == (True, None)
    assert seen() == before


def test_a_host_that_is_not_as_it_was_left_is_named_and_nothing_is_written(world: World, confirmed: Machine) -> None:
    before = confirmed.journal()
    world.host("b").marks.discard("activation")
    said, end = confirmed.is_finished()
    assert (said, type(end), confirmed.journal()) == (False, Refused, before)
    assert isinstance(end, Refused)
    assert [(problem.host, problem.path) for problem in end.problems] == [("b", "activation.step")]
    assert "nothing was applied" in end.problems[0].next


@pytest.mark.parametrize("silent", [{"b"}, {"a", "b"}])
def test_a_host_that_cannot_say_is_not_taken_for_well(confirmed: Machine, silent: set[str]) -> None:
    confirmed.silent = silent
    said, end = confirmed.is_finished()
    assert not said
    assert isinstance(end, Refused)
    assert {problem.host for problem in end.problems} == silent
    assert all("how this host is now is not known" in problem.found for problem in end.problems)


def test_one_that_another_machine_has_rolled_back_is_spent(world: World, confirmed: Machine, tmp_path: Path) -> None:
    other = Machine(world, tmp_path / "other", HOSTS)
    assert other.rollback() == (("a", "b"), None)
    _, end = confirmed.is_finished()
    assert isinstance(end, Refused)
    assert ["is spent" in problem.found for problem in end.problems] == [True, True]


def test_one_that_was_not_confirmed_or_was_rolled_back_here_does_not_stand(
    world: World, confirmed: Machine, tmp_path: Path
) -> None:
    assert confirmed.rollback() == (("a", "b"), None)
    assert confirmed.is_finished() == (False, None)
    prepared = Machine(world, tmp_path / "prepared", HOSTS, run="20260102T030406Z-abc124")
    assert prepared.begin(only_prepare=True) is None
    assert prepared.is_finished() == (False, None)
    assert Machine(world, tmp_path / "none", HOSTS).is_finished() == (False, None)
