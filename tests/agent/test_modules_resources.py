"""What a unit uses: of its control group, else of its processes, and None where nothing can be read."""

import os
from pathlib import Path

import pytest

from cutover.agent.modules.resources import measure

GROUP = "/system.slice/any.service"
MB = 1024 * 1024


def put(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def process(proc: Path, pid: int, name: str, memory_kb: int) -> None:
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
    process(tmp_path / "proc", 7, "a) 9 (b) c", 2048)
    process(tmp_path / "proc", 8, "d", 1024)
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
