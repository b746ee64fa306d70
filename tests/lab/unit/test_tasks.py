"""`lab.up` does not report success before V1 is in service (../test_lab_itself_service.py: it puts it there); and what serves is shown."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import lab
from cutover.cli.app import end
from cutover.console.ask import Ask
from cutover.core.errors import ExitCode
from cutover.inventory.targets import Options
from lab import service, tasks

V1, V2, BARE = ("active", "inactive", "active"), ("inactive", "active", "active"), ("inactive", "inactive", "inactive")
WITHOUT_TAPES, FAILED = ("active", "inactive", "inactive"), ("failed", "inactive", "active")


@dataclass
class FakeLab:
    """Hosts by the state of the three units on each; provisioning leaves nothing in service."""

    units: dict[str, tuple[str, ...]]
    provisioned: list[str] = field(default_factory=list)

    def up(self, _count: int, **_options: object) -> tuple[lab.LabHost, ...]:
        return tuple(lab.LabHost(name, "198.18.77.11", "deploy", Path("/k"), "key") for name in self.units)

    def status(self) -> tuple[lab.HostStatus, ...]:
        return tuple(
            lab.HostStatus(host, "running", "boot", cable=True, ssh=True, disk_free_mb=7, filled=False)
            for host in self.up(0)
        )

    def exec_in(self, name: str, argv: list[str], *, lab: object = None) -> Any:
        assert argv == ["systemctl", "is-active", service.V1, service.V2, service.TAPES]
        assert lab is None
        return SimpleNamespace(stdout="".join(f"{state}\n" for state in self.units[name]), stderr="", exit_code=3)

    def provision(self, options: Options, _run: str) -> None:
        self.provisioned.append(options.limit)
        self.units.update(dict.fromkeys(options.limit.split(","), BARE))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeLab:
    made = FakeLab({"lab1": V1, "lab2": BARE, "lab3": V2, "lab4": WITHOUT_TAPES, "lab5": FAILED})
    for name in ("up", "status", "exec_in"):
        monkeypatch.setattr(lab, name, getattr(made, name))
    monkeypatch.setattr(service, "choose", lambda options: options)
    monkeypatch.setattr(service, "provision", made.provision)
    return made


def test_up_provisions_what_is_unfinished_and_does_not_end_with_0_while_a_host_is_without_service(
    fake: FakeLab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end(Ask(tmp_path, "lab.up", json=True), lambda ask: tasks.make_and_show(ask, 5)) is ExitCode.REFUSED
    assert fake.provisioned == ["lab2,lab4,lab5"]
    errors = json.loads(capsys.readouterr().out)["errors"]
    assert [error["host"] for error in errors] == ["lab2", "lab4", "lab5"]
    assert errors[0]["found"] == "nothing in service, stream of tapes stopped"


def test_status_shows_what_serves_also_where_a_host_does_not_answer(
    fake: FakeLab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.units = {"lab1": V1, "lab2": BARE, "lab3": ("active", "active", "active"), "lab4": ()}
    assert end(Ask(tmp_path, "lab.status"), lambda ask: tasks.show(ask, *lab.status())) is ExitCode.DONE
    lines = capsys.readouterr().out.splitlines()
    serving = [line.split("running")[1].split(" in service")[0].strip() for line in lines]
    assert serving == ["V1", "nothing", "V1 and V2", "unknown"]
