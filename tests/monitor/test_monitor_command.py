"""`monitor` from the command to its exit code, with hosts that are made up: what it leaves behind, resumed, rolled back, interrupted."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cutover.cli import monitor as command
from cutover.core.errors import Interrupted, MixedFleet, Problem, UsageError
from cutover.evidence import collect
from cutover.journal.journal import read
from cutover.journal.rundir import RunDir
from cutover.monitor import monitor
from cutover.monitor.watch import Collect
from cutover.run.history import HostRun
from cutover.run.options import RunOptions
from tests.checkout import ROOT
from tests.monitor.watches import Hosts
from tests.timeline.report_runs import HOSTS, success

VARIABLES = "cutover_service: abaco\nabaco_environment: lab\nabaco_connections: []\nwatch_rules: {tape_lost: {for: {rollback: 0s}}}\n"


class Ground:
    """A checkout with a run that is in service, and what its hosts show."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.collect = root, Hosts()
        for name in ("roles", "templates"):
            (root / name).symlink_to(ROOT / name)
        inventory = root / "inventory" / "lab"
        (inventory / "group_vars").mkdir(parents=True)
        (inventory / "hosts.yml").write_text(f"lab: {{hosts: {{{', '.join(f'{name}: {{}}' for name in HOSTS)}}}}}\n")
        (inventory / "group_vars" / "lab.yml").write_text(VARIABLES)
        self.run: RunDir = success().run(root / ".cutover" / "runs")
        known = SimpleNamespace(
            run=self.run.id, plan=SimpleNamespace(batches=[[name] for name in HOSTS]), plans={}, unfinished=False,
            at=lambda _name: HostRun(),
        )  # fmt: skip
        monkeypatch.setattr(monitor, "connect", lambda _targets: (SimpleNamespace(close=lambda: None), []))
        monkeypatch.setattr(monitor, "known_run", lambda *_: (known, []))
        monkeypatch.setattr(monitor, "collector", lambda *_: self._collect)
        unsigned = UsageError(Problem("no key", "make one"))
        monkeypatch.setattr(collect, "make_bundle", lambda *_, **__: (_ for _ in ()).throw(unsigned))

    def _collect(self, *given: Any, **more: Any) -> Any:
        asked: Collect = self.collect
        return asked(*given, **more)

    def monitor(self, capsys: pytest.CaptureFixture[str], *, once: bool = True) -> tuple[int, dict[str, Any]]:
        """How it ends, and its document."""
        capsys.readouterr()
        code = command.monitor(RunOptions(self.root, "monitor", "lab", json=True), once=once)
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return int(code), document

    def kinds(self) -> list[str]:
        """The kinds of the watch's records, those of samples left out."""
        return [one.kind for one in read(self.run.watch_file) if one.kind not in ("sample", "judged", "notice")]


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    return Ground(tmp_path, monkeypatch)


def lose(_host: str, _t: float, documents: dict[str, Any]) -> None:
    """A tape is lost."""
    documents["figures"]["stock"]["lost_count"] = 1


def test_once_leaves_journal_table_and_report_and_the_next_one_resumes(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    code, document = ground.monitor(capsys)
    assert code == 10  # one sample is too little for most rules
    assert (document["run_id"], list(document["hosts"])) == (ground.run.id, list(HOSTS))
    assert {one["verdict"] for one in document["hosts"].values()} == {"INCONCLUSIVE"}
    assert ground.monitor(capsys)[0] == 10
    assert ground.kinds() == ["watch.started", "watch.resumed"]
    assert (ground.run.path / "watch.md").read_text().count("\n| 20") == 2 * (len(HOSTS) + 1)
    assert "The watch" in ground.run.report.read_text()


@pytest.mark.parametrize(("fails", "code"), [(None, 4), (MixedFleet(Problem("h1 is not back", "see to it", "h1")), 5)])
def test_a_trigger_rolls_back_and_the_journal_has_how_that_ended(
    ground: Ground,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fails: MixedFleet | None,
    code: int,
) -> None:
    causes: list[str] = []

    def rollback(back: Any) -> None:
        causes.append(back.options.reason)
        if fails is not None:
            raise fails

    monkeypatch.setattr(monitor, "rollback", rollback)
    ground.collect = Hosts(lose)
    assert ground.monitor(capsys)[0] == code
    assert causes[0].startswith("the watch: h1: ")
    assert ground.kinds()[-3:] == ["rollback.started", "rollback.finished", "watch.finished"]
    assert {one.data["exit_code"] for one in read(ground.run.watch_file)[-2:] if one.kind != "notice"} == {code}


def test_an_interrupted_watch_says_so_and_can_be_resumed(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object, **__: object) -> Any:
        raise Interrupted(Problem("interrupted", "see the summary"))

    well: Callable[..., Any] = ground.collect
    ground.collect = interrupt  # type: ignore[assignment]
    code, document = ground.monitor(capsys, once=False)
    assert code == Interrupted.exit_code
    assert "nobody watches the triggers now" in document["errors"][0]["found"]
    ground.collect = well  # type: ignore[assignment]
    assert ground.monitor(capsys)[0] == 10
    assert ground.kinds() == ["watch.started", "watch.left", "watch.resumed"]


def test_another_scale_than_the_watch_was_begun_with_is_refused(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    ground.monitor(capsys)
    (ground.root / "inventory" / "lab" / "group_vars" / "lab.yml").write_text(VARIABLES + "watch_scale: 288\n")
    code, document = ground.monitor(capsys)
    assert (code, document["errors"][0]["path"]) == (2, "watch_scale")
    assert ground.kinds() == ["watch.started"]
