"""What a host reports of itself and of its units."""

import os
import platform
import time
from pathlib import Path
from typing import Any

import pytest

from cutover.agent import process
from cutover.agent.modules import outage, system, units
from cutover.agent.modules.resources import measure
from cutover.agent.systemd import PROPERTIES
from cutover.agent.work import Work
from tests.agent.doing import look
from tests.full_disk import full


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


# What a unit uses: of its control group, else of its processes, and None where nothing can be read.

GROUP = "/system.slice/any.service"
MB = 1024 * 1024


def put(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def put_process(proc: Path, pid: int, name: str, memory_kb: int) -> None:
    """A process that used 10 s, 7 of them in children that it waited for."""
    ticks = os.sysconf("SC_CLK_TCK")
    fields = ["S", *["0"] * 10, str(ticks), str(2 * ticks), str(3 * ticks), str(4 * ticks), *["0"] * 20]
    put(proc, f"{pid}/stat", f"{pid} ({name}) {' '.join(fields)}\n")
    put(proc, f"{pid}/status", f"Name:\tx\nVmRSS:\t    {memory_kb} kB\n")


def test_a_control_group_has_its_own_figures_without_the_cache_of_files(tmp_path: Path) -> None:
    put(tmp_path, f"{GROUP.strip('/')}/memory.current", f"{150 * MB}\n")
    put(tmp_path, f"{GROUP.strip('/')}/memory.stat", f"anon 1\nactive_file {20 * MB}\ninactive_file {30 * MB}\n")
    put(tmp_path, f"{GROUP.strip('/')}/cpu.stat", "usage_usec 2500000\nuser_usec 1\n")
    seen = measure(GROUP, [os.getpid()], tmp_path)
    assert seen == {"memory_mb": 100.0, "cpu_seconds": 2.5}


@pytest.mark.parametrize("figures", [{}, {"memory.current": "0\n", "cpu.stat": "usage_usec 0\n"}])
def test_a_group_that_is_not_accounted_is_the_sum_over_its_processes(tmp_path: Path, figures: dict[str, str]) -> None:
    for name, text in figures.items():
        put(tmp_path, f"{GROUP.strip('/')}/{name}", text)
    put_process(tmp_path / "proc", 7, "a) 9 (b) c", 2048)
    put_process(tmp_path / "proc", 8, "d", 1024)
    seen = measure(GROUP, [7, 8], tmp_path, tmp_path / "proc")
    assert seen == {"memory_mb": 3.0, "cpu_seconds": 20.0}


def test_the_kernel_of_this_machine_is_understood(tmp_path: Path) -> None:
    seen = measure(GROUP, [os.getpid()], tmp_path)
    assert seen["memory_mb"] > 10
    assert seen["cpu_seconds"] > 0


@pytest.mark.parametrize("group", ["", GROUP])
@pytest.mark.parametrize("pids", [[], [4194305]])  # more than the kernel numbers
def test_what_cannot_be_read_is_none_and_never_0(group: str, pids: list[int], tmp_path: Path) -> None:
    assert measure(group, pids, tmp_path) == {"memory_mb": None, "cpu_seconds": None}


def test_a_stopped_units_group_is_not_that_of_the_whole_host(tmp_path: Path) -> None:
    put(tmp_path, "memory.current", f"{900 * MB}\n")
    assert measure("/", [], tmp_path)["memory_mb"] is None
