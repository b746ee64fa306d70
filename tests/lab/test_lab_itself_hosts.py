"""The lab's hosts themselves, as root, in labs of their own beside one that may be up."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

import lab
from cutover.core.errors import Refused, UsageError
from lab import base, disk, host, machine, network
from lab.system import mounts
from tests.lab.support import Hosts
from tests.labs import lab_of_tests
from tests.waiting import wait_until

Ssh = Callable[[str, str], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inventory") / "lab"


@pytest.fixture(scope="module")
def two(inventory: Path) -> Iterator[lab.Lab]:
    with lab_of_tests("cutlabt", 78) as here:
        lab.up(2, lab=here, inventory=inventory, group_vars={"clock": "UTC"})
        yield here


@pytest.fixture
def ssh(two: lab.Lab, inventory: Path) -> Ssh:
    return Hosts(two, inventory, ("lab1", "lab2")).ended


@pytest.mark.lab
def test_hosts_answer_over_plain_ssh_with_pinned_keys_and_give_sudo(ssh: Ssh) -> None:
    for name in ("lab1", "lab2"):
        done = ssh(name, "hostname; id -un; sudo -n id -un; cat /proc/1/comm; systemctl is-system-running")
        assert done.stdout.split() == [name, "deploy", "root", "systemd", "running"], done.stderr


@pytest.mark.lab
def test_hosts_have_keys_and_a_machine_id_of_their_own(two: lab.Lab) -> None:
    seen = lab.status(two)
    assert len({each.host.host_key for each in seen}) == 2
    assert len({lab.exec_in(each.host.name, ["cat", "/etc/machine-id"], lab=two).stdout for each in seen}) == 2


@pytest.mark.lab
def test_the_root_of_a_host_is_seen_from_the_controller(two: lab.Lab, ssh: Ssh) -> None:
    assert ssh("lab1", "echo from inside | sudo tee /srv/note").returncode == 0
    assert (lab.root_of("lab1", two) / "srv/note").read_text() == "from inside\n"
    assert not (lab.root_of("lab2", two) / "srv/note").exists()


@pytest.mark.lab
def test_a_cut_host_is_silent_but_runs_on_until_healed(two: lab.Lab, ssh: Ssh) -> None:
    was = lab.cut("lab2", lab=two)
    assert (was.cable, was.ssh, was.system) == (False, False, "running")
    assert ssh("lab2", "true").returncode == 255
    assert ssh("lab1", "true").returncode == 0
    healed = lab.heal("lab2", lab=two)
    assert (healed.cable, healed.ssh, healed.boot_id) == (True, True, was.boot_id)
    assert ssh("lab2", "true").returncode == 0


@pytest.mark.lab
def test_a_reboot_is_another_boot_with_the_same_disk_key_and_address(two: lab.Lab, ssh: Ssh) -> None:
    before = next(each for each in lab.status(two) if each.host.name == "lab1")
    assert lab.exec_in("lab1", ["sh", "-c", "echo kept > /srv/kept; echo lost > /run/lost"], lab=two).exit_code == 0
    after = lab.reboot("lab1", lab=two)
    assert after.boot_id not in ("", before.boot_id)
    assert after.host == before.host
    assert ssh("lab1", "cat /srv/kept; ls /run/lost").stdout == "kept\n"
    boots = lab.exec_in("lab1", ["journalctl", "--list-boots", "--quiet"], lab=two).stdout.splitlines()
    assert len(boots) == 2  # the journal is kept over a reboot


@pytest.mark.lab
def test_a_full_disk_is_full_for_root_too_and_keeps_what_is_on_it(two: lab.Lab, ssh: Ssh) -> None:
    roomy = next(each for each in lab.status(two) if each.host.name == "lab1")
    assert roomy.disk_free_mb > 10_000
    full = lab.fill("lab1", leave_mb=5, lab=two)
    assert full.filled
    assert full.disk_free_mb <= 6
    free = lab.exec_in("lab1", ["df", "--output=avail", "-B1M", "/opt", "/var/lib"], lab=two).stdout.split()[1:]
    assert all(int(each) <= 6 for each in free)
    assert "No space left" in ssh("lab1", "sudo head -c 20M /dev/zero | sudo tee /opt/big > /dev/null").stderr
    assert ssh("lab1", "sudo rm /opt/big; cat /etc/hostname").stdout == "lab1\n"
    assert next(each for each in lab.status(two) if each.host.name == "lab2").disk_free_mb > 10_000
    assert lab.fill("lab1", leave_mb=0, lab=two).disk_free_mb == 0
    with pytest.raises(UsageError, match="choose 0 or more"):
        lab.fill("lab1", leave_mb=-5, lab=two)
    healed = lab.heal("lab1", lab=two)
    assert not healed.filled
    assert healed.disk_free_mb > 10_000


@pytest.mark.lab
def test_up_again_leaves_the_running_hosts_and_makes_the_killed_one_anew(
    two: lab.Lab, ssh: Ssh, inventory: Path
) -> None:
    first, second = lab.status(two)
    for pid in machine.processes(two.slot(2)):
        with suppress(ProcessLookupError):  # it went down with one killed before
            os.kill(pid, signal.SIGKILL)  # nspawn and its supervisor have no chance to tidy up
    wait_until(lambda: not machine.processes(two.slot(2)))
    hosts = lab.up(3, lab=two, inventory=inventory)
    assert [each.name for each in hosts] == ["lab1", "lab2", "lab3"]
    now = lab.status(two)
    assert [each.ssh for each in now] == [True, True, True]
    assert now[0] == replace(first, disk_free_mb=now[0].disk_free_mb)
    assert now[1].host.host_key != second.host.host_key
    assert ssh("lab2", "true").returncode == 0


@pytest.mark.lab
def test_an_unknown_host_is_refused_with_those_that_are_there(two: lab.Lab) -> None:
    with pytest.raises(UsageError, match="choose one of: lab1, lab2"):
        lab.cut("lab9", lab=two)


@pytest.mark.lab
def test_another_state_directory_does_not_take_a_running_lab_away(two: lab.Lab, tmp_path: Path) -> None:
    before = {each.host: (each.boot_id, each.ssh) for each in lab.status(two)}
    other = replace(two, state=tmp_path / "other")
    for attempt in (lambda: lab.up(1, lab=other), lambda: lab.down(lab=other), lambda: lab.status(other)):
        with pytest.raises(UsageError, match=rf"names cutlabt-\* .* in use by the lab in {two.state}"):
            attempt()
    assert not other.state.exists()
    assert {each.host: (each.boot_id, each.ssh) for each in lab.status(two)} == before


@pytest.mark.lab
def test_a_directory_that_no_lab_made_is_left_with_its_files_and_its_mount(tmp_path: Path) -> None:
    cache = lab.Lab.from_environment().cache
    here = lab.Lab("cutlabd", IPv4Network("198.18.79.0/24"), tmp_path / "mine", cache)
    (here.state / "disk").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", str(here.state / "disk")], check=True)
    try:
        (here.state / "disk" / "letters.txt").write_text("mine")
        for attempt in (lambda: lab.up(1, lab=here), lambda: lab.down(lab=here)):
            with pytest.raises(UsageError, match="no lab made"):
                attempt()
        assert (here.state / "disk" / "letters.txt").read_text() == "mine"
        assert here.state / "disk" in [mount.place for mount in mounts()]
    finally:
        subprocess.run(["umount", str(here.state / "disk")], check=True)


@pytest.mark.lab
def test_what_an_interrupted_up_left_is_replaced_and_down_leaves_nothing(tmp_path: Path) -> None:
    before = _everything()
    with lab_of_tests("cutlabd", 79) as here:
        lab.up(1, lab=here, inventory=tmp_path / "inventory/lab")
        half = here.slot(2)
        disk.attach(half, base.place(here))
        network.connect(half)  # and here it was killed
        with pytest.raises(Refused, match="not running"):
            lab.exec_in("lab2", ["true"], lab=here)
        lab.up(2, lab=here, inventory=tmp_path / "inventory/lab")
        assert [each.ssh for each in lab.status(here)] == [True, True]
        ours = {(pid, _began(pid)) for n in (1, 2) for pid in machine.processes(here.slot(n))}
        assert len(ours) > 8
        assert _everything() - before

        assert lab.down(lab=here) == ("lab1", "lab2")
        assert not _everything() - before
        assert not {pid for pid, began in ours if began and _began(pid) == began}
        assert not here.state.exists()
        assert list(tmp_path.rglob("*")) == [tmp_path / "inventory"]
        assert not host.numbers(here)
        assert lab.down(lab=here) == ()


def _began(pid: int) -> str:
    """When a process began, in the kernel's own clock; empty when it has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""


def _everything() -> set[str]:
    """Links, namespaces, mounts, control groups and loop devices of the lab `cutlabd`, as lines: others may come and go meanwhile."""
    names = [
        *Path("/sys/class/net").iterdir(),
        *Path("/run").glob("netns/*"),
        *Path("/run/systemd").glob("nspawn/**/*"),
    ]
    groups = [group for place in machine.hierarchies() for group in place.iterdir() if group.is_dir()]
    listed = ["losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE"]
    loops = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.splitlines()
    seen = [*map(str, names), *map(str, groups), *(str(mount.place) for mount in mounts()), *loops]
    return {line for line in seen if "cutlabd" in line}
