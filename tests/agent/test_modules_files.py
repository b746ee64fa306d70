"""Files, directories and links: seen as they are, put into place whole."""

import grp
import hashlib
import os
import pwd
import socket
from pathlib import Path
from typing import Any

import pytest

from cutover.agent.durable import write_atomically
from cutover.agent.work import State, Work
from tests.agent import doing
from tests.full_disk import full

TEXT = b"kpi: {}\n"
DIGEST = hashlib.sha256(TEXT).hexdigest()
OURS = {"owner": pwd.getpwuid(os.geteuid()).pw_name, "group": grp.getgrgid(os.getegid()).gr_name, "mode": "0644"}


def do(kind: str, path: Path, **desired: Any) -> State:
    """The outcome of a step for whoever runs the tests; a file has the content that travels with it."""
    wanted = {"type": kind, **({"target": "/opt/v2"} if kind == "link" else OURS), **desired}
    if kind == "file":
        wanted = {"sha256": DIGEST, **wanted}
    return doing.do(kind, {"path": str(path)}, wanted, work=Work(files={DIGEST: TEXT}))


def look(kind: str, path: Path) -> State:
    return doing.look(kind, path=str(path))


def test_a_file_gets_content_and_mode_and_a_second_time_nothing_is_done(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yml"
    assert do("file", path, mode="0640")["ok"]
    assert (path.read_bytes(), path.stat().st_mode & 0o7777) == (TEXT, 0o640)
    before = path.stat()
    assert do("file", path, mode="0640")["changed"] is False
    assert path.stat().st_ino == before.st_ino


@pytest.mark.parametrize("mode", ["0600", "4755", "0444"])
def test_a_wrong_mode_alone_is_put_right(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(TEXT)
    path.chmod(0o777)
    assert do("file", path, mode=mode)["ok"]
    assert f"{path.stat().st_mode & 0o7777:04o}" == mode


def test_a_file_replaces_what_stood_there_by_one_rename_and_readers_keep_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        assert do("file", path)["ok"]
        assert reader.read() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["f"]


def test_a_link_or_directory_in_the_place_of_a_file_is_left_alone(tmp_path: Path) -> None:
    target, link, folder = tmp_path / "target", tmp_path / "link", tmp_path / "folder"
    target.write_bytes(b"precious")
    link.symlink_to(target)
    folder.mkdir()
    for path in (link, folder):
        outcome = do("file", path)
        assert (outcome["ok"], "not a file" in outcome["error"]) == (False, True)
    assert do("link", folder)["ok"] is False
    assert (target.read_bytes(), link.is_symlink(), folder.is_dir()) == (b"precious", True, True)


@pytest.mark.parametrize(
    ("name", "desired"),
    [
        ("f", {"sha256": "0" * 64}),  # content that did not travel
        ("none/f", {}),
        ("f", {"owner": "nobody-of-that-name"}),
    ],
)
def test_what_cannot_be_written_as_it_must_be_is_not_written(
    tmp_path: Path, name: str, desired: dict[str, Any]
) -> None:
    outcome = do("file", tmp_path / name, **desired)
    assert (outcome["ok"], list(tmp_path.iterdir())) == (False, [])
    assert desired.get("owner", "") in outcome["error"]


def test_a_write_that_breaks_leaves_the_old_file_and_no_scratch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, TEXT)
    assert (path.read_bytes(), len(list(tmp_path.iterdir()))) == (b"old", 1)


def test_what_is_not_there_is_absent(tmp_path: Path) -> None:
    (tmp_path / "a-file").write_bytes(b"")
    for path in (tmp_path / "none", tmp_path / "a-file" / "below-a-file"):
        assert look("file", path) == {"exists": False, "type": "absent"}


def test_types_are_reported_apart_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("/nowhere")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    found = {name: look("file", tmp_path / name) for name in ("dangling", "socket", "")}
    assert {name: seen["type"] for name, seen in found.items()} == {
        "dangling": "link", "socket": "special file", "": "directory",
    }  # fmt: skip
    assert found["dangling"]["target"] == "/nowhere"


def test_a_directory_is_made_with_its_parents_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    assert do("directory", path, mode="0700")["ok"]
    assert path.stat().st_mode & 0o7777 == 0o700


def test_a_link_is_switched_atomically_also_over_a_leftover(tmp_path: Path) -> None:
    link = tmp_path / "current"
    (tmp_path / ".current.cutover-new").symlink_to("left by a crash")
    for target in ("/opt/v1", "/opt/v2"):
        assert do("link", link, target=target)["ok"]
        assert str(link.readlink()) == target
    assert [each.name for each in tmp_path.iterdir()] == ["current"]
    (tmp_path / ".current.cutover-new").symlink_to("left by a crash")
    assert do("link", link, target="/opt/v2")["changed"] is False
    assert [each.name for each in tmp_path.iterdir()] == ["current"]  # also where there is nothing to switch any more


def test_text_is_read_for_the_diff_whatever_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"caf\xe9\n" + b"x" * 60_000)
    seen = look("text", tmp_path / "f")
    assert (seen["exists"], seen["text"][:8], len(seen["text"])) == (True, "caf\\xe9\n", 60_008)
    assert look("text", tmp_path / "none") == {"exists": False, "text": ""}


@pytest.mark.parametrize(
    ("content", "shown"),
    [(b"a\npassword: hunter2" + b"x" * 70_000, "a\n"), (b"x" * 70_000, "(one line of more than 64 KiB)\n")],
)
def test_what_is_too_long_is_cut_between_lines_so_that_no_half_secret_is_shown(
    tmp_path: Path, content: bytes, shown: str
) -> None:
    (tmp_path / "f").write_bytes(content)
    assert look("text", tmp_path / "f") == {"exists": True, "text": shown}
