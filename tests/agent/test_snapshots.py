"""Snapshots: whole or not there, read-only, of one run, and every damage to one is found."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from cutover.agent import durable, paths
from cutover.agent.modules import units
from cutover.agent.work import State
from tests.agent import doing

RUN = "20260102T030405Z-abc123"


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """What stands on the host: a config, a link, metrics with folders, links and an empty folder."""
    root = tmp_path / "live"
    (root / "metrics/deep/er").mkdir(parents=True)
    (root / "metrics/empty").mkdir()
    (root / "pipeline.yml").write_text("v1\n")
    (root / "pipeline.yml").chmod(0o640)
    (root / "metrics/a.json").write_text("1")
    (root / "metrics/deep/er/b.json").write_text("2")
    (root / "metrics/newest").symlink_to("a.json")
    (root / "current").symlink_to("/opt/v1")
    return root


def entries(live: Path) -> list[dict[str, Any]]:
    return [
        {"name": "config", "kind": "file", "source": str(live / "pipeline.yml"), "as": "pipeline_backup.yml"},
        {"name": "release", "kind": "link", "source": str(live / "current")},
        {"name": "v2-unit", "kind": "file", "source": str(live / "v2.service"), "as": "units/v2.service"},
        {"name": "drop-ins", "kind": "tree", "source": str(live / "v1.d"), "as": "units/v1.d"},
        {"name": "metrics", "kind": "tree", "source": str(live / "metrics"), "as": "metrics_backup"},
        {"name": "status", "kind": "output", "argv": ["echo", "active"], "as": "status.log"},
    ]


def take(place: Path, live: Path, *, run: str = RUN, reuse: Path | None = None, only: str = "") -> State:
    wanted = [entry for entry in entries(live) if not only or entry["name"] == only]
    args = {"directory": str(place), "run": run, "entries": wanted, "reuse": str(reuse) if reuse else None}
    return doing.do("snapshot", args, {"exists": True, "run": run, "verified": True, "read_only": True})


def look(place: Path) -> State:
    return doing.look("snapshot", directory=str(place))


def manifest(place: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((place / "manifest.json").read_text())
    return document


def test_it_holds_everything_and_is_read_only(tmp_path: Path, live: Path) -> None:
    place = tmp_path / "rollback" / RUN
    outcome = take(place, live)
    assert outcome["ok"], outcome
    assert not any(path.lstat().st_mode & 0o222 for path in (place, *place.rglob("*")) if not path.is_symlink())
    assert (place / "pipeline_backup.yml").read_text() == "v1\n"
    assert (place / "pipeline_backup.yml").stat().st_mode & 0o777 == 0o440  # as it was, for who restores by hand
    assert (place / "metrics_backup/deep/er/b.json").read_text() == "2"
    assert str((place / "metrics_backup/newest").readlink()) == "a.json"
    assert (place / "metrics_backup/empty").is_dir()
    assert "active" in (place / "status.log").read_text()
    recorded = manifest(place)["entries"]
    assert recorded["release"]["files"][""]["link"] == "/opt/v1"
    # Absence is recorded, too.
    assert [recorded[name]["files"] for name in ("v2-unit", "drop-ins")] == [{}] * 2


def test_a_tree_with_a_manifest_or_hidden_folders_of_its_own_is_copied_whole(tmp_path: Path, live: Path) -> None:
    (live / "metrics/run-1").mkdir()
    (live / "metrics/run-1/manifest.json").write_text("{}")
    (live / "metrics/manifest.json").write_text("{}")
    (live / "metrics/.hidden").mkdir()
    (live / "metrics/.hidden/x").write_text("x")
    outcome = take(tmp_path / "s", live)
    assert outcome["ok"], outcome
    kept = manifest(tmp_path / "s")["entries"]["metrics"]["files"]
    assert {"run-1/manifest.json", "manifest.json", ".hidden/x"} <= set(kept)


def test_it_is_never_overwritten(tmp_path: Path, live: Path) -> None:
    take(tmp_path / "s", live)
    (live / "pipeline.yml").write_text("v2\n")
    assert take(tmp_path / "s", live)["changed"] is False  # it is there, verified: nothing is to be done
    outcome = take(tmp_path / "s", live, run="another-run")
    assert (outcome["ok"], "never overwritten" in outcome["error"]) == (False, True)
    assert (tmp_path / "s/pipeline_backup.yml").read_text() == "v1\n"
    (tmp_path / "t").mkdir()
    (tmp_path / "t/precious").write_text("x")  # nor is a folder that is no snapshot
    assert take(tmp_path / "t", live)["ok"] is False
    assert (tmp_path / "t/precious").read_text() == "x"


@pytest.mark.parametrize(("final", "ok"), [(True, False), (False, True)])
def test_what_v2_wrote_is_not_kept_once_v1_writes_again(
    tmp_path: Path, live: Path, monkeypatch: pytest.MonkeyPatch, final: bool, ok: bool
) -> None:
    monkeypatch.setattr(units, "show", lambda *_: {"ActiveState": "active"})
    if final:
        take(tmp_path / "final", live)
    args = {"directory": str(tmp_path / "kept"), "run": RUN, "entries": [], "reuse": str(tmp_path / "final")}
    assert doing.do("snapshot", {**args, "not_while": "v1"}, {"exists": True})["ok"] is ok
    assert (tmp_path / "kept").exists() is ok


def test_a_manifest_that_cannot_be_read_is_an_error_and_not_an_absence(tmp_path: Path, live: Path) -> None:
    take(tmp_path / "s", live)
    text = (tmp_path / "s/manifest.json").read_text()
    (tmp_path / "s/manifest.json").chmod(0o600)
    (tmp_path / "s/manifest.json").write_text(text[: len(text) // 2])
    assert list(look(tmp_path / "s")) == ["error"]
    assert take(tmp_path / "s", live)["changed"] is False


def test_one_that_can_be_written_is_seen_to_be(tmp_path: Path, live: Path) -> None:
    take(tmp_path / "s", live)
    for path in (tmp_path / "s", tmp_path / "s/metrics_backup/a.json"):
        path.chmod(path.stat().st_mode | 0o200)
        assert look(tmp_path / "s")["read_only"] is False
        path.chmod(path.stat().st_mode & 0o555)
    assert look(tmp_path / "s")["read_only"] is True


def test_other_snapshots_of_the_run_may_lie_in_it(tmp_path: Path, live: Path) -> None:
    take(tmp_path / "s", live)
    assert take(tmp_path / "s/final", live, only="metrics")["ok"]
    (tmp_path / "s/.new_kept.cutover-new").mkdir()
    assert look(tmp_path / "s")["verified"] is True
    (tmp_path / "s/final/metrics_backup/a.json").chmod(0o600)
    (tmp_path / "s/final/metrics_backup/a.json").write_text("9")
    assert (look(tmp_path / "s")["verified"], look(tmp_path / "s/final")["verified"]) == (True, False)


def test_a_link_where_a_file_should_be_is_refused_and_nothing_is_left(tmp_path: Path, live: Path) -> None:
    (live / "pipeline.yml").unlink()
    (live / "pipeline.yml").symlink_to("/etc/hostname")
    outcome = take(tmp_path / "s", live)
    assert (outcome["ok"], "is not a file" in outcome["error"]) == (False, True)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("victim", ["a.json", "deep/er/b.json", "deep", "newest"])
def test_what_vanishes_while_it_is_copied_is_left_out(
    tmp_path: Path, live: Path, victim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = paths.tree

    def and_then_it_goes(root: Path, left_out: list[str] | None = None) -> dict[str, os.stat_result]:
        found = listed(root, left_out)
        path = live / "metrics" / victim
        if root == live / "metrics":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        return found

    monkeypatch.setattr(paths, "tree", and_then_it_goes)
    outcome = take(tmp_path / "s", live)
    assert outcome["ok"], outcome
    files = manifest(tmp_path / "s")["entries"]["metrics"]["files"]
    copied = [name for name, item in files.items() if "sha256" in item or "link" in item]
    assert copied
    assert not [name for name in copied if name.startswith(victim)]


class TestReuse:
    """Unchanged files of an earlier snapshot are linked, since the outage is running."""

    def linked(self, tmp_path: Path, name: str) -> bool:
        first, second = (tmp_path / each / "metrics_backup" / name for each in ("s", "s/final"))
        return first.stat().st_ino == second.stat().st_ino

    def test_only_what_has_not_changed_is_linked(self, tmp_path: Path, live: Path) -> None:
        take(tmp_path / "s", live)
        (live / "metrics/a.json").write_text("changed")
        assert take(tmp_path / "s/final", live, reuse=tmp_path / "s", only="metrics")["ok"]
        assert (self.linked(tmp_path, "a.json"), self.linked(tmp_path, "deep/er/b.json")) == (False, True)
        assert (tmp_path / "s/final/metrics_backup/a.json").read_text() == "changed"

    @pytest.mark.parametrize(
        "how", ["time", "mode", "same size", "same size and time", "another file of the same size and time"]
    )
    def test_any_change_is_noticed(self, tmp_path: Path, live: Path, how: str) -> None:
        path = live / "metrics/a.json"
        os.utime(path, ns=(10**18, 10**18))
        take(tmp_path / "s", live)
        if how == "time":
            os.utime(path, ns=(10**18, 10**18 + 1))
        elif how == "mode":
            path.chmod(0o600)
        elif how.startswith("another file"):
            (live / "other").write_text("7")
            (live / "other").replace(path)
        else:
            path.write_text("7")
        if how.endswith("and time"):
            os.utime(path, ns=(10**18, 10**18))
        take(tmp_path / "s/final", live, reuse=tmp_path / "s", only="metrics")
        assert self.linked(tmp_path, "a.json") is False
        kept = manifest(tmp_path / "s/final")["entries"]["metrics"]["files"]["a.json"]
        assert kept["mode"] == f"{path.stat().st_mode & 0o7777:04o}"

    def test_a_damaged_earlier_copy_does_not_pass_for_a_good_one(self, tmp_path: Path, live: Path) -> None:
        take(tmp_path / "s", live)
        kept = tmp_path / "s/metrics_backup/a.json"
        kept.chmod(0o600)
        kept.write_bytes(b"X")
        outcome = take(tmp_path / "s/final", live, reuse=tmp_path / "s", only="metrics")
        assert (outcome["ok"], outcome["after"]["verified"]) == (False, False)


def test_what_has_no_room_on_the_disk_is_not_copied_and_the_largest_is_named(tmp_path: Path, live: Path) -> None:
    """The service's user may make files of any size, which take no room themselves."""
    os.truncate(live / "metrics/a.json", 1 << 43)
    outcome = take(tmp_path / "s", live, only="metrics")
    assert not outcome["ok"]
    assert f"the largest: {live}/metrics/a.json, {1 << 43} bytes" in outcome["error"]
    assert not (tmp_path / "s").exists()


def test_of_a_file_that_grows_is_copied_what_was_there(tmp_path: Path, live: Path) -> None:
    file = live / "metrics/a.json"
    seen = file.stat()
    file.write_text("12345")
    assert durable.copy(file, seen, tmp_path / "copy")["size"] == 1
    assert (tmp_path / "copy").read_text() == "1"


def test_copying_ends_in_its_time(tmp_path: Path, live: Path) -> None:
    args = {"directory": str(tmp_path / "s"), "run": RUN, "entries": entries(live), "within_s": 0.0}
    outcome = doing.do("snapshot", args, {"exists": True})
    assert (outcome["ok"], (tmp_path / "s").exists()) == (False, False)
    assert "not copied in time" in outcome["error"]
