"""A run whose controller is killed at any boundary of its journal goes on to its end, or goes back: one or the other, everywhere."""

from pathlib import Path

import pytest

from tests.run.fakehosts import COMMITS, World, is_on_v1
from tests.run.killing import Killed, Machine, machines, on_v2

__all__ = ["machines"]
pytestmark = pytest.mark.usefixtures("machines")
ENOUGH = 300


def boundaries(world: World, folder: Path, how: str) -> list[tuple[int, str]]:
    """Kill a run at each boundary of its journal, then `how`; gives the last record before it, and where the hosts were in the end."""
    ends: list[tuple[int, str]] = []
    for after in range(1, ENOUGH):
        names = tuple((f"{how}{after}{name}",) for name in "ab")
        one = Machine(world, folder / f"{how}{after}", names, after)
        if not isinstance(one.begin(), Killed):
            return ends
        last = one.journal()[-1]
        one.begins_anew()
        if how == "resume":
            one.resume()
        else:
            one.abort()
        versions = {"V2" if on_v2(world, name) else "V1" if is_on_v1(world, name) else "between" for (name,) in names}
        ends.append((after, f"{last}: {'/'.join(sorted(versions))}"))
        assert [one.world.host(name).held_by["released"] for (name,) in names] == [True, True] or after < 8, (
            after,
            last,
        )
    raise AssertionError("the run never ended")


def test_each_boundary_converges_when_it_is_resumed(world: World, tmp_path: Path) -> None:
    ends = boundaries(world, tmp_path, "resume")
    assert len(ends) > 80
    early = [end for _, end in ends if end.split(": ")[0] in ("run.created", "plan.made")]
    assert set(early) == {"run.created: V1", "plan.made: V1"}  # it was not approved: there is nothing to go on with
    assert {end.split(": ")[1] for _, end in ends[len(early) :]} == {"V2"}


def test_each_boundary_converges_when_it_is_aborted(world: World, tmp_path: Path) -> None:
    ends = boundaries(world, tmp_path, "abort")
    assert len(ends) > 80
    assert {end.split(": ")[1] for _, end in ends} == {"V1"}


def test_a_rollback_that_was_killed_at_any_boundary_is_ended_when_it_is_resumed(world: World, tmp_path: Path) -> None:
    for after in range(1, ENOUGH):
        names = tuple((f"back{after}{name}",) for name in "ab")
        one = Machine(world, tmp_path / str(after), names)
        assert one.begin() is None
        one.dies_after = one.records + after
        end = one.rollback()[1]
        if not isinstance(end, Killed):
            assert after > 8
            return
        one.begins_anew()
        last = one.journal()[-1]
        settled = one.rollback(resume=True)[1]
        assert settled is None, (after, last)
        hosts = [world.host(name) for (name,) in names]  # the lease of one that was settled before ends by itself
        assert not any(host.armed or host.marks & set(COMMITS) for host in hosts), (after, last)
    raise AssertionError("the rollback never ended")
