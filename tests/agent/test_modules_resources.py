"""What a unit uses: of a real process tree on this machine, and of control groups as each version of the kernel writes them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cutover.agent.modules import resources
from cutover.agent.modules.resources import measure
from cutover.agent.work import Work
from tests.waiting import PATIENCE_S

GROUP = "/system.slice/any.service"
MB = 1024 * 1024
# A parent that has worked, holds memory and has a child that holds more; it says when all that is so.
TREE = """
import subprocess, sys, time
held = bytearray(30_000_000)
for at in range(0, len(held), 4096): held[at] = 1
end = time.process_time() + 0.3
while time.process_time() < end: pass
child = subprocess.Popen([sys.executable, "-c", "held = b'x' * 60_000_000; print(1, flush=True); input()"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
input()
"""


@pytest.fixture
def tree() -> Iterator[list[int]]:
    """A parent and its child, by their ids."""
    with subprocess.Popen(
        [sys.executable, "-c", TREE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        yield [parent.pid, int(parent.stdout.readline())]
        parent.communicate("\n", timeout=PATIENCE_S)


def put(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_a_group_without_figures_is_the_sum_over_its_processes(tree: list[int], tmp_path: Path) -> None:
    alone, both = measure(GROUP, tree[:1], tmp_path), measure(GROUP, tree, tmp_path)
    assert (both["memory_from"], both["cpu_from"], both["processes"]) == ("processes", "processes", 2)
    assert alone["memory_mb"] > 30
    assert both["memory_mb"] > alone["memory_mb"] + 55
    assert alone["cpu_seconds"] >= 0.3
    assert both["cpu_seconds"] >= alone["cpu_seconds"]


def test_time_of_children_that_were_waited_for_counts(tmp_path: Path) -> None:
    before = measure(GROUP, [os.getpid()], tmp_path)["cpu_seconds"]
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", busy], check=True)
    assert measure(GROUP, [os.getpid()], tmp_path)["cpu_seconds"] >= before + 0.28


@pytest.mark.parametrize("where", ["", "unified/"])
def test_a_group_of_version_2_has_its_own_figures(where: str, tmp_path: Path) -> None:
    put(tmp_path, f"{where}{GROUP.strip('/')}/memory.current", f"{150 * MB}\n")
    put(tmp_path, f"{where}{GROUP.strip('/')}/memory.stat", f"anon 1\nactive_file {20 * MB}\ninactive_file {30 * MB}\n")
    put(tmp_path, f"{where}{GROUP.strip('/')}/cpu.stat", "usage_usec 2500000\nuser_usec 1\n")
    seen = measure(GROUP, [os.getpid()], tmp_path)
    assert seen == {
        "memory_mb": 100.0,
        "memory_from": "cgroup",
        "cpu_seconds": 2.5,
        "cpu_from": "cgroup",
        "processes": 1,
    }


@pytest.mark.parametrize("controller", ["cpuacct", "cpu,cpuacct"])
def test_a_group_of_version_1_has_its_own_figures(controller: str, tmp_path: Path) -> None:
    put(tmp_path, f"memory{GROUP}/memory.usage_in_bytes", f"{80 * MB}\n")
    put(tmp_path, f"memory{GROUP}/memory.stat", f"active_file 1\ntotal_active_file {5 * MB}\ntotal_inactive_file 0\n")
    put(tmp_path, f"{controller}{GROUP}/cpuacct.usage", "1250000000\n")
    seen = measure(GROUP, [os.getpid()], tmp_path)
    assert (seen["memory_mb"], seen["memory_from"]) == (75.0, "cgroup")
    assert (seen["cpu_seconds"], seen["cpu_from"]) == (1.25, "cgroup")


def test_each_figure_comes_from_where_it_is(tmp_path: Path) -> None:
    put(tmp_path, f"unified{GROUP}/cpu.stat", "usage_usec 3000000\n")
    seen = measure(GROUP, [os.getpid()], tmp_path)
    assert (seen["cpu_seconds"], seen["cpu_from"], seen["memory_from"]) == (3.0, "cgroup", "processes")


def test_a_group_that_has_used_nothing_is_not_accounted(tmp_path: Path) -> None:
    put(tmp_path, f"unified{GROUP}/cpu.stat", "usage_usec 0\n")
    put(tmp_path, f"memory{GROUP}/memory.usage_in_bytes", "0\n")
    seen = measure(GROUP, [os.getpid()], tmp_path)
    assert (seen["cpu_from"], seen["memory_from"]) == ("processes", "processes")
    assert seen["cpu_seconds"] > 0
    assert seen["memory_mb"] > 1


@pytest.mark.parametrize("group", ["", GROUP])
def test_what_cannot_be_read_is_none_and_never_0(group: str, tmp_path: Path) -> None:
    nothing = {"memory_mb": None, "memory_from": None, "cpu_seconds": None, "cpu_from": None}
    assert measure(group, [], tmp_path) == {**nothing, "processes": 0}
    assert measure(group, [4194305], tmp_path) == {**nothing, "processes": 1}  # more than the kernel numbers


def test_a_stopped_units_group_is_not_that_of_the_whole_host(tmp_path: Path) -> None:
    put(tmp_path, "memory.current", f"{900 * MB}\n")
    assert measure("/", [], tmp_path)["memory_mb"] is None


def test_a_process_may_be_called_anything(tmp_path: Path) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    fields = ["S", *["0"] * 10, str(ticks), str(2 * ticks), str(3 * ticks), str(4 * ticks), *["0"] * 20]
    put(tmp_path, "proc/7/stat", f"7 (a) 9 (b) c) {' '.join(fields)}\n")
    put(tmp_path, "proc/7/status", "Name:\ta\nVmRSS:\t    2048 kB\n")
    seen = measure(GROUP, [7], tmp_path / "none", tmp_path / "proc")
    assert (seen["cpu_seconds"], seen["memory_mb"]) == (10.0, 2.0)


def test_the_kind_asks_systemd_for_the_group_and_the_kernel_for_its_processes(
    tree: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, list[str]]] = []

    def show(unit: str, properties: list[str]) -> dict[str, str]:
        asked.append((unit, properties))
        return {"ControlGroup": GROUP}

    monkeypatch.setattr(resources, "show", show)
    monkeypatch.setattr(resources, "processes_of", lambda group: tree if group == GROUP else [])
    seen = resources.look_resources({"unit": "any.service"}, Work())
    assert asked == [("any.service", ["ControlGroup"])]
    assert (seen["processes"], seen["memory_mb"] > 80) == (2, True)
