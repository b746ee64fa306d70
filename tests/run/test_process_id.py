"""A holder is taken for dead only where that is certain: a process of this machine, of this boot, which has ended."""

import subprocess
import sys

import pytest

from cutover.run import leases
from cutover.run.leases import identity, is_dead
from tests.waiting import wait_until


def of_another_process() -> tuple[str, "subprocess.Popen[str]"]:
    program = "from cutover.run.leases import identity; print(identity(), flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process.stdout.readline().strip(), process


def test_another_one_is_dead_when_it_has_ended_and_also_while_only_its_remains_are_there() -> None:
    other, process = of_another_process()
    assert is_dead(other) is False
    process.kill()
    assert process.stdout is not None
    process.stdout.read(1)  # it has ended, and nobody has asked how
    assert wait_until(lambda: is_dead(other)) is True
    process.communicate()
    assert is_dead(other) is True


def test_a_process_that_has_the_number_of_a_dead_one_is_not_that_one() -> None:
    assert is_dead(f"{identity().rpartition('/')[0]}/1") is True


@pytest.mark.parametrize("process", ["", "somewhere/else", "another-boot/4026531836/1/1"])
def test_who_is_elsewhere_or_unknown_may_live(process: str) -> None:
    assert is_dead(process) is False


def test_where_the_system_does_not_say_nobody_is_dead(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    here = identity()
    monkeypatch.setattr(leases, "PROC", tmp_path)
    assert identity() == ""
    assert is_dead(here) is False
