"""What the tests of the release builder share: a wheel of their own, unpacking, the words of a refusal."""

import base64
import hashlib
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from cutover.core.errors import UsageError
from cutover.release.artifact import Artifact, build
from cutover.release.build import ReleaseSpec
from tests.checkout import ROOT

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
OTHER = f"{sys.version_info.major}.{sys.version_info.minor + 1}"  # it cannot be compiled for here
REQUIREMENTS = ROOT / "requirements"
CACHE = ROOT / ".cutover" / "cache"
SYSTEM_PYTHON = "/usr/bin/python3"
WHEEL = "toydep-1.0-py3-none-any.whl"


def make_wheel(index: Path, *, name: str = WHEEL) -> str:
    """Put a wheel with its own tests, a stub and a data file into the index; gives the line that locks it."""
    info = "toydep-1.0.dist-info"
    files = {
        "toydep/__init__.py": "VALUE = 7\n",
        "toydep/__init__.pyi": "VALUE: int\n",
        "toydep/tests/test_own.py": "assert False\n",
        "toydep-1.0.data/purelib/toydep_more.py": "MORE = 8\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: toydep\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{path},sha256={_record_digest(text)},{len(text)}\n" for path, text in files.items()]
    with zipfile.ZipFile(index / name, "w") as wheel:
        for path, text in files.items():
            wheel.writestr(zipfile.ZipInfo(path), text)
        wheel.writestr(zipfile.ZipInfo(f"{info}/RECORD"), "".join([*record, f"{info}/RECORD,,\n"]))
    return f"toydep==1.0 --hash=sha256:{hashlib.sha256((index / name).read_bytes()).hexdigest()}\n"


def _record_digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def replace(spec: ReleaseSpec, **changes: object) -> ReleaseSpec:
    return ReleaseSpec(**(spec.model_dump() | changes))


def with_lock(spec: ReleaseSpec, text: str) -> ReleaseSpec:
    lock = spec.tests.parent / "runtime.lock"
    lock.write_text(text)
    return replace(spec, runtime_lock=lock)


def unpack(artifact: Artifact, where: Path) -> Path:
    with tarfile.open(artifact.path) as archive:
        archive.extractall(where)  # noqa: S202  # made by this test a moment ago
    return where


def problem_of(spec: ReleaseSpec) -> str:
    with pytest.raises(UsageError) as caught:
        build(spec)
    return str(caught.value)
