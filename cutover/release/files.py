"""List, digest and compile the files of a directory tree that goes into a release."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from cutover.core.errors import Problem, UsageError


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
