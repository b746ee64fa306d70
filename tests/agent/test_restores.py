"""The way back of files: byte for byte, with owner, mode, time, links and empty folders; absence included.

A backup that is not as it was taken refuses: every damage is found, and nothing at all is restored from it.
"""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cutover.agent import durable
from cutover.agent.modules import units
from cutover.agent.work import State
from tests.agent.doing import do, look

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
RUN = "20260102T030405Z-abc123"


def everything(root: Path) -> dict[str, Any]:
    """All that can be seen of a tree: type, mode, owner, time, content or target."""
    found = {}
    for path in sorted((root, *root.rglob("*"))):
        seen = path.lstat()
        what: object = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(root))] = (oct(seen.st_mode), seen.st_uid, seen.st_gid, seen.st_mtime_ns, what)
    return found


@pytest.fixture
def live(tmp_path: Path) -> Path:
    root = tmp_path / "live"
    metrics = root / "data/metrics"
    (metrics / "deep/er").mkdir(parents=True)
    (metrics / "empty/emptier").mkdir(parents=True)
    (root / "etc").mkdir()
    (root / "etc/pipeline.yml").write_bytes(b"v1: \xe9\n")
    (metrics / "a.json").write_bytes(b"1")
    (metrics / "deep/er/b.bin").write_bytes(bytes(range(256)))
    (metrics / "newest").symlink_to("a.json")
    (metrics / "dangling").symlink_to("/nowhere")
    (root / "v1").mkdir()
    (root / "v1/app").write_text("v1")
    (root / "current").symlink_to(root / "v1")
    rnd = random.Random(7)  # noqa: S311 - owners and modes that differ, no secrets
    for path in sorted((metrics, *metrics.rglob("*"), root / "etc/pipeline.yml"), reverse=True):
        os.lchown(path, rnd.randrange(1000, 2000), rnd.randrange(1000, 2000))
        if not path.is_symlink():
            path.chmod(rnd.choice([0o700, 0o750, 0o2755] if path.is_dir() else [0o600, 0o640, 0o4755]))
        os.utime(path, ns=(10**18, 10**18 + rnd.randrange(10**9)), follow_symlinks=False)
    return root


def entries_of(live: Path) -> list[dict[str, str]]:
    """What is backed up and restored."""
    return [
        {"name": "config", "kind": "file", "source": str(live / "etc/pipeline.yml"), "as": "pipeline.yml"},
        {"name": "unit", "kind": "file", "source": str(live / "etc/v2.service"), "as": "units/v2.service"},
        {"name": "release", "kind": "link", "source": str(live / "current")},
        {"name": "metrics", "kind": "tree", "source": str(live / "data/metrics"), "as": "metrics_backup"},
        {"name": "drop-ins", "kind": "tree", "source": str(live / "etc/v1.d"), "as": "units/v1.d"},
    ]


@pytest.fixture
def snapshot(tmp_path: Path, live: Path) -> Path:
    place = tmp_path / "rollback" / RUN
    args = {"directory": str(place), "run": RUN, "entries": entries_of(live), "reuse": None}
    assert do("snapshot", args, {"exists": True, "verified": True})["ok"]
    return place


def restore(
    snapshot: Path, *, entries: list[Any] | None = None, run: str = RUN, once: bool = False, **more: Any
) -> State:
    live = next(path for path in snapshot.parents if (path / "live").is_dir()) / "live"
    known = {one["name"]: one for one in entries_of(live)}
    planned = [known.get(one, one) if isinstance(one, str) else one for one in entries or known]
    args = {"directory": str(snapshot), "run": run, "entries": planned, "once": once, "unless": "/nowhere/*"}
    return do("restore", args | more, {"identical": True})


def v2_was_here(live: Path) -> None:
    """What a cutover changes, and more."""
    (live / "etc/pipeline.yml").write_text("v2\n")
    (live / "etc/v2.service").write_text("[Service]\n")
    (live / "etc/v1.d").mkdir()
    (live / "etc/v1.d/override.conf").write_text("[Service]\n")
    (live / "current").unlink()
    (live / "current").symlink_to("/opt/v2")
    metrics = live / "data/metrics"
    (metrics / "a.json").write_bytes(b"2")
    (metrics / "v2.json").write_bytes(b"x")
    (metrics / "deep/er/b.bin").unlink()
    (metrics / "empty/emptier").rmdir()
    (metrics / "deep").chmod(0o777)
    (metrics / "newest").unlink()
    (metrics / "newest").symlink_to("v2.json")


def test_everything_comes_back_as_it_was(live: Path, snapshot: Path) -> None:
    before = [everything(live / name) for name in ("data/metrics", "etc/pipeline.yml", "current")]
    v2_was_here(live)
    outcome = restore(snapshot)
    assert outcome["ok"], outcome
    assert [everything(live / name) for name in ("data/metrics", "etc/pipeline.yml", "current")] == before
    assert sorted(path.name for path in (live / "etc").iterdir()) == ["pipeline.yml"]  # what was absent is absent again


