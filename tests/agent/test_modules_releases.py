"""A release on a host: unpacked whole, verified file by file, never repaired in place."""

import hashlib
import importlib.util
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from stat import S_IMODE
from typing import Any

import pytest

from cutover.agent.work import State
from tests.agent.doing import do

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a release belongs to root")
FILES = {"app/kpi.py": b"VERSION = 2\n", "bin/kpi": b"#!/bin/sh\n", "site/numpy/core.py": b"x = 1\n"}
COMPILED = {"site/numpy/__pycache__/core.cpython-311.pyc": b"compiled"}  # the manifest names sources only


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return pack(tmp_path, compiled=True)


def pack(tmp_path: Path, *, compiled: bool) -> Path:
    path = tmp_path / "incoming" / "r1.tar.gz"
    path.parent.mkdir()
    files = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    manifest = json.dumps({"id": "r1", "compiled": compiled, "files": files}).encode()
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {"manifest.json": manifest, **FILES, **(COMPILED if compiled else {})}.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755 if name.startswith("bin/") else 0o644
            archive.addfile(member, io.BytesIO(content))
    return path


def unpack(artifact: Path, **changed: Any) -> State:
    args = {"path": str(release(artifact)), "artifact": str(artifact), "sha256": digest(artifact), **changed}
    return do("release", args, {"present": True, "id": "r1", "verified": True})


def release(artifact: Path) -> Path:
    return artifact.parent.parent / "releases" / "r1"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "gone"


def test_it_is_unpacked_verified_read_only_and_the_artifact_is_cleared_away(artifact: Path) -> None:
    before = os.umask(0o077)  # a careful administrator's, and the service's user is somebody else
    try:
        outcome = unpack(artifact)
    finally:
        os.umask(before)
    root = release(artifact)
    assert (outcome["ok"], outcome["after"]["files"]) == (True, 3)
    modes = {S_IMODE(path.lstat().st_mode) for path in (root, *root.rglob("*"))}
    assert modes == {0o444, 0o555}
    assert os.access(root / "bin/kpi", os.X_OK)
    assert not artifact.exists()
    again = unpack(artifact)
    assert (again["ok"], again["changed"]) == (True, False)


def test_a_release_that_was_built_by_another_python_is_compiled_here(tmp_path: Path) -> None:
    outcome = unpack(pack(tmp_path, compiled=False))
    root = tmp_path / "releases" / "r1"
    cached = Path(importlib.util.cache_from_source(str(root / "app/kpi.py")))
    assert outcome["ok"], outcome
    assert S_IMODE(cached.stat().st_mode) == 0o444
    assert (
        str(root / "app/kpi.py").encode() in cached.read_bytes()
    )  # tracebacks name the release, not where it was unpacked
    assert str(cached.relative_to(root)) in json.loads((root / "byte_code.json").read_text())


def test_an_artifact_with_another_digest_is_not_unpacked(artifact: Path) -> None:
    outcome = unpack(artifact, sha256="0" * 64)
    assert (outcome["ok"], "has digest" in outcome["error"]) == (False, True)
    assert list((artifact.parent.parent / "releases").iterdir()) == []
    assert artifact.exists()


DAMAGES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "another": ("app/kpi.py", lambda path: path.write_bytes(b"VERSION = 3\n"), "content changed"),
    "missing": ("bin/kpi", lambda path: path.unlink(), "missing"),
    "extra": ("site/extra.py", lambda path: path.write_bytes(b""), "unexpected"),
    "extra link": ("app/evil", lambda path: path.symlink_to("/tmp"), "unexpected"),
    "other byte code": (next(iter(COMPILED)), lambda path: path.write_bytes(b"another"), "content changed"),
    "no byte code": (next(iter(COMPILED)), lambda path: path.unlink(), "missing"),
    "no list of byte code": ("byte_code.json", lambda path: path.unlink(), "missing"),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_release_that_is_not_as_built_is_found_and_never_repaired(artifact: Path, how: str) -> None:
    copy = artifact.read_bytes()
    unpack(artifact)
    name, act, found = DAMAGES[how]
    act(release(artifact) / name)
    artifact.write_bytes(copy)
    outcome = unpack(artifact)
    assert f"{release(artifact) / name}: {found}" in outcome["before"]["wrong"]
    assert (outcome["ok"], outcome["after"]["verified"], artifact.exists()) == (False, False, True)
    assert "never repaired in place" in outcome["error"]


def test_byte_code_that_python_wrote_beside_the_code_is_no_deviation(artifact: Path) -> None:
    unpack(artifact)
    cache = release(artifact) / "app/__pycache__"
    cache.mkdir()
    (cache / "kpi.cpython-311.pyc").write_bytes(b"code")
    assert unpack(artifact)["before"]["verified"] is True
