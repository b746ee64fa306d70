"""A machine without a single lab object on it, whoever runs these tests and wherever."""

from collections.abc import Callable
from pathlib import Path

import pytest

import lab
from lab import checks, machine, mounts, network, shared


@pytest.fixture(autouse=True)
def sysctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The two kernel limits as files of their own, low as on a fresh machine."""
    proc = tmp_path / "proc"
    for name, value in (("fs/inotify/max_user_instances", 128), ("kernel/keys/maxkeys", 200)):
        (proc / name).parent.mkdir(parents=True)
        (proc / name).write_text(f"{value}\n")
    monkeypatch.setattr(shared, "_PROC", proc)
    return proc


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a lab is there: no object, no mount, no record; and we may do everything."""
    monkeypatch.setattr(shared, "_HOME", tmp_path / "run")
    monkeypatch.setattr(shared, "_DIRECTORIES", ())
    monkeypatch.setattr(network, "_LINKS", tmp_path / "links")
    monkeypatch.setattr(network, "_NAMESPACES", tmp_path / "namespaces")
    monkeypatch.setattr(machine, "_hierarchies", lambda: ())
    monkeypatch.setattr(mounts, "_table", list)
    monkeypatch.setattr(checks, "require_root", lambda: None)


@pytest.fixture
def place(tmp_path: Path) -> Callable[[str], lab.Lab]:
    """A lab whose directories have a name."""
    return lambda name: lab.Lab(state=tmp_path / name, cache=tmp_path / "cache")
