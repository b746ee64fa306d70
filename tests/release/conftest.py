"""A toy release and a toy package index."""

import os
import sys
from pathlib import Path

import pytest

from cutover.release.build import ReleaseSpec
from tests.release.toys import OTHER


@pytest.fixture
def spec(tmp_path: Path) -> ReleaseSpec:
    """A release of a toy package that needs nothing from an index, and that this machine's Python cannot compile, which takes long."""
    code, tests, lock = tmp_path / "toy", tmp_path / "release_tests", tmp_path / "nothing.lock"
    code.mkdir()
    tests.mkdir()
    (code / "__init__.py").write_text("")
    (code / "__main__.py").write_text(
        "import json, os, sys\nprint(json.dumps([__file__, sys.argv[1:], sys.path, dict(os.environ)]))\n"
    )
    (tests / "test_toy.py").write_text("import toy\n\ndef test_toy():\n    assert toy.__file__\n")
    lock.write_text("# needs nothing\n")
    return ReleaseSpec(
        kind="python", name="toy", version="2.0.0", code={"toy": code}, tests=tests, runtime_lock=lock, testing_lock=lock,
        launchers={"toyctl": "toy"}, environment={"TOY_THREADS": "1", "TOY_PATH": "/a:b"}, into="/r", current="/c",
        python=OTHER, machine="x86_64", cache=tmp_path / "cache", out=tmp_path / "out", interpreter=sys.executable,
    )  # fmt: skip


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index of one directory; pip reaches nothing else."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    directory = tmp_path / "index"
    directory.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    return directory
