"""lab/commands.py: `lab.up` does not say "up" before V1 is in service, whatever an earlier one left; and who serves is shown."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import lab
from cutover.core.errors import ExitCode
from cutover.inventory.targets import Options
from lab import commands, service

V1, V2, BARE = ("active", "inactive", "active"), ("inactive", "active", "active"), ("inactive", "inactive", "inactive")
WITHOUT_TAPES, FAILED = ("active", "inactive", "inactive"), ("failed", "inactive", "active")


@dataclass
class World:
    """Hosts by what systemd says of the three units on each; V1 comes up where it is put in service, unless told otherwise."""

    units: dict[str, tuple[str, ...]]
    provisioned: list[str] = field(default_factory=list)
    after: tuple[str, ...] = V1

    def up(self, _count: int, **_options: object) -> tuple[lab.Host, ...]:
        return tuple(lab.Host(name, "198.18.77.11", "deploy", Path("/k"), "key") for name in self.units)

    def status(self) -> tuple[lab.HostStatus, ...]:
        return tuple(
            lab.HostStatus(host, "running", "boot", cable=True, ssh=True, disk_free_mb=7, filled=False)
            for host in self.up(0)
        )

    def exec_in(self, name: str, argv: list[str], *, lab: object = None) -> Any:
        assert argv == ["systemctl", "is-active", *service.UNITS]
        assert lab is None
        return SimpleNamespace(stdout="".join(f"{state}\n" for state in self.units[name]), stderr="", exit_code=3)

    def provision(self, options: Options, _run: str) -> None:
        self.provisioned.append(options.limit)
        self.units.update(dict.fromkeys(options.limit.split(","), self.after))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World({"lab1": V1, "lab2": BARE, "lab3": V2, "lab4": WITHOUT_TAPES, "lab5": FAILED})
    for name in ("up", "status", "exec_in"):
        monkeypatch.setattr(lab, name, getattr(made, name))
    monkeypatch.setattr(service, "choose", lambda options: options)
    monkeypatch.setattr(service, "provision", made.provision)
    return made


def up(tmp_path: Path) -> ExitCode:
    return commands.Lab(tmp_path, "lab.up", json=True).up(5)


def test_up_puts_v1_in_service_wherever_that_was_not_finished_and_nowhere_else(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert up(tmp_path) is ExitCode.DONE
    assert world.provisioned == ["lab2,lab4,lab5"]
    hosts = json.loads(capsys.readouterr().out)["hosts"]
    assert {name: host["serving"] for name, host in hosts.items()} == {
        "lab1": "V1",
        "lab2": "V1",
        "lab3": "V2",
        "lab4": "V1",
        "lab5": "V1",
    }
    assert up(tmp_path) is ExitCode.DONE
    assert len(world.provisioned) == 1


def test_up_does_not_end_with_0_while_a_host_is_without_service(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.after = BARE
    assert up(tmp_path) is ExitCode.REFUSED
    errors = json.loads(capsys.readouterr().out)["errors"]
    assert [error["host"] for error in errors] == ["lab2", "lab4", "lab5"]
    assert errors[0]["found"] == "nothing in service, no tapes are delivered"


def test_status_says_which_version_serves_also_where_it_cannot_be_asked(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.units = {"lab1": V1, "lab2": BARE, "lab3": ("active", "active", "active"), "lab4": ()}
    assert commands.Lab(tmp_path, "lab.status").status() is ExitCode.DONE
    told = capsys.readouterr().out.splitlines()
    assert [line.split("running")[1].split(" in service")[0].strip() for line in told] == [
        "V1",
        "nothing",
        "V1 and V2",
        "unknown",
    ]
