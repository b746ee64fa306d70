"""Install locked dependencies for the hosts' Python and architecture, whatever this machine is; cached by digest.

pip runs only when a lock file or the target is new. It gets wheels alone (nothing is ever built), each checked against
the hash in the lock file. What never runs on a host is taken out: the libraries' own tests, type stubs, C headers, and what
only other programs need of them. Each file less is one less to send, unpack, hash and look at, on every host.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

from cutover.core.errors import Problem, UsageError

if TYPE_CHECKING:
    from cutover.release.build import ReleaseSpec

# glibc of the oldest hosts that are served (Red Hat 8) down to what the oldest wheels ask for.
GLIBC_MINORS = range(28, 16, -1)
RECIPE = 2  # raise it when the same lock file is to give another tree
PIP_S = 900
STRIPPED_DIRECTORIES = {"tests", "__pycache__"}  # numpy.testing and pandas.testing are other names, and stay
STRIPPED_FILES = {"conftest.py", "RECORD", "REQUESTED", "INSTALLER", "direct_url.json"}
STRIPPED_PATHS = {"numpy/distutils", "numpy/f2py"}  # for building extensions
KEPT_ALONE = {  # pytest shows Python and diffs; Pygments brings 500 languages more
    "pygments/lexers": {"__init__.py", "_mapping.py", "diff.py", "python.py"},
    "pygments/styles": {"__init__.py", "_mapping.py", "default.py"},
}
STRIPPED_SUFFIXES = {".pyi", ".pyx", ".pxd", ".h", ".c", ".cpp", ".a", ".lib"}


@dataclass(frozen=True)
class Tree:
    """An installed set of packages: where, the sha256 of each file, name and version of each package."""

    root: Path
    files: Mapping[str, str]
    dependencies: Mapping[str, str]


def installed(lock: Path, spec: "ReleaseSpec") -> Tree:
    """The packages of a lock file, installed for the hosts of a release; from the cache when they are there."""
    compiled_by = sys.version if spec.compilable else ""
    inputs = [lock.read_text(), spec.python, spec.machine, compiled_by, str(RECIPE)]
    entry = spec.cache / "wheels" / hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:24]
    if not entry.is_dir():
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=entry.parent, prefix=".making-") as scratch:
            _make(lock, spec, Path(scratch) / "entry")
            try:
                (Path(scratch) / "entry").rename(entry)
            except OSError:
                if not entry.is_dir():  # otherwise another build was faster, and made the same
                    raise
    index = json.loads((entry / "index.json").read_text())
    return Tree(entry / "tree", index["files"], index["dependencies"])


def _make(lock: Path, spec: "ReleaseSpec", entry: Path) -> None:
    tree = entry / "tree"
    tree.mkdir(parents=True)
    dependencies = {}
    if re.search(r"^[A-Za-z0-9]", lock.read_text(), re.MULTILINE):  # a lock file of comments only asks for nothing
        _pip_install(lock, spec, tree)
        dependencies = {found.name: found.version for found in distributions(path=[str(tree)])}
        _strip(tree)
        if spec.compilable:
            compile_tree(tree)
    files = {name: digest_file(tree / name) for name in list_files(tree)}
    index = {"files": files, "dependencies": dict(sorted(dependencies.items()))}
    (entry / "index.json").write_text(json.dumps(index, indent=1))


def _pip_install(lock: Path, spec: "ReleaseSpec", tree: Path) -> None:
    """Have pip choose for the hosts instead of for itself."""
    manylinux = [f"manylinux_2_{minor}" for minor in GLIBC_MINORS] + ["manylinux2014"]
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps",
        "--no-compile", "--require-hashes", "--only-binary", ":all:", "--implementation", "cp", "--python-version", spec.python,
        *(f"--abi={abi}" for abi in (f"cp{spec.python.replace('.', '')}", "abi3", "none")),
        *(f"--platform={platform}_{spec.machine}" for platform in manylinux),
        "--target", str(tree), "--requirement", str(lock),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PIP_S)
    except subprocess.TimeoutExpired as error:
        found = f"pip was not done after {PIP_S} s"
        advice = "check the network to the package index, then run it again"
        raise UsageError(Problem(found, advice, path=str(lock))) from error
    if done.returncode:
        found = f"pip finds no such wheels for Python {spec.python} on {spec.machine}: {done.stderr.strip()[-1500:]}"
        advice = (
            "where the index cannot be reached, build elsewhere and copy the artifact; otherwise lock versions that have "
            "such wheels, and the hashes of the index (requirements/*.in, then requirements/relock)"
        )
        raise UsageError(Problem(found, advice, path=str(lock)))


def _strip(tree: Path) -> None:
    """Take out what never runs on a host."""
    if (tree / "bin").is_dir():
        shutil.rmtree(tree / "bin")  # commands with this machine's Python in them; a release has its own bin/
    for path in sorted(tree.rglob("*"), reverse=True):
        place = path.relative_to(tree)
        if path.is_dir():
            if path.name in STRIPPED_DIRECTORIES or str(place) in STRIPPED_PATHS:
                shutil.rmtree(path)
        elif path.suffix in STRIPPED_SUFFIXES or path.name in STRIPPED_FILES or _is_for_others(place):
            path.unlink()
    for path in sorted(tree.rglob("*"), reverse=True):  # deepest first: an empty directory empties the one above it
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _is_for_others(place: Path) -> bool:
    """Whether it is one of the many of a kind of which only some are ever used."""
    kept = KEPT_ALONE.get(str(place.parent))
    return kept is not None and place.name not in kept


# Files of a directory tree that goes into a release.


def list_files(root: Path, *, compiled: bool = False) -> list[str]:
    """All files below, as sorted relative names; compiled ones only when asked for."""
    return sorted(_walk(root, root, compiled=compiled))


def _walk(root: Path, directory: Path, *, compiled: bool) -> Iterator[str]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir():
                if compiled or entry.name != "__pycache__":
                    yield from _walk(root, Path(entry.path), compiled=compiled)
            else:
                yield Path(entry.path).relative_to(root).as_posix()


def digest_file(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def compile_tree(root: Path) -> None:
    """Precompile all Python files below, valid forever: a release never changes, and hosts may not write into it.

    In a process of its own with a fixed hash seed and one worker, so that the same sources give the same bytes.
    """
    options = ["-q", "-j", "1", "--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", "release"]
    command = [sys.executable, "-I", "-m", "compileall", *options, str(root)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONHASHSEED": "0"}
    )
    if done.returncode:
        found = f"does not compile: {(done.stdout + done.stderr).strip()[-1500:]}"
        raise UsageError(Problem(found, "correct the file that is named", path="release"))
