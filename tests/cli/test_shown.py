"""A whole run as a person sees it: the plan before the question, each record while it goes, and how it ended."""

from pathlib import Path

import pytest

from cutover.cli.results import show_end
from cutover.journal.rundir import RunDir
from cutover.run import session
from cutover.run.cutover import cutover as follow_the_story
from tests.checkout import ROOT
from tests.run.fakehosts import RUN, World, world
from tests.run.killing import HOSTS, Machine, machines

__all__ = ["machines", "world"]
SHOW = session.show_journal


@pytest.fixture
def one(world: World, tmp_path: Path, machines: object, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with a checkout whose runs are shown."""
    assert machines
    monkeypatch.setattr(session, "show_journal", SHOW)
    folder = tmp_path / "checkout"
    (folder / "roles" / "toy").mkdir(parents=True)
    (folder / "roles" / "toy" / "service.yml").write_text("title: Toy\n")
    (folder / "roles" / "standard").symlink_to(ROOT / "roles" / "standard")
    (folder / "templates").symlink_to(ROOT / "templates")
    return Machine(world, folder, HOSTS)


def test_a_run_is_shown_logged_and_reported(one: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    run = one.session("cutover")
    run.directory = RunDir(one.runs.root / RUN)
    run.directory.evidence.mkdir(parents=True)
    assert one._does(lambda: follow_the_story(run)) is None
    while_it_went = capsys.readouterr().err
    assert (
        while_it_went.index(run.plan.fingerprint) < while_it_went.index("approved") < while_it_went.index("confirmed")
    )
    show_end(run)
    assert RUN in capsys.readouterr().err.replace("\n", "")  # a long path is folded
    assert run.ask.shown
    assert run.ask.run_id == RUN
    assert set(run.ask.hosts) == {"a", "b"}
    assert all(Path(file).is_file() for file in run.ask.files.values())
    assert {"report", "log"} <= set(run.ask.files)
