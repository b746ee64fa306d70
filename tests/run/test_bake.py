"""The bake time of a batch, and what an interrupt does wherever it comes."""

import signal
from collections.abc import Callable
from typing import Any

import pytest

from cutover.agent.work import Module
from cutover.core.errors import Interrupted, RolledBack
from cutover.journal.record import Record
from cutover.run.session import Session
from tests.run.fakehosts import ALL, COMMITS, World, is_on_v1, run, session_of


def when_baking(session: Session, act: Callable[[], object]) -> None:
    """Have something happen when a bake time begins."""

    def heard(record: Record) -> None:
        if record.kind == "bake.started":
            act()

    session.journal.listen(heard)


class TestBake:
    """A batch counts as good after its bake time."""

    def test_a_process_that_was_restarted_is_noticed(self, world: World) -> None:
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

    def test_a_value_that_does_not_stay_is_noticed(self, world: World) -> None:
        session = session_of(world, "a", bake=30)
        when_baking(session, lambda: world.host("a").marks.discard("activation"))
        end = run(session, ("a",))
        assert isinstance(end, RolledBack)
        assert "activation: found false" in end.problems[0].found

    def test_one_that_stays_as_it_was_is_good(self, world: World) -> None:
        session = session_of(world, "a", bake=0.03)
        assert run(session, ("a",)) is None
        assert session.journal.of("bake.done")[0].data["looks"] >= 2


class TestInterrupted:
    """Whenever a person asks to stop, the safe path is taken."""

    @pytest.mark.parametrize("phase", ALL[:3])
    def test_before_phase_3_it_just_ends(self, world: World, phase: str) -> None:
        session = session_of(world, "a", "b")
        world.host("a").meanwhile[phase] = lambda: session.stop._on_signal(signal.SIGINT, None)
        end = run(session, ("a",), ("b",))
        assert isinstance(end, Interrupted)
        assert phase in world.host("a").marks  # what was begun was finished
        assert session.journal.of("rollback.started") == [] or phase == ALL[2]
        assert is_on_v1(world, "a")
        assert is_on_v1(world, "b")

    @pytest.mark.parametrize("phase", COMMITS)
    def test_from_phase_3_on_all_go_back(self, world: World, phase: str) -> None:
        session = session_of(world, "a", "b", bake=30)
        world.host("a").meanwhile[phase] = lambda: session.stop._on_signal(signal.SIGTERM, None)
        end = run(session, ("a",), ("b",))
        assert isinstance(end, Interrupted)
        assert "rolled back: a" in end.problems[-1].found
        assert world.host("a").changes == [*ALL[: ALL.index(phase) + 1], "rollback"]
        assert is_on_v1(world, "a")
        assert is_on_v1(world, "b")

    def test_during_the_bake_time(self, world: World) -> None:
        session = session_of(world, "a", bake=30)
        when_baking(session, lambda: session.stop._on_signal(signal.SIGINT, None))
        assert isinstance(run(session, ("a",)), Interrupted)
        assert is_on_v1(world, "a")

    def test_during_the_way_back_it_goes_on(self, world: World) -> None:
        session = session_of(world, "a")
        world.host("a").broken.add("activation")
        world.host("a").meanwhile["rollback"] = lambda: session.stop._on_signal(signal.SIGINT, None)
        assert isinstance(run(session, ("a",)), RolledBack)
        assert is_on_v1(world, "a")
