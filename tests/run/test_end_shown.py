"""How the end of a run is shown where this machine cannot write, or what it holds of the run cannot be believed."""

import io
from pathlib import Path

import pytest

from cutover.cli.results import show_end
from cutover.console.events import Log
from cutover.console.live import Console
from cutover.run.rollback import rollback
from cutover.run.session import Session
from cutover.timeline import view
from cutover.timeline.presentation import presentation
from tests.checkout import ROOT, checkout
from tests.full_disk import full
from tests.run.fakehosts import RUN, World, is_on_v1
from tests.run.killing import HOSTS, Machine

pytestmark = pytest.mark.usefixtures("machines")


@pytest.fixture
def back(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A rollback that a command is about to begin, of a run of this machine."""
    monkeypatch.setattr(view, "presentation", lambda *_: presentation(ROOT, "abaco"))
    machine = Machine(world, checkout(tmp_path), HOSTS)
    assert machine.begin() is None
    session = machine.session("rollback", reason="by hand")
    session.console = Console(io.StringIO(), live=False)
    session.log = Log(tmp_path / "logs", RUN, "lab", print)
    return session


def test_a_way_back_that_could_not_be_written_is_shown_as_it_went(
    back: Session, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cutover.journal.journal._append", full)
    rollback(back)
    show_end(back)
    assert is_on_v1(world, "a")
    assert {one["version"] for one in back.ask.hosts.values()} == {"V1"}
    assert [one.path for one in back.ask.problems] == [str(back.journal.path)]
    assert "records could not be written" in back.ask.problems[0].found


def test_a_plan_that_was_edited_here_hides_no_end(back: Session, world: World) -> None:
    plan = back.options.directory(RUN).plan_file
    plan.chmod(0o600)
    plan.write_text(plan.read_text().replace("Toy", "Other"))
    rollback(back)
    show_end(back)
    assert is_on_v1(world, "b")
    assert "how the run ended is not shown" in back.ask.problems[0].found
    assert not back.ask.shown