def test_no_scratch_is_left_and_one_of_a_crash_does_no_harm(live: Path, snapshot: Path) -> None:
    v2_was_here(live)
    for name in (".metrics.cutover-new", ".metrics.cutover-old"):
        (live / "data" / name / "half").mkdir(parents=True)
    assert restore(snapshot)["ok"]
    assert [path.name for path in (live / "data").iterdir()] == ["metrics"]


@pytest.mark.parametrize("what", ["restore", "exchange", "rehearse"])
def test_a_disk_that_fills_up_is_left_as_it_was(
    live: Path, snapshot: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    v2_was_here(live)
    before, rename = everything(live / "data/metrics"), os.rename

    def full(path: Path | str, *_target: object, **folders: int) -> None:
        if not folders or str(path).endswith(".cutover-new"):
            raise OSError(28, "No space left on device")
        rename(path, *_target, **folders)  # type: ignore[arg-type]

    monkeypatch.setattr(*((os, "rename", full) if what == "exchange" else (durable, "sync_filesystem", full)))
    outcome = rehearse(snapshot) if what == "rehearse" else restore(snapshot, entries=["metrics"])
    assert (outcome["ok"], "No space left" in outcome["error"]) == (False, True)
    assert everything(live / "data/metrics") == before
    assert [path.name for path in (*snapshot.parent.iterdir(), *(live / "data").iterdir())] == [RUN, "metrics"]


def test_a_crash_between_the_two_renames_is_finished(live: Path, snapshot: Path) -> None:
    before = everything(live / "data/metrics")
    (live / "data/metrics").rename(live / "data/.metrics.cutover-old")
    assert restore(snapshot)["ok"]
    assert everything(live / "data/metrics") == before


@pytest.mark.parametrize("what", ["file", "dangling link", "nothing"])
def test_a_tree_comes_back_whatever_stands_in_its_place(live: Path, snapshot: Path, what: str) -> None:
    before = everything(live / "data/metrics")
    (live / "data/metrics").rename(live / "aside")
    if what == "file":
        (live / "data/metrics").write_text("x")
    elif what == "dangling link":
        (live / "data/metrics").symlink_to("/nowhere")
    else:
        (live / "data").rmdir()
    assert restore(snapshot)["ok"]
    assert everything(live / "data/metrics") == before


def test_what_is_as_it_was_is_not_touched(live: Path, snapshot: Path) -> None:
    (live / "current").unlink()
    inode = (live / "etc/pipeline.yml").stat().st_ino
    assert restore(snapshot)["ok"]
    assert (live / "etc/pipeline.yml").stat().st_ino == inode
    assert restore(snapshot)["changed"] is False


def _relink(link: Path, target: str) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty folder": lambda metrics: (metrics / "empty/emptier").rmdir(),
    "mode": lambda metrics: (metrics / "a.json").chmod(0o666),
    "owner": lambda metrics: os.chown(metrics / "a.json", 0, 0),
    "content": lambda metrics: (metrics / "a.json").write_bytes(b"3"),
    "link": lambda metrics: _relink(metrics / "dangling", "/elsewhere"),
    "extra": lambda metrics: _relink(metrics / "deep/extra", "/tmp"),
    "folder mode": lambda metrics: (metrics / "deep").chmod(0o711),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_difference_alone_is_seen_and_put_right(live: Path, snapshot: Path, damage: str) -> None:
    metrics, before = live / "data/metrics", everything(live / "data/metrics")
    DAMAGES[damage](metrics)
    outcome = restore(snapshot, entries=["metrics"])
    assert (outcome["changed"], len(outcome["before"]["differs"]), outcome["ok"]) == (True, 1, True)
    assert everything(metrics) == before


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"run": "another-run"}, "belongs to run"),
        ({}, "snapshot"),
        ({"entries": [{"name": "secrets", "kind": "file", "source": "/etc/shadow"}]}, "has no entry secrets"),
        (
            {"entries": [{"name": "metrics", "kind": "tree", "source": "/etc", "as": "metrics_backup"}]},
            "planned '/etc'",
        ),
    ],
)
def test_nothing_is_restored_from_what_is_not_meant(
    live: Path, snapshot: Path, change: dict[str, Any], found: str, once: bool
) -> None:
    v2_was_here(live)
    now = everything(live)
    if not change:
        (snapshot / "manifest.json").unlink()
    outcome = restore(snapshot, once=once, **{"run": RUN, **change})
    assert (outcome["ok"], found in outcome["error"]) == (False, True), outcome
    assert outcome["error"]
    assert everything(live) == now


