"""A backup that is not as it was taken refuses: every damage is found, and nothing at all is restored from it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agent.doing import look
from tests.agent.test_restores import RUN, everything, live, rehearse, restore, snapshot, v2_was_here

__all__ = ["live", "snapshot"]
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
FILE = "metrics_backup/deep/er/b.bin"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)


def relink(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


def rewrite(what: str, value: object) -> Callable[[Path], None]:
    """The manifest says something else of a file than it did."""

    def damage(path: Path) -> None:
        said: dict[str, Any] = json.loads(path.read_text())
        said["entries"]["metrics"]["files"]["a.json"][what] = value
        path.write_text(json.dumps(said))

    return damage


# What is done to which file of the backup, and what is found.
DAMAGES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a flipped bit": (FILE, flip, "content changed"),
    "truncated": (FILE, lambda path: os.truncate(path, 255), "content changed"),
    "of another run": (FILE, lambda path: path.write_bytes(b"of another run"), "content changed"),
    "lost": (FILE, lambda path: path.unlink(), "missing"),
    "a link": (FILE, relink, "type changed"),
    "added": ("metrics_backup/extra.json", lambda path: path.write_text("x"), "unexpected"),
    "an added link": ("extra", lambda path: path.symlink_to("/tmp"), "unexpected"),
    "hidden": (".hidden", lambda path: path.write_text("x"), "unexpected"),
    "another mode said": ("manifest.json", rewrite("mode", "0777"), "changed"),
    "another owner said": ("manifest.json", rewrite("uid", 7), "changed"),
    "another time said": ("manifest.json", rewrite("mtime_ns", 7), "changed"),
}


@pytest.fixture
def open_snapshot(snapshot: Path) -> Path:
    """One that somebody has made writable."""
    for path in (snapshot, *snapshot.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o200)
    return snapshot


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_named_and_nothing_is_restored_not_even_what_is_whole(
    live: Path, open_snapshot: Path, damage: str, once: bool
) -> None:
    v2_was_here(live)
    now = everything(live)
    assert look("snapshot", directory=str(open_snapshot))["verified"] is True
    name, act, found = DAMAGES[damage]
    act(open_snapshot / name)
    said = f"{open_snapshot / name}: {found}"
    seen = look("snapshot", directory=str(open_snapshot))
    assert (seen["verified"], seen["wrong"]) == (False, [said])
    outcome = restore(open_snapshot, entries=["config", "metrics"], once=once)
    assert outcome["ok"] is False
    assert said in outcome["error"]
    assert everything(live) == now
    assert rehearse(open_snapshot)["ok"] is False


def test_the_backup_of_another_run_is_not_this_runs(live: Path, open_snapshot: Path) -> None:
    v2_was_here(live)
    now = everything(live)
    other = open_snapshot.with_name("20250101T000000Z-000000")
    open_snapshot.rename(other)
    outcome = restore(other, run="20250101T000000Z-000000")
    assert outcome["ok"] is False
    assert f"belongs to run {RUN}" in outcome["error"]
    assert everything(live) == now
