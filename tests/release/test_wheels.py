"""Locked dependencies: for the right target, with the right hash, stripped, cached, and a word for each failure."""

import os
import subprocess
from pathlib import Path

import pytest

from cutover.release.artifact import build
from cutover.release.spec import ReleaseSpec
from tests.release.toys import (
    CACHE,
    HERE,
    REQUIREMENTS,
    SYSTEM_PYTHON,
    WHEEL,
    make_wheel,
    problem_of,
    replace,
    unpack,
    with_lock,
)


def test_locked_wheels_are_installed_and_stripped(spec: ReleaseSpec, index: Path, tmp_path: Path) -> None:
    artifact = build(with_lock(spec, make_wheel(index)))
    site = unpack(artifact, tmp_path / "r") / "site"
    assert artifact.manifest["dependencies"] == {"toydep": "1.0"}
    assert (site / "toydep" / "__init__.py").read_text() == "VALUE = 7\n"
    assert (site / "toydep_more.py").read_text() == "MORE = 8\n"
    assert not (site / "toydep" / "tests").exists()
    assert not (site / "toydep" / "__init__.pyi").exists()


def test_wheels_come_from_the_cache_the_second_time(spec: ReleaseSpec, index: Path) -> None:
    locked = with_lock(spec, make_wheel(index))
    first = build(locked)
    (index / WHEEL).unlink()
    (spec.code["toy"] / "more.py").write_text("MORE = 1\n")
    assert build(locked).id != first.id


def test_a_cached_file_that_changed_is_refused(spec: ReleaseSpec, index: Path) -> None:
    locked = with_lock(spec, make_wheel(index))
    build(locked)
    (cached,) = spec.cache.rglob("toydep_more.py")
    cached.write_text("MORE = 9\n")
    (spec.code["toy"] / "more.py").write_text("MORE = 1\n")
    assert "toydep_more.py: changed since it was hashed" in problem_of(locked)


def test_a_hash_that_does_not_match_is_refused(spec: ReleaseSpec, index: Path) -> None:
    make_wheel(index)
    said = problem_of(with_lock(spec, f"toydep==1.0 --hash=sha256:{'0' * 64}\n"))
    assert "toydep==1.0" in said
    assert "does not have the locked sha256" in said
    assert not list(spec.cache.rglob("toydep"))


def test_a_wheel_for_another_architecture_only_is_named(spec: ReleaseSpec, index: Path) -> None:
    line = make_wheel(index, name="toydep-1.0-py3-none-manylinux_2_17_aarch64.whl")
    assert f"toydep==1.0: no wheel for Python {HERE} on x86_64" in problem_of(with_lock(spec, line))
    assert build(with_lock(replace(spec, machine="aarch64"), line)).manifest["dependencies"] == {"toydep": "1.0"}


def test_a_lock_without_hashes_is_refused(spec: ReleaseSpec, index: Path) -> None:
    make_wheel(index)
    assert "Hashes are required" in problem_of(with_lock(spec, "toydep==1.0\n"))


def test_an_index_out_of_reach_is_named(spec: ReleaseSpec, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = make_wheel(index)
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    assert "could not be reached" in problem_of(with_lock(spec, line))


@pytest.mark.network
def test_the_real_locks_give_a_numpy_that_works_on_a_host(spec: ReleaseSpec, tmp_path: Path) -> None:
    version = [SYSTEM_PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    host_python = subprocess.run(version, capture_output=True, text=True, check=True).stdout.strip()
    (spec.code["toy"] / "__main__.py").write_text(
        "import numpy, numpy.testing\n"
        "print(numpy.random.RandomState(42).uniform(0, 10, 3).sum().round(3), numpy.__file__)\n"
    )
    real = replace(
        spec,
        runtime_lock=REQUIREMENTS / "release-runtime.lock",
        testing_lock=REQUIREMENTS / "release-testing.lock",
        cache=CACHE,
        interpreter=SYSTEM_PYTHON,
        python=host_python,
        machine=os.uname().machine,
    )
    artifact = build(real)
    release = unpack(artifact, tmp_path / "r")
    done = subprocess.run([str(release / "bin" / "toyctl")], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["20.572", str(release / "site" / "numpy" / "__init__.py")]
    assert {"numpy", "pytest"} <= artifact.manifest["dependencies"].keys()
