"""A backup that is not as it was taken refuses: every damage is found, and nothing at all is restored from it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cutover.agent.modules import MODULES
from cutover.agent.work import State, Work, look_at
from tests.agent.test_restores import RUN, everything, live, restore, snapshot, v2_was_here

__all__ = ["live", "snapshot"]
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
FILE = "metrics_backup/deep/er/b.bin"


def look(place: Path) -> State:
    return look_at(MODULES, {"id": "s", "kind": "snapshot", "args": {"directory": str(place)}}, Work())


def flip(place: Path) -> str:
    content = bytearray((place / FILE).read_bytes())
    content[100] ^= 1
    (place / FILE).write_bytes(content)
    return f"{place / FILE}: content changed"


def truncate(place: Path) -> str:
    os.truncate(place / FILE, 255)
    return f"{place / FILE}: content changed"


def lose(place: Path) -> str:
    (place / FILE).unlink()
    return f"{place / FILE}: missing"


def link(place: Path) -> str:
    lose(place)
    (place / FILE).symlink_to("/etc/hostname")
    return f"{place / FILE}: type changed"


def add(place: Path) -> str:
    (place / "metrics_backup/extra.json").write_text("x")
    return f"{place}/metrics_backup/extra.json: unexpected"


def add_link(place: Path) -> str:
    (place / "extra").symlink_to("/tmp")
    return f"{place}/extra: unexpected"


def hide(place: Path) -> str:
    (place / ".hidden").write_text("x")
    return f"{place}/.hidden: unexpected"


def exchange(place: Path) -> str:
    """A file of another run, which had the same name there."""
    other = place.with_name("20250101T000000Z-000000")
    shutil.copytree(place, other, symlinks=True)
    (other / FILE).write_bytes(b"of another run")
    shutil.copy2(other / FILE, place / FILE)
    return f"{place / FILE}: content changed"


def say_otherwise(what: str, value: object) -> Callable[[Path], str]:
    """The manifest says something else of a file than it did."""

    def damage(place: Path) -> str:
        said: dict[str, Any] = json.loads((place / "manifest.json").read_text())
        said["entries"]["metrics"]["files"]["a.json"][what] = value
        (place / "manifest.json").write_text(json.dumps(said))
        return f"{place}/manifest.json: changed"

    damage.__name__ = f"manifest_{what}"
    return damage


FINDABLE: list[Callable[[Path], str]] = [flip, truncate, lose, link, add, add_link, hide, exchange]
FINDABLE += [say_otherwise("mode", "0777"), say_otherwise("uid", 7), say_otherwise("mtime_ns", 7)]


@pytest.fixture
def open_snapshot(snapshot: Path) -> Path:
    """One that somebody has made writable."""
    for path in (snapshot, *snapshot.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o200)
    return snapshot


@pytest.mark.parametrize("damage", FINDABLE)
def test_every_damage_is_found_and_named(open_snapshot: Path, damage: Callable[[Path], str]) -> None:
    assert look(open_snapshot)["verified"] is True
    said = damage(open_snapshot)
    assert (look(open_snapshot)["verified"], look(open_snapshot)["wrong"]) == (False, [said])


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("damage", FINDABLE)
def test_nothing_is_restored_from_it_not_even_what_is_whole(
    live: Path,
    open_snapshot: Path,
    damage: Callable[[Path], str],
    once: bool,
) -> None:
    v2_was_here(live)
    now = everything(live)
    said = damage(open_snapshot)
    outcome = restore(open_snapshot, entries=["config", "metrics"], once=once)
    assert outcome["ok"] is False
    assert said in outcome["error"]
    assert everything(live) == now


def test_the_backup_of_another_run_is_not_this_runs(live: Path, open_snapshot: Path) -> None:
    v2_was_here(live)
    now = everything(live)
    other = open_snapshot.with_name("20250101T000000Z-000000")
    open_snapshot.rename(other)
    outcome = restore(other, run="20250101T000000Z-000000")
    assert outcome["ok"] is False
    assert f"belongs to run {RUN}" in outcome["error"]
    assert everything(live) == now
