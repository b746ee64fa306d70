"""The release builder: same inputs, same bytes; a changed byte is seen; what is missing is said; what is built runs."""

import dataclasses
import gzip
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from pydantic import ValidationError

from cutover.core.errors import UsageError
from cutover.release.artifact import build, inspect
from cutover.release.build import ReleaseSpec, spec_of
from tests.release.toys import HERE, OTHER, problem_of, replace, unpack


def test_same_inputs_give_the_same_bytes_and_id_wherever_they_are_built(spec: ReleaseSpec, tmp_path: Path) -> None:
    first = build(spec)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(spec.code["toy"], elsewhere / "toy")
    os.utime(elsewhere / "toy" / "__init__.py", (1, 1))
    again = build(replace(spec, code={"toy": elsewhere / "toy"}, cache=elsewhere / "cache", out=elsewhere / "out"))
    assert (first.id, first.sha256) == (again.id, again.sha256)
    assert first.path.read_bytes() == again.path.read_bytes()
    assert first.id.startswith("2.0.0-")


def test_its_bill_of_materials_names_every_package_and_what_only_tests_need(spec: ReleaseSpec) -> None:
    plain = build(spec)
    assert json.loads(plain.sbom)["components"] == []
    places = {"site/typing_extensions-4.0.dist-info/METADATA": "", "testing/pygments-2.21.0.dist-info/METADATA": ""}
    packages = {"Pygments": "2.21.0", "typing_extensions": "4.0"}
    manifest = {**plain.manifest, "dependencies": packages, "files": {**plain.manifest["files"], **places}}
    bill = json.loads(dataclasses.replace(plain, manifest=manifest).sbom)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    release = bill["metadata"]["component"]
    assert (release["version"], release["hashes"]) == (plain.id, [{"alg": "SHA-256", "content": plain.sha256}])
    assert {one["purl"]: one["scope"] for one in bill["components"]} == {
        "pkg:pypi/pygments@2.21.0": "optional",
        "pkg:pypi/typing-extensions@4.0": "required",
    }


def test_what_is_built_already_is_built_again_only_where_it_is_damaged(spec: ReleaseSpec) -> None:
    artifact = build(spec)
    before = artifact.path.stat()
    after = build(spec).path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    artifact.path.write_bytes(artifact.path.read_bytes()[:-9])
    assert build(spec) == artifact
    assert inspect(artifact.path) == artifact


@pytest.mark.parametrize("what", ["code", "tests", "python", "machine", "interpreter", "version"])
def test_every_input_changes_the_id(spec: ReleaseSpec, what: str) -> None:
    before = build(spec).id
    if what == "code":
        (spec.code["toy"] / "more.py").write_text("MORE = 1\n")
    elif what == "tests":
        (spec.tests / "test_toy.py").write_text("def test_nothing():\n    assert 1\n")
    else:
        other = {"python": "3.13", "machine": "aarch64", "interpreter": "/opt/python/bin/python3", "version": "2.0.1"}
        spec = replace(spec, **{what: other[what]})
    assert build(spec).id != before


def test_caches_and_compiled_files_of_the_checkout_stay_behind(spec: ReleaseSpec) -> None:
    before = build(spec)
    for name in ("__pycache__/x.cpython-311.pyc", ".mypy_cache/x.json", ".hidden"):
        (spec.code["toy"] / name).parent.mkdir(exist_ok=True)
        (spec.code["toy"] / name).write_text("x")
    assert build(spec) == before


def test_the_archive_is_of_root_and_nobody_else_writes_it(spec: ReleaseSpec) -> None:
    with tarfile.open(build(spec).path) as archive:
        members = archive.getmembers()
    names = [member.name for member in members]
    assert names[0] == "manifest.json"
    assert {member.mtime for member in members} == {0}
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {(0, 0, "root", "root")}
    modes = {member.name: member.mode for member in members}
    assert modes["bin/toyctl"] == modes["bin"] == 0o755
    assert modes["app/toy/__init__.py"] == 0o644


def test_only_for_a_python_like_this_one_it_is_compiled(spec: ReleaseSpec) -> None:
    for python in (HERE, OTHER):
        artifact = build(replace(spec, python=python))
        with tarfile.open(artifact.path) as archive:
            compiled = any("__pycache__" in name for name in archive.getnames())
        assert artifact.manifest["compiled"] == compiled == (python == HERE)


