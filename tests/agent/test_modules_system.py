"""What a host reports of itself."""

import os
import platform
import time
from pathlib import Path
from typing import Any

import pytest

from cutover.agent import process
from cutover.agent.modules import outage, system, units
from cutover.agent.systemd import PROPERTIES
from cutover.agent.work import Work
from tests.agent.doing import look


def test_facts_are_those_of_this_machine() -> None:
    seen = look("facts")
    assert (seen["machine"], seen["processors"]) == (platform.machine(), os.cpu_count())
    assert seen["python"].startswith(f"{seen['python_minor']}.")
    assert len(seen["boot_id"]) == 36


def test_the_disk_of_a_place_that_will_be_made_is_that_of_the_nearest_directory(tmp_path: Path) -> None:
    seen = look("disk", path=str(tmp_path / "opt/abaco/releases"))
    assert (seen["path"], seen["read_only"]) == (str(tmp_path), False)
    assert seen["free_bytes"] > 0
    assert seen["free_inodes"] > 0


def test_a_disk_on_which_copies_would_not_fit_is_seen(tmp_path: Path) -> None:
    (tmp_path / "metrics/deep").mkdir(parents=True)
    (tmp_path / "metrics/deep/big").write_bytes(b"")
    os.truncate(tmp_path / "metrics/deep/big", 5 * 10**12)  # sparse: a copy of it would not be
    seen = look("disk", path=str(tmp_path / ".rollback"), room_for=str(tmp_path / "metrics"), times=3)
    assert seen["needed_bytes"] >= 15 * 10**12
    assert seen["left_bytes"] == seen["free_bytes"] - seen["needed_bytes"]
    assert (seen["left_bytes"] < 0, seen["left_inodes"]) == (True, seen["free_inodes"] - 9)
    none = look("disk", path=str(tmp_path), room_for=str(tmp_path / "none"), times=3)
    assert (none["needed_bytes"], none["left_bytes"] == none["free_bytes"]) == (0, True)


def test_a_clock_is_compared_with_the_controllers() -> None:
    assert look("clock", work=Work(sent_at=time.time() - 100))["offset_s"] == pytest.approx(100, abs=5)
    assert look("clock")["offset_s"] is None


def test_a_place_is_written_to_and_left_as_it_was(tmp_path: Path) -> None:
    assert look("writable", path=str(tmp_path / "not/there/yet")) == {"writable": True}
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert look("writable", path=str(tmp_path)) == {"writable": False, "why": "[Errno 28] No space left on device"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("active", "config", "risks"),
    [
        ("unattended-upgrades.service", "#$nrconf{restart} = 'a';\n", ["unattended-upgrades.service"]),
        ("", "$nrconf{restart} = 'a';\n", ["needrestart restarts services automatically ($nrconf{restart} = 'a')"]),
        ("", "", []),
    ],
)
def test_what_restarts_services_is_named(
    active: str, config: str, risks: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    states = {unit: {"ActiveState": "active" if unit == active else "inactive"} for unit in system.UPGRADERS}
    monkeypatch.setattr(system, "show_each", lambda _units, _properties: states)
    monkeypatch.setattr(system, "NEEDRESTART", (str(tmp_path / "needrestart.conf"), "/nowhere.d"))
    (tmp_path / "needrestart.conf").write_text(config)
    assert look("restart_risks") == {"risks": risks}


@pytest.mark.parametrize(
    ("kind", "args"), [("restart_risks", {}), ("gap", {"stopped": "v1", "started": "v2"}), ("unit", {"unit": "v1"})]
)
def test_a_systemd_that_does_not_answer_is_an_error_and_not_an_absence(
    kind: str, args: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "run", lambda *_, **__: process.ProcessResult(1, "", "no bus", 0.0))
    assert "no bus" in look(kind, **args)["error"]


@pytest.mark.parametrize("which", ["v1.service", "v1.service.d/a.conf"])
def test_a_change_of_a_units_files_is_seen_though_no_path_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    file, drop_in = tmp_path / "v1.service", tmp_path / "v1.service.d/a.conf"
    drop_in.parent.mkdir()
    file.write_text("[Service]\n")
    drop_in.write_text("[Service]\nNice=5\n")
    shown = dict.fromkeys(PROPERTIES, "") | {"FragmentPath": str(file), "DropInPaths": str(drop_in)}
    shown |= {"MainPID": "0", "NRestarts": "0", "TimeoutStopUSec": "1min 30s"}
    monkeypatch.setattr(units, "show", lambda _unit: shown)
    before = look("unit", unit="v1.service")["files_sha256"]
    assert look("unit", unit="v1.service")["files_sha256"] == before
    (tmp_path / which).write_text("# somebody was here\n")
    changed = look("unit", unit="v1.service")["files_sha256"]
    (tmp_path / which).unlink()  # systemd still knows it
    assert len({before, changed, look("unit", unit="v1.service")["files_sha256"]}) == 3


# Outage, from what PID 1 logged: (event, time).
LIVES = {
    "whole": ([("stopping", 10.0), ("stopped", 10.5)], [("starting", 10.7), ("started", 12.0)], 2.0),
    "an earlier life of both does not count": (
        [("stopping", 1.0), ("stopped", 2.0), ("stopping", 10.0), ("stopped", 10.5)],
        [("starting", 3.0), ("started", 4.0), ("starting", 10.7), ("started", 12.0)],
        2.0,
    ),
    "killed": ([("stopping", 10.0), ("failed", 30.0)], [("starting", 31.0), ("started", 32.0)], 22.0),
    "died by itself": ([("failed", 10.0)], [("starting", 11.0), ("started", 12.0)], 2.0),
    "never started": ([("stopping", 10.0), ("stopped", 10.5)], [("starting", 11.0)], None),
    "never stopped": ([], [("starting", 11.0), ("started", 12.0)], None),
}


@pytest.mark.parametrize("case", LIVES)
def test_the_outage_is_from_told_to_stop_to_ready(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    v1, v2, gap = LIVES[case]
    monkeypatch.setattr(outage, "life", lambda unit: {"v1": v1, "v2": v2}[unit])
    seen = look("gap", stopped="v1", started="v2")
    assert seen["gap_s"] == gap
    if gap is None:
        assert "has not been" in seen["why"]
    else:
        assert seen["stop_s"] + seen["between_s"] + seen["start_s"] == pytest.approx(gap)
