"""A machine without a single lab object on it, whoever runs these tests and wherever."""

from collections.abc import Callable
from pathlib import Path

import pytest

import lab
from lab import network, ownership, preflight, system

Mounted = Callable[..., None]


@pytest.fixture(autouse=True)
def sysctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The two kernel limits as files of their own, low as on a fresh machine."""
    proc = tmp_path / "proc"
    for name, value in (("fs/inotify/max_user_instances", 128), ("kernel/keys/maxkeys", 200)):
        (proc / name).parent.mkdir(parents=True)
        (proc / name).write_text(f"{value}\n")
    monkeypatch.setattr(ownership, "_PROC", proc)
    return proc


@pytest.fixture(autouse=True)
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mounted:
    """Nothing of a lab exists: no object, no mount, no record; and we are root. Gives what mounts something in the table."""
    monkeypatch.setattr(ownership, "_HOME", tmp_path / "run")
    monkeypatch.setattr(ownership, "_DIRECTORIES", ())
    monkeypatch.setattr(network, "_LINKS", tmp_path / "links")
    monkeypatch.setattr(network, "_NAMESPACES", tmp_path / "namespaces")
    monkeypatch.setattr(preflight, "require_root", lambda: None)
    table = tmp_path / "mountinfo"
    monkeypatch.setattr(system, "_MOUNTINFO", table)
    table.write_text("1 0 0:1 / / rw - ext4 disk rw\n")

    def mount(place: str | Path, kind: str = "tmpfs", options: str = "rw") -> None:
        with table.open("a") as lines:
            lines.write(f"2 1 0:2 / {place} rw - {kind} none {options}\n")

    return mount


@pytest.fixture
def place(tmp_path: Path) -> Callable[[str], lab.Lab]:
    """A lab whose directories have a name."""
    return lambda name: lab.Lab(state=tmp_path / name, cache=tmp_path / "cache")