def flips(good: bytes) -> list[bytes]:
    return [good[:i] + bytes([good[i] ^ 1]) + good[i + 1 :] for i in range(0, len(good), max(1, len(good) // 60))]


def test_inspect_finds_a_flipped_byte_wherever_it_changes_content(spec: ReleaseSpec) -> None:
    artifact = build(spec)
    content = gzip.decompress(artifact.path.read_bytes())
    found = 0
    for damaged in flips(artifact.path.read_bytes()):
        artifact.path.write_bytes(damaged)
        try:
            assert inspect(artifact.path).sha256 != artifact.sha256
        except UsageError:
            found += 1
        else:  # gzip has bits that mean nothing: another header, another way to say the same
            assert gzip.decompress(damaged) == content
    assert found > 30


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (b"def test_toy", b"def test_yot", "tests/test_toy.py: differs from its manifest"),
        (b'"version": "2.0.0"', b'"version": "2.0.1"', "does not give its id"),
        (b'"schema": 1', b'"schema": 9', "is not a manifest of schema 1"),
        (b"tests/test_toy.py", b"tests/test_yot.py", "in the manifest but missing"),
    ],
)
def test_inspect_names_what_was_changed(spec: ReleaseSpec, old: bytes, new: bytes, found: str) -> None:
    path = build(spec).path
    data = gzip.decompress(path.read_bytes())
    assert old in data
    path.write_bytes(gzip.compress(data.replace(old, new, 1)))
    with pytest.raises(UsageError, match=found):
        inspect(path)


def test_inspect_refuses_what_is_no_artifact(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    with pytest.raises(UsageError, match="no such release artifact"):
        inspect(path)
    path.write_text("no archive")
    with pytest.raises(UsageError, match="is damaged"):
        inspect(path)


def test_a_launcher_runs_the_release_through_a_symlink_and_sees_nothing_else(spec: ReleaseSpec, tmp_path: Path) -> None:
    release = unpack(build(spec), tmp_path / "releases" / "r1")
    (tmp_path / "current").symlink_to(release)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "toy.py").write_text("raise SystemExit('the wrong toy')\n")
    environment = {**os.environ, "PYTHONPATH": str(elsewhere), "PYTHONHOME": "/nowhere"}
    command = [str(tmp_path / "current" / "bin" / "toyctl"), "a b", "*"]
    done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=True)
    file, arguments, path, found = json.loads(done.stdout)
    assert (found["TOY_THREADS"], found["TOY_PATH"]) == ("1", "/a:b")
    assert file == str(release / "app" / "toy" / "__main__.py")
    assert arguments == ["a b", "*"]
    assert path[:2] == [str(release / "app"), str(release / "site")]
    assert not [entry for entry in path if "site-packages" in entry or "dist-packages" in entry]


def test_all_that_is_wrong_is_said_before_anything_is_built(spec: ReleaseSpec, tmp_path: Path) -> None:
    gone = Path("gone")
    with pytest.raises(UsageError) as caught:
        spec_of(tmp_path, replace(spec, code={"toy": gone}, tests=gone, runtime_lock=gone), "3.9", "x86_64")
    paths = [problem.path.removeprefix("service.yml: artifact") for problem in caught.value.problems]
    assert paths == [".tests", ".code.toy", ".runtime_lock", ""]
    with pytest.raises(ValidationError) as wrong:
        replace(
            spec, version="../2", environment={"TOY": "$(rm -r /)"}, launchers={"Run Tests": "other"}, code={"a b": gone}, colour="blue"
        )  # fmt: skip
    assert [error["loc"][0] for error in wrong.value.errors()] == [
        "version",
        "code",
        "launchers",
        "environment",
        "colour",
    ]
    for launchers in ({"toyctl": "other"}, {"run-tests": "toy"}):
        with pytest.raises(ValidationError, match="launcher"):
            replace(spec, launchers=launchers)


def test_code_that_does_not_compile_is_refused(spec: ReleaseSpec) -> None:
    (spec.code["toy"] / "broken.py").write_text("def (:\n")
    said = problem_of(replace(spec, python=HERE))
    assert "does not compile" in said
    assert "broken.py" in said
    assert not list(spec.out.glob("*.tar.gz"))


def test_a_symlink_in_the_code_is_refused(spec: ReleaseSpec) -> None:
    (spec.code["toy"] / "link.py").symlink_to("__init__.py")
    assert "link.py: is a symlink" in problem_of(spec)
