"""The lab itself: names and messages anywhere; the hosts as root, in labs of their own beside one that may be up."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

import lab
from cutover.words.errors import Locked, Refused, UsageError
from lab import base, checks, disk, host, machine, mounts, network
from lab.inventory import hosts_yml, known_hosts, remove_inventory
from lab.lock import hold
from lab.patience import until
from lab.settings import number_of

Ssh = Callable[[str, str], subprocess.CompletedProcess[str]]
HOSTS = tuple(
    lab.Host(f"lab{n}", f"198.18.77.{10 + n}", "deploy", Path("/keys/id_ed25519"), f"ssh-ed25519 KEY{n}")
    for n in (1, 2)
)
ALL_WELL = checks.Facts("linux", root=True, missing=(), filesystems=("overlay",), free_mb={})


# Names and addresses


def test_every_object_of_a_host_carries_the_prefix_and_fits_where_it_is_used() -> None:
    seat = lab.Lab(prefix="cutlabxy").seats(200)[-1]
    assert (seat.name, seat.machine, seat.link) == ("lab200", "cutlabxy-lab200", "cutlabxy-h200")
    assert len(seat.link) <= 15  # the kernel's limit for a link's name


def test_addresses_follow_the_numbers_within_the_network() -> None:
    assert [str(seat.address) for seat in lab.Lab().seats(3)] == ["198.18.77.11", "198.18.77.12", "198.18.77.13"]
    assert all(seat.address in seat.lab.network for seat in lab.Lab().seats(200))


def test_a_host_made_anew_has_the_hardware_address_that_its_neighbours_remember() -> None:
    first, second = lab.Lab().seats(2)
    assert first.mac == lab.Lab().seat(1).mac != second.mac
    assert int(first.mac[:2], 16) & 0b11 == 0b10  # locally administered, one receiver


def test_a_network_outside_the_benchmark_range_and_a_bad_prefix_are_both_refused_at_once() -> None:
    with pytest.raises(UsageError) as refused:
        lab.Lab(prefix="Lab_", network=IPv4Network("192.168.0.0/24"))
    assert [problem.path for problem in refused.value.problems] == ["lab.prefix", "lab.network"]


@pytest.mark.parametrize("count", [0, -1, 201])
def test_a_count_that_makes_no_lab_is_refused(count: int) -> None:
    with pytest.raises(UsageError, match=f"{count} hosts asked for"):
        lab.Lab().seats(count)


@pytest.mark.parametrize(
    ("name", "number"), [("lab1", 1), ("lab12", 12), ("lab0", None), ("lab01", None), ("web1", None)]
)
def test_only_names_of_the_lab_have_a_number(name: str, number: int | None) -> None:
    assert number_of(name) == number


def test_the_environment_moves_state_and_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUTOVER_LAB_DIR", "/big/state")
    monkeypatch.setenv("CUTOVER_LAB_CACHE", "/big/cache")
    here = lab.Lab.from_environment()
    assert (here.state, here.cache) == (Path("/big/state"), Path("/big/cache"))


def test_another_recipe_is_another_base(monkeypatch: pytest.MonkeyPatch) -> None:
    before = base.key()
    monkeypatch.setattr(base, "PACKAGES", (*base.PACKAGES, "less"))
    assert base.key() != before


def test_the_supervisor_starts_the_machine_again_only_after_a_reboot(tmp_path: Path) -> None:
    nspawn, starts = tmp_path / "systemd-nspawn", tmp_path / "starts"
    nspawn.write_text(f"#!/bin/sh\necho start >> {starts}\n[ $(wc -l < {starts}) -eq 3 ] && exit 7\nexit 133\n")
    nspawn.chmod(0o755)
    script = machine.supervision(lab.Lab().seat(1), [])
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert subprocess.run(["sh", "-c", script], check=False, env={"PATH": path}).returncode == 7
    assert starts.read_text() == "start\n" * 3


# Inventory


def test_the_inventory_has_the_shape_that_ansible_reads() -> None:
    group = yaml.safe_load(hosts_yml(HOSTS))["all"]["children"]["lab"]
    assert group["hosts"] == {"lab1": {"ansible_host": "198.18.77.11"}, "lab2": {"ansible_host": "198.18.77.12"}}
    assert group["vars"] == {"ansible_user": "deploy", "ansible_ssh_private_key_file": "/keys/id_ed25519"}


def test_host_keys_are_pinned_by_address() -> None:
    assert known_hosts(HOSTS) == "198.18.77.11 ssh-ed25519 KEY1\n198.18.77.12 ssh-ed25519 KEY2\n"


def test_the_inventory_is_removed_without_what_others_put_beside_it(tmp_path: Path) -> None:
    lab.write_inventory(HOSTS, tmp_path / "lab", {"clock": "UTC"})
    assert yaml.safe_load((tmp_path / "lab/group_vars/lab/main.yml").read_text()) == {"clock": "UTC"}
    (tmp_path / "lab/host_vars").mkdir()
    remove_inventory(tmp_path / "lab")
    assert [path.name for path in (tmp_path / "lab").iterdir()] == ["host_vars"]


# Prerequisites


def _found(facts: checks.Facts, *, base_built: bool = True) -> list[tuple[str, str]]:
    here = lab.Lab(state=Path("/s"), cache=Path("/c"))
    facts = replace(facts, free_mb={here.state: 1000, here.cache: 1000, **facts.free_mb})
    return [(problem.found, problem.next) for problem in checks.problems(here, facts, 3, base_built=base_built)]


def test_a_machine_that_has_everything_is_not_complained_about() -> None:
    assert _found(ALL_WELL) == []


def test_another_system_than_linux_is_told_so() -> None:
    assert _found(replace(ALL_WELL, platform="darwin"))[0][0] == "this is darwin; the lab needs Linux"


def test_all_that_is_missing_is_told_at_once_with_the_packages_to_install() -> None:
    found = _found(replace(ALL_WELL, root=False, missing=("debootstrap", "systemd-nspawn")))
    assert [after for _, after in found] == ["run it with sudo", "apt-get install debootstrap systemd-container"]


def test_a_disk_too_small_is_told_with_what_is_wanted() -> None:
    found = _found(replace(ALL_WELL, free_mb={Path("/s"): 299, Path("/c"): 1499}), base_built=False)
    assert [what for what, _ in found] == [
        "299 MB free, 300 MB wanted for 3 hosts",
        "1499 MB free, 1500 MB wanted for 3 hosts",
    ]


def test_every_program_that_is_looked_for_comes_with_a_package_or_with_every_debian() -> None:
    assert set(checks._PROGRAMS.values()) - set(lab.DEBIAN_PACKAGES) == {"util-linux", "mount"}


def test_one_command_at_a_time_works_on_a_lab(tmp_path: Path) -> None:
    with (
        hold(tmp_path / "lab", wait=False),
        pytest.raises(Locked, match="another lab"),
        hold(tmp_path / "lab", wait=False),
    ):
        pytest.fail("two held it")


# Real hosts


@contextmanager
def _lab_of_its_own(prefix: str, network_of_it: str) -> Iterator[lab.Lab]:
    """A lab beside the one that may be up, in a fixed place: what a killed run of these tests left is found again."""
    cache = lab.Lab.from_environment().cache
    here = lab.Lab(prefix, IPv4Network(network_of_it), Path(f"/var/lib/cutover-lab-tests-{prefix}"), cache)
    lab.down(lab=here)
    try:
        yield here
    finally:
        lab.down(lab=here)


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inventory") / "lab"


@pytest.fixture(scope="module")
def two(inventory: Path) -> Iterator[lab.Lab]:
    with _lab_of_its_own("cutlabt", "198.18.78.0/24") as here:
        lab.up(2, lab=here, inventory=inventory, group_vars={"clock": "UTC"})
        yield here


@pytest.fixture
def ssh(two: lab.Lab, inventory: Path) -> Ssh:
    def run(name: str, command: str) -> subprocess.CompletedProcess[str]:
        options = [f"UserKnownHostsFile={inventory / 'known_hosts'}", "StrictHostKeyChecking=yes", "BatchMode=yes"]
        argv = ["ssh", "-F", "none", "-o", "ConnectTimeout=2", *[w for option in options for w in ("-o", option)]]
        argv += ["-i", str(two.client_key), f"deploy@{two.seat(int(name[3:])).address}", command]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    return run


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
def test_transient_units_timers_and_notify_services_work_inside(two: lab.Lab) -> None:
    assert lab.exec_in("lab1", ["systemd-run", "--wait", "--quiet", "sh", "-c", "exit 3"], lab=two).exit_code == 3
    timed = ["systemd-run", "--on-active=0.1", "--timer-property=AccuracySec=1ms", "touch", "/srv/timer-was-here"]
    assert lab.exec_in("lab1", timed, lab=two).exit_code == 0
    wait = ["sh", "-c", "for n in $(seq 100); do [ -e /srv/timer-was-here ] && exit 0; sleep 0.1; done; exit 1"]
    assert lab.exec_in("lab1", wait, lab=two).exit_code == 0
    notify = ["systemd-run", "--unit=notifies", "--property=Type=notify", "--property=NotifyAccess=all"]
    ready = lab.exec_in("lab1", [*notify, "sh", "-c", "systemd-notify --ready; exec sleep 600"], lab=two)
    assert ready.exit_code == 0, ready.stderr
    assert lab.exec_in("lab1", ["systemctl", "is-active", "notifies"], lab=two).stdout == "active\n"
    assert lab.exec_in("lab1", ["systemctl", "stop", "notifies"], lab=two).exit_code == 0


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
    healed = lab.heal("lab1", lab=two)
    assert not healed.filled
    assert healed.disk_free_mb > 10_000


@pytest.mark.lab
def test_up_again_leaves_the_running_hosts_and_makes_the_killed_one_anew(
    two: lab.Lab, ssh: Ssh, inventory: Path
) -> None:
    first, second = lab.status(two)
    for pid in machine.processes(two.seat(2)):
        with suppress(ProcessLookupError):  # it went down with one killed before
            os.kill(pid, signal.SIGKILL)  # nspawn and its supervisor have no chance to tidy up
    assert until(lambda: not machine.processes(two.seat(2)), seconds=10)
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
def test_what_an_interrupted_up_left_is_replaced_and_down_leaves_nothing(tmp_path: Path) -> None:
    before = _everything()
    with _lab_of_its_own("cutlabd", "198.18.79.0/24") as here:
        lab.up(1, lab=here, inventory=tmp_path / "inventory/lab")
        half = here.seat(2)
        disk.attach(half, base.place(here))
        network.connect(half)  # and here it was killed
        with pytest.raises(Refused, match="not running"):
            lab.exec_in("lab2", ["true"], lab=here)
        lab.up(2, lab=here, inventory=tmp_path / "inventory/lab")
        assert [each.ssh for each in lab.status(here)] == [True, True]
        ours = {(pid, _began(pid)) for n in (1, 2) for pid in machine.processes(here.seat(n))}
        assert len(ours) > 8
        assert {line for line in _everything() - before if "cutlabd" in line}

        assert lab.down(lab=here) == ("lab1", "lab2")
        assert not {line for line in _everything() - before if "cutlab-" not in line and "cutlabt" not in line}
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
    """Links, namespaces, mounts, control groups, loop devices and limits of this machine, as lines."""
    limits = [Path("/proc/sys/fs/inotify/max_user_instances"), Path("/proc/sys/kernel/keys/maxkeys")]
    names = [*Path("/sys/class/net").iterdir(), *Path("/dev").glob("loop*"), *Path("/run").glob("netns/*")]
    names += [path for path in Path("/run").glob("*") if path.name in ("netns", "cutover-lab")]
    names += Path("/run/systemd").glob("nspawn/**/*")
    groups = [group for place in machine._hierarchies() for group in place.iterdir() if group.is_dir()]
    seen = [*map(str, names), *map(str, groups), *map(str, mounts.mounted())]
    return {*seen, *(f"{path}={path.read_text()}" for path in limits)}
