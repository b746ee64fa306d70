"""The lab itself without its hosts, on any machine: names and addresses, the inventory, the lock."""

import os
import subprocess
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

import lab
from cutover.core.errors import Locked, UsageError
from lab import base, machine
from lab.inventory import remove_inventory
from lab.settings import number_of
from lab.system import hold

HOSTS = tuple(
    lab.LabHost(f"lab{n}", f"198.18.77.{10 + n}", "deploy", Path("/keys/id_ed25519"), f"ssh-ed25519 KEY{n}")
    for n in (1, 2)
)


# Names and addresses


def test_every_object_of_a_host_carries_the_prefix_and_fits_where_it_is_used() -> None:
    slot = lab.Lab(prefix="cutlabxy").slots(200)[-1]
    assert (slot.name, slot.machine, slot.link) == ("lab200", "cutlabxy-lab200", "cutlabxy-h200")
    assert len(slot.link) <= 15  # the kernel's limit for a link's name


def test_addresses_follow_the_numbers_within_the_network() -> None:
    assert [str(slot.address) for slot in lab.Lab().slots(3)] == ["198.18.77.11", "198.18.77.12", "198.18.77.13"]
    assert all(slot.address in slot.lab.network for slot in lab.Lab().slots(200))


def test_a_host_made_anew_has_the_hardware_address_that_its_neighbours_remember() -> None:
    first, second = lab.Lab().slots(2)
    assert first.mac == lab.Lab().slot(1).mac != second.mac
    assert int(first.mac[:2], 16) & 0b11 == 0b10  # locally administered, one receiver


def test_a_network_outside_the_benchmark_range_and_a_bad_prefix_are_both_refused_at_once() -> None:
    with pytest.raises(UsageError) as refused:
        lab.Lab(prefix="Lab_", network=IPv4Network("192.168.0.0/24"))
    assert [problem.path for problem in refused.value.problems] == ["lab.prefix", "lab.network"]


@pytest.mark.parametrize("count", [0, -1, 201])
def test_a_count_that_makes_no_lab_is_refused(count: int) -> None:
    with pytest.raises(UsageError, match=f"{count} hosts, expected 1 to 200"):
        lab.Lab().slots(count)


@pytest.mark.parametrize(
    ("name", "number"), [("lab1", 1), ("lab12", 12), ("lab0", None), ("lab01", None), ("web1", None)]
)
def test_only_names_of_the_lab_have_a_number(name: str, number: int | None) -> None:
    assert number_of(name) == number


def test_another_recipe_is_another_base(monkeypatch: pytest.MonkeyPatch) -> None:
    before = base.key()
    monkeypatch.setattr(base, "PACKAGES", (*base.PACKAGES, "less"))
    assert base.key() != before


def test_the_supervisor_starts_the_machine_again_only_after_a_reboot(tmp_path: Path) -> None:
    nspawn, starts = tmp_path / "systemd-nspawn", tmp_path / "starts"
    nspawn.write_text(f"#!/bin/sh\necho start >> {starts}\n[ $(wc -l < {starts}) -eq 3 ] && exit 7\nexit 133\n")
    nspawn.chmod(0o755)
    script = machine.supervisor(lab.Lab().slot(1), [])
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert subprocess.run(["sh", "-c", script], check=False, env={"PATH": path}).returncode == 7
    assert starts.read_text() == "start\n" * 3


# Inventory


def test_the_inventory_is_one_that_ansible_reads_with_host_keys_pinned_by_address(tmp_path: Path) -> None:
    lab.write_inventory(HOSTS, tmp_path / "lab", {"clock": "UTC"})
    group = yaml.safe_load((tmp_path / "lab/hosts.yml").read_text())["all"]["children"]["lab"]
    assert group["hosts"] == {"lab1": {"ansible_host": "198.18.77.11"}, "lab2": {"ansible_host": "198.18.77.12"}}
    assert group["vars"] == {"ansible_user": "deploy", "ansible_ssh_private_key_file": "/keys/id_ed25519"}
    assert yaml.safe_load((tmp_path / "lab/group_vars/lab/main.yml").read_text()) == {"clock": "UTC"}
    pinned = "198.18.77.11 ssh-ed25519 KEY1\n198.18.77.12 ssh-ed25519 KEY2\n"
    assert (tmp_path / "lab/known_hosts").read_text() == pinned


def test_the_inventory_is_removed_without_what_others_put_beside_it(tmp_path: Path) -> None:
    lab.write_inventory(HOSTS, tmp_path / "lab", {})
    (tmp_path / "lab/host_vars").mkdir()
    remove_inventory(tmp_path / "lab")
    assert [path.name for path in (tmp_path / "lab").iterdir()] == ["host_vars"]


def test_one_command_at_a_time_works_on_a_lab(tmp_path: Path) -> None:
    with (
        hold(tmp_path / "lab", wait=False),
        pytest.raises(Locked, match="another lab"),
        hold(tmp_path / "lab", wait=False),
    ):
        pytest.fail("two held it")
