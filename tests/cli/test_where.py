"""Which environment a command means, and which hosts of it: as it is given, by the run, by what is configured, by the last run here."""

import re
import shlex
from pathlib import Path

import pytest

from cutover.cli import commands
from cutover.core.errors import ExitCode, Problem, UsageError
from cutover.journal.journal import Journal
from cutover.journal.rundir import RunDir, RunDirs
from cutover.run.options import RunOptions
from tasks import namespace
from tests.checkout import ROOT, checkout, environment
from tests.cli.commands import give

OLD, NEW = "20260101T000000Z-aaaaaa", "20260102T000000Z-bbbbbb"
NEEDS_A_NAME = "no environment is given"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with two environments of one host each, and no configured default."""
    monkeypatch.delenv("CUTOVER_INVENTORY", raising=False)
    for number, name in enumerate(("lab", "prod"), start=1):
        environment(tmp_path / "inventory" / name, {f"h-{name}": f"192.0.2.{number}"})
    return checkout(tmp_path)


def run_of(root: Path, run: str, name: str, *, begun: bool = True, **about: str) -> RunDir:
    directory = RunDir(root / ".cutover" / "runs" / run)
    journal = Journal(directory.journal_file)
    journal.write("run.created", service="abaco", run=run, environment=name, **{"pattern": name, **about})
    if begun:
        journal.write("run.started", hosts=[])
    journal.close()
    return directory


def where(root: Path, hosts: str = "", *, inventory: str = "", run: str = "", command: str = "status") -> RunOptions:
    return RunOptions(root, command, hosts, inventory, run=run)


def meant(one: RunOptions) -> tuple[str, tuple[str, ...]]:
    targets = one.targets()
    return targets.environment, targets.names


def test_the_order_in_which_the_environment_is_found(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_of(root, OLD, "prod")
    run_of(root, NEW, "lab")
    lab, prod = ("lab", ("h-lab",)), ("prod", ("h-prod",))
    assert meant(where(root)) == lab  # the last run here
    monkeypatch.setenv("CUTOVER_INVENTORY", "prod")
    assert meant(where(root)) == prod
    assert meant(where(root, run=NEW)) == lab
    assert meant(where(root, "prod", run=NEW)) == prod
    assert meant(where(root, "h-lab", inventory="lab", run=OLD)) == lab
    assert meant(where(root, inventory="inventory/lab")) == lab  # all of its hosts


def test_the_last_run_is_said_and_what_was_given_is_not(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_of(root, NEW, "lab")
    one = where(root, "h-lab")
    assert [meant(one), meant(one)] == [("lab", ("h-lab",))] * 2
    assert capsys.readouterr().err == f"environment lab, that of the last run here ({NEW})\n"
    meant(where(root, "prod"))
    assert capsys.readouterr().err == ""


def test_what_begins_a_run_does_not_take_the_environment_of_another(root: Path) -> None:
    run_of(root, NEW, "lab")
    with pytest.raises(UsageError) as caught:
        where(root, command="cutover").targets()
    assert NEEDS_A_NAME in caught.value.problems[0].found
    assert "lab, prod" in caught.value.problems[0].next
    assert meant(where(root, run=NEW, command="cutover"))[0] == "lab"


def test_a_run_that_is_named_brings_its_pattern_along(root: Path) -> None:
    run_of(root, NEW, "prod", pattern="prod:!h-prod,h-prod")
    assert where(root, run=NEW).pattern == "prod:!h-prod,h-prod"
    assert where(root, "h-prod", run=NEW).pattern == "h-prod"
    assert where(root, inventory="lab", run=NEW).pattern == ""  # another environment: its pattern means nothing there


def test_an_inventory_elsewhere_is_found_again_by_the_run(root: Path, tmp_path: Path) -> None:
    elsewhere = environment(tmp_path / "elsewhere" / "lab", {"h-lab": "192.0.2.9"})
    run_of(root, NEW, "lab", inventory=str(elsewhere))
    assert where(root).targets().hosts[0].address == "192.0.2.9"
    assert where(root).targets().place == "elsewhere/lab"
    (elsewhere / "hosts.yml").rename(tmp_path / "gone")
    elsewhere.rename(tmp_path / "away")
    with pytest.raises(UsageError, match="is not at"):
        where(root).targets()


def test_an_altered_journal_still_says_where_to_look(root: Path) -> None:
    run = run_of(root, NEW, "prod")
    run.journal_file.write_text(run.journal_file.read_text().replace('"seq":2', '"seq":7'))
    assert meant(where(root))[0] == "prod"


def test_the_last_run_is_rather_one_that_was_begun(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = RunDirs(root / ".cutover" / "runs")
    assert runs.last("lab") is None
    run_of(root, OLD, "lab")
    run_of(root, NEW, "lab", begun=False)
    assert where(root, "lab").the_run().id == OLD
    assert f"run {OLD}: the last of lab that was begun on hosts" in capsys.readouterr().err
    assert where(root, "lab", run=NEW).the_run().id == NEW
    run_of(root, OLD.replace("aaaaaa", "cccccc"), "prod", begun=False)
    found = runs.last("prod")
    assert found is not None
    assert found.id.endswith("cccccc")


MESSAGES = "\n".join(file.read_text() for room in ("cutover", "roles") for file in sorted((ROOT / room).rglob("*.py")))
NAMED = {*re.findall(r"`\./invokew ([^`{}]+)`", MESSAGES), "cutover --run {run}", "rollback --hosts h-lab"}
SAID = sorted(
    said for said in NAMED if "hosts" in namespace[said.split()[0]].options
)  # the others concern no environment
BEGIN = {"plan", "prepare", "cutover"}  # bare they begin a run, and must be reported where


def test_every_command_that_the_table_of_ends_names_is_looked_at() -> None:
    named = {words for code in ExitCode for words in re.findall(r"`\./invokew ([^`]+)`", code.next)}
    assert named
    assert named <= set(SAID)


@pytest.mark.parametrize("said", SAID)
def test_a_command_that_a_message_names_finds_its_environment_after_a_run(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: str
) -> None:
    run_of(root, NEW, "lab")

    found = RunOptions.__dict__["environment"].func

    def environment_and_no_more(self: RunOptions) -> Path:
        raise UsageError(Problem(f"means {found(self).name}", "nothing"))

    monkeypatch.setattr(commands, "ROOT", root)
    monkeypatch.setattr(RunOptions, "environment", property(environment_and_no_more))
    words = shlex.split(said.format(run=NEW).replace("<phase>", "preflight"))
    assert give(*words, *([NEW] if words[-1] == "--run" else [])) == 2
    reported = capsys.readouterr().err
    assert (NEEDS_A_NAME in reported, "means lab" in reported) == (said in BEGIN, said not in BEGIN)
