"""Checks of roles, asked of this machine over a backup of a run that went on: a cutover, and the way back."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import testinfra

from cutover.decide.plan import HostPlan
from cutover.words.step import Step
from roles.backup import checks as backup
from roles.rollback import checks as rollback

RUN = "20260102T030405Z-abc123"


@pytest.fixture
def host() -> Any:
    return testinfra.get_host("local://")


def snapshot(place: Path, tree: str, **files: str) -> None:
    """A snapshot of one tree, with its manifest."""
    digests = {name: {"sha256": hashlib.sha256(text.encode()).hexdigest()} for name, text in files.items()}
    (place / tree).mkdir(parents=True)
    for name, text in files.items():
        (place / tree / name).write_text(text)
    entries = {"metrics": {"as": tree, "files": digests}}
    (place / "manifest.json").write_text(json.dumps({"entries": entries}))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The backup of a run after a cutover and its way back: other snapshots lie in it, and a note of what was restored."""
    place = tmp_path / "data/.rollback" / RUN
    snapshot(place, "metrics_backup", a="1", **{"manifest.json": "{}"})
    snapshot(place / "final", "metrics_backup", a="2")
    snapshot(place / "v2_kept", "metrics", a="3", b="4")
    (place / ".restored").mkdir()
    (place / ".restored/final").write_text("{}")
    (tmp_path / "data/metrics").mkdir()
    (tmp_path / "data/metrics/a").write_text("2")
    return place


@pytest.fixture
def wanted(tmp_path: Path, place: Path) -> HostPlan:
    step = Step(id="backup.snapshot", kind="snapshot", words="w", args={"directory": str(place)}, desired={})
    variables = {"abaco_data": str(tmp_path / "data"), "cutover_state_dir": str(tmp_path / "state")}
    return HostPlan(
        name="a", address="198.18.0.1", variables=variables, facts={}, steps={"backup": (step,)}, changes=(), diffs=()
    )


def test_a_backup_is_whole_also_where_other_snapshots_of_the_run_lie_in_it(host: Any, wanted: HostPlan) -> None:
    backup.test_every_file_has_its_digest(host, wanted)


@pytest.mark.parametrize(
    "victim", ["metrics_backup/a", "metrics_backup/extra", "extra", "metrics_backup/manifest.json"]
)
def test_a_backup_that_is_not_whole_is_seen(host: Any, wanted: HostPlan, place: Path, victim: str) -> None:
    (place / victim).write_text("changed")
    with pytest.raises(AssertionError):
        backup.test_every_file_has_its_digest(host, wanted)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder other modes and go on")
def test_a_note_beside_the_backup_may_be_written_but_nothing_in_it(host: Any, wanted: HostPlan, place: Path) -> None:
    for path in (place, *place.rglob("*")):
        path.chmod(0o700 if ".restored" in path.parts else 0o500)
    backup.test_the_backup_is_read_only(host, wanted)
    (place / "final/metrics_backup/a").chmod(0o600)
    with pytest.raises(AssertionError):
        backup.test_the_backup_is_read_only(host, wanted)


def test_the_last_snapshot_may_only_be_missing_where_v2_was_never_begun(
    host: Any, wanted: HostPlan, place: Path, tmp_path: Path
) -> None:
    rollback.test_the_metrics_of_v1_are_there(host, wanted)
    shutil.rmtree(place / "final")
    rollback.test_the_metrics_of_v1_are_there(host, wanted)
    (tmp_path / "state/runs" / RUN / "batches/activation-1.1").mkdir(parents=True)
    with pytest.raises(AssertionError, match="is gone, though V2 was begun here"):
        rollback.test_the_metrics_of_v1_are_there(host, wanted)
