"""Locked dependencies: for the right target, with the right hash, stripped, cached, and a word for each failure."""

import os
import subprocess
from pathlib import Path

import pytest

from cutover.release.artifact import build
from cutover.release.build import ReleaseSpec
from tests.release.toys import (
    CACHE,
    OTHER,
    REQUIREMENTS,
    SYSTEM_PYTHON,
    WHEEL,
    make_wheel,
    problem_of,
    replace,
    unpack,
    with_lock,
)


def test_locked_wheels_are_installed_stripped_and_kept(spec: ReleaseSpec, index: Path, tmp_path: Path) -> None:
    locked = with_lock(spec, make_wheel(index))
    artifact = build(locked)
    site = unpack(artifact, tmp_path / "r") / "site"
    assert artifact.manifest["dependencies"] == {"toydep": "1.0"}
    assert (site / "toydep" / "__init__.py").read_text() == "VALUE = 7\n"
    assert (site / "toydep_more.py").read_text() == "MORE = 8\n"
    assert not (site / "toydep" / "tests").exists()
    assert not (site / "toydep" / "__init__.pyi").exists()
    (index / WHEEL).unlink()
    (spec.code["toy"] / "more.py").write_text("MORE = 1\n")
    assert build(locked).id != artifact.id  # the wheel came from the cache
    (cached,) = spec.cache.rglob("toydep_more.py")
    cached.write_text("MORE = 9\n")
    (spec.code["toy"] / "more.py").write_text("MORE = 2\n")
    assert "toydep_more.py: changed since it was hashed" in problem_of(locked)


@pytest.mark.parametrize(
    ("wheel", "digest", "found"),
    [
        (WHEEL, "", "Hashes are required"),
        ("toydep-1.0-py3-none-manylinux_2_17_aarch64.whl", None, "No matching distribution found for toydep==1.0"),
    ],
)
def test_what_is_not_as_it_was_locked_or_not_for_the_hosts_is_refused(
    spec: ReleaseSpec, index: Path, wheel: str, digest: str | None, found: str
) -> None:
    line = make_wheel(index, name=wheel)
    said = problem_of(with_lock(spec, line if digest is None else f"toydep==1.0{digest}\n"))
    assert found in said
    assert f"for Python {OTHER} on x86_64" in said
    assert not list(spec.cache.rglob("toydep"))


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
