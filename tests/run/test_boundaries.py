"""A run whose controller is killed at any boundary of its journal goes on to its end, or goes back: one or the other, everywhere."""

from pathlib import Path

import pytest

from cutover.agent.__main__ import status
from tests.run.fakehosts import COMMITS, World, is_on_v1
from tests.run.killing import Killed, Machine, on_v2

pytestmark = pytest.mark.usefixtures("machines")


def boundaries(world: World, folder: Path, *, back: bool = False) -> list[int]:
    """After how many records of a run (of its rollback) its machine may be killed."""
    twin = Machine(world, folder / "twin", (("twin-a",), ("twin-b",)))
    assert twin.begin() is None
    begun = twin.records
    if back:
        assert twin.rollback()[1] is None
    records = twin.written[begun:] if back else twin.written
    assert len(records) > (8 if back else 80)
    return [record.seq for record in records]


def stays(world: World, name: str) -> bool:
    """Whether a host has been confirmed, and does not go back by itself."""
    host = world.host(name)
    states = [entry["state"] for entry in status(host.place, {})["runs"]]
    return [state and state["status"] for state in states] == ["confirmed"] and not host.armed


@pytest.mark.parametrize("how", ["resume", "abort"])
def test_each_boundary_of_a_run_converges(world: World, tmp_path: Path, how: str) -> None:
    for after in boundaries(world, tmp_path):
        names = tuple((f"{after}{name}",) for name in "ab")
        one = Machine(world, tmp_path / str(after), names, after)
        assert isinstance(one.begin(), Killed)
        last = one.journal()[-1]
        one.begins_anew()
        confirmed = all(stays(world, name) for (name,) in names)
        one.resume() if how == "resume" else one.abort()
        versions = {"V2" if on_v2(world, name) else "V1" if is_on_v1(world, name) else "between" for (name,) in names}
        approved = last not in ("run.created", "plan.made")
        goes_on = approved if how == "resume" else confirmed  # which leaves nothing to abort
        assert versions == {"V2" if goes_on else "V1"}, (after, last)
        released = [one.world.host(name).held_by["released"] for (name,) in names]
        assert released == [True, True] or after < 8, (after, last)


def test_a_rollback_that_was_killed_at_any_boundary_is_ended_when_it_is_resumed(world: World, tmp_path: Path) -> None:
    for after in boundaries(world, tmp_path, back=True):
        names = tuple((f"{after}{name}",) for name in "ab")
        one = Machine(world, tmp_path / str(after), names)
        assert one.begin() is None
        one.dies_after = after
        assert isinstance(one.rollback()[1], Killed)
        one.begins_anew()
        last = one.journal()[-1]
        assert one.rollback(resume=True)[1] is None, (after, last)
        hosts = [world.host(name) for (name,) in names]  # the lease of one that was settled before ends by itself
        assert not any(host.armed or host.marks & set(COMMITS) for host in hosts), (after, last)