class TestOnce:
    """Metrics: V1 has written since it came back, so they are restored once."""

    def test_only_what_was_never_taken_has_nothing_to_restore(self, live: Path, snapshot: Path, tmp_path: Path) -> None:
        batches = tmp_path / "state/runs" / RUN / "batches"
        (batches / "shutdown-1.1").mkdir(parents=True)
        unless = f"{batches}/activation-*"
        lost, now = snapshot / "final", everything(live)
        outcome = restore(lost, entries=["metrics"], once=True, unless=unless)
        assert (outcome["ok"], outcome["changed"]) == (True, False)
        (batches / "activation-1.1").mkdir()
        outcome = restore(lost, entries=["metrics"], once=True, unless=unless)
        assert (outcome["ok"], outcome["changed"]) == (False, False)
        assert "was taken before activation-1.1 was begun" in outcome["error"]
        assert everything(live) == now

    def test_nothing_is_restored_under_a_running_v1(
        self, live: Path, snapshot: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        v2_was_here(live)
        now, state = everything(live), {"ActiveState": "active"}
        monkeypatch.setattr(units, "show", lambda *_: state)
        outcome = restore(snapshot, entries=["metrics"], once=True, not_while="v1")
        assert (outcome["ok"], "has written since" in outcome["error"], everything(live) == now) == (False, True, True)
        assert outcome["left"] is True  # no later try can do it either
        state["ActiveState"] = "inactive"
        assert restore(snapshot, entries=["metrics"], once=True, not_while="v1")["ok"] is True

    @pytest.mark.parametrize("v2_wrote", [True, False])
    def test_a_second_time_leaves_what_v1_has_written_since(self, live: Path, snapshot: Path, v2_wrote: bool) -> None:
        if v2_wrote:
            v2_was_here(live)
        assert restore(snapshot, entries=["metrics"], once=True)["ok"]
        (live / "data/metrics/v1-again.json").write_text("new")
        outcome = restore(snapshot, entries=["metrics"], once=True)
        assert (outcome["ok"], outcome["changed"]) == (True, False)
        assert (live / "data/metrics/v1-again.json").read_text() == "new"


def rehearse(snapshot: Path) -> State:
    return do("rehearsal", {"directory": str(snapshot), "run": RUN}, {"identical": True})


def test_a_rehearsal_proves_the_snapshot_and_touches_nothing(live: Path, snapshot: Path) -> None:
    now = everything(live)
    outcome = rehearse(snapshot)
    assert (outcome["ok"], outcome["after"]["entries"]) == (True, 5)
    assert everything(live) == now
    assert [path.name for path in snapshot.parent.iterdir()] == [RUN]


def test_a_rehearsal_tells_what_changed_on_the_host_meanwhile_but_trees_live_on(live: Path, snapshot: Path) -> None:
    (live / "data/metrics/more.json").write_text("x")
    assert rehearse(snapshot)["ok"]
    (live / "etc/pipeline.yml").write_text("edited")
    outcome = rehearse(snapshot)
    assert outcome["ok"] is False
    assert [line.split(":")[0] for line in outcome["after"]["differs"]] == ["live"]


# A backup that is not as it was taken.

FILE = "metrics_backup/deep/er/b.bin"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)


def rewrite(what: str, value: object) -> Callable[[Path], None]:
    """The manifest says something else of a file than it did."""

    def damage(path: Path) -> None:
        said: dict[str, Any] = json.loads(path.read_text())
        said["entries"]["metrics"]["files"]["a.json"][what] = value
        path.write_text(json.dumps(said))

    return damage


# What is done to which file of the backup, and what is found.
DAMAGES_OF_A_BACKUP: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a flipped bit": (FILE, flip, "content changed"),
    "truncated": (FILE, lambda path: os.truncate(path, 255), "content changed"),
    "of another run": (FILE, lambda path: path.write_bytes(b"of another run"), "content changed"),
    "lost": (FILE, lambda path: path.unlink(), "missing"),
    "a link": (FILE, lambda path: _relink(path, "/etc/hostname"), "type changed"),
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
@pytest.mark.parametrize("damage", DAMAGES_OF_A_BACKUP)
def test_every_damage_is_named_and_nothing_is_restored_not_even_what_is_whole(
    live: Path, open_snapshot: Path, damage: str, once: bool
) -> None:
    v2_was_here(live)
    now = everything(live)
    assert look("snapshot", directory=str(open_snapshot))["verified"] is True
    name, act, found = DAMAGES_OF_A_BACKUP[damage]
    act(open_snapshot / name)
    said = f"{open_snapshot / name}: {found}"
    seen = look("snapshot", directory=str(open_snapshot))
    assert (seen["verified"], seen["wrong"]) == (False, [said])
    outcome = restore(open_snapshot, entries=["config", "metrics"], once=once)
    assert outcome["ok"] is False
    assert said in outcome["error"]
    assert everything(live) == now
    assert rehearse(open_snapshot)["ok"] is False
