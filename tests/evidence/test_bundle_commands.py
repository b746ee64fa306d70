"""`report --bundle` and `report --verify` as people and scripts see them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cutover.cli.report import report
from cutover.core.errors import ExitCode
from cutover.run.options import RunOptions
from tests.checkout import ROOT
from tests.evidence.bundles import Ground, allow, make_ground


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    made = make_ground(tmp_path, watched=False)
    for name in ("templates", "roles"):  # what a checkout has to draw reports with
        (tmp_path / name).symlink_to(ROOT / name)
    return made


def where(ground: Ground, *, hosts: str = "stage", **given: Any) -> RunOptions:
    return RunOptions(ground.root, "report", hosts, **given)


def bundled(ground: Ground) -> Path:
    assert report(where(ground, hosts="", run=ground.run.id), bundle=True, key=str(ground.ann)) == ExitCode.DONE
    return ground.run.path / f"evidence-{ground.run.id}.tar"


def test_bundle_and_verify(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    file = bundled(ground)
    said = capsys.readouterr()
    assert said.out.startswith(f"PASS  {file.name}: unchanged since it was signed")
    assert said.out.endswith(f"{file}\n")
    assert report(where(ground, hosts=""), verify=str(file)) == ExitCode.DONE
    said = capsys.readouterr()
    assert "signer       ann@example.org, with SHA256:" in said.out
    assert f"run          {ground.run.id} of abaco on stage" in said.out
    assert "journal.jsonl 5 records, ends with " in said.out


def test_an_altered_bundle_exits_9_and_reports_all(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    file = bundled(ground)
    file.write_bytes(file.read_bytes().replace(b"run.finished", b"run.finishes").replace(b"<html", b"<HTML"))
    capsys.readouterr()
    assert report(where(ground, json=True), verify=str(file)) == ExitCode.JUDGED_FAIL
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert (document["exit_code"], document["run_id"], document["command"]) == (9, ground.run.id, "report")
    assert {error["path"] for error in document["errors"]} == {"journal.jsonl", "report.html"}
    assert all(error["found"] and error["next"] for error in document["errors"])
    assert said.err.count("next: ") >= 2


def test_the_list_decides_the_given_one_before_that_of_the_environment(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    file = bundled(ground)
    other = allow(ground.root / "list", ("bob@example.org", "", ground.bob))
    assert report(where(ground), verify=str(file), signers=str(other)) == ExitCode.JUDGED_FAIL
    assert report(where(ground), verify=str(file), signers=str(ground.root / "none")) == ExitCode.USAGE
    ground.signers.unlink()
    assert report(where(ground), verify=str(file)) == ExitCode.JUDGED_UNKNOWN
    assert "--signers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({"run": "20260102T030405Z-ffffff"}, "expected 20260102T030405Z-ffffff"),
        ({"service": "other"}, "expected other"),
        ({"hosts": "other"}, "expected other"),
    ],
)
def test_a_bundle_of_something_else_is_none_of_what_was_meant(
    ground: Ground, other: dict[str, str], found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = bundled(ground)
    shutil.copytree(ground.root / "inventory" / "stage", ground.root / "inventory" / "other")
    assert report(where(ground, run=ground.run.id), verify=str(file)) == ExitCode.DONE
    assert report(where(ground, **other), verify=str(file)) == ExitCode.JUDGED_FAIL
    assert found in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("hosts", ["stage", ""])
def test_without_a_run_the_newest_one_is_bundled_and_named(
    ground: Ground, hosts: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(where(ground, hosts=hosts), bundle=True, key=str(ground.ann)) == ExitCode.DONE
    assert (ground.other.path / f"evidence-{ground.other.id}.tar").exists()
    named = f"environment stage, that of the last run here ({ground.other.id})" in capsys.readouterr().err
    assert named == (not hosts)


def test_options_that_exclude_each_other_are_reported_at_once(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(where(ground), verify="x", bundle=True) == ExitCode.USAGE
    assert report(where(ground), verify="x", key="y") == ExitCode.USAGE
    said = capsys.readouterr().err
    assert [option for option in ("--verify", "--key") if option not in said] == []
    assert report(where(ground), bundle=True, signers="x") == ExitCode.USAGE


def test_without_these_options_the_report_is_drawn(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    ground.run.report.unlink()
    assert report(where(ground, run=ground.run.id)) == ExitCode.DONE
    assert ground.run.report.exists()
    assert capsys.readouterr().out == f"{ground.run.report}\n"
