"""What a unit consists of on disk is part of what is seen of it: its file and its drop-ins, by one digest."""

from pathlib import Path

import pytest

from cutover.agent.modules import units
from cutover.agent.systemd import PROPERTIES
from cutover.agent.work import Work


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A unit's file and its drop-in, as systemd names them."""
    file, drop_in = tmp_path / "v1.service", tmp_path / "v1.service.d" / "a.conf"
    drop_in.parent.mkdir()
    file.write_text("[Service]\n")
    drop_in.write_text("[Service]\nNice=5\n")
    shown = dict.fromkeys(PROPERTIES, "") | {"FragmentPath": str(file), "DropInPaths": str(drop_in)}
    shown |= {"MainPID": "0", "NRestarts": "0", "TimeoutStopUSec": "1min 30s"}
    monkeypatch.setattr(units, "show", lambda _unit: shown)
    return file, drop_in


def digest() -> str:
    return str(units.look_unit({"unit": "v1.service"}, Work())["files_sha256"])


@pytest.mark.parametrize("which", [0, 1], ids=["its file", "a drop-in"])
def test_a_change_of_content_is_seen_though_no_path_changed(files: tuple[Path, Path], which: int) -> None:
    before = digest()
    assert digest() == before
    text = files[which].read_text()
    files[which].write_text(text + "# somebody was here\n")
    assert digest() != before
    files[which].write_text(text)
    assert digest() == before


@pytest.mark.usefixtures("files")
def test_a_file_that_is_gone_though_systemd_knows_it_is_a_difference_and_no_error(files: tuple[Path, Path]) -> None:
    before = digest()
    files[0].unlink()
    assert digest() != before
