"""One tape, frozen: a copy that cannot be written, in a place where nothing else may appear, with its digest."""

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kpi.findings import Finding, UsageError


@dataclass(frozen=True)
class Frozen:
    """The frozen copy of a tape and of V1's config; `answers` is where the programs' outputs go."""

    tape: Path
    config: Path
    answers: Path
    sha256: str

    def change(self) -> str:
        """What is not as it was any more, in words; empty when all of it is."""
        found = sorted(path.name for path in self.tape.parent.iterdir())
        if found != [self.tape.name]:
            return f"beside the tape there is now: {', '.join(name for name in found if name != self.tape.name)}"
        now = digest_of(self.tape)
        return "" if now == self.sha256 else f"the tape had {self.sha256[:16]} and has {now[:16]}"


@contextmanager
def frozen(tape: Path, settings: bytes, scratch: Path | None) -> Iterator[Frozen]:
    """Copy a tape and V1's config (its bytes) into a scratch directory that only the owner of this process can enter."""
    try:
        root = Path(tempfile.mkdtemp(prefix="kpi-shadow-", dir=scratch))
    except OSError as error:
        step = "give a directory that can be written with --scratch"
        raise UsageError(Finding("scratch", str(scratch), f"cannot be used: {error.strerror}", step)) from error
    try:
        input_, answers, config, copy = root / "input", root / "answers", root / "v1.yml", root / "input" / tape.name
        input_.mkdir()
        answers.mkdir()
        _copy(tape, copy)
        config.write_bytes(settings)
        for path in (config, copy):
            path.chmod(0o400)
        for folder in (input_, root):
            folder.chmod(0o500)
        yield Frozen(copy, config, answers, digest_of(copy))
    finally:
        root.chmod(0o700)
        if (root / "input").exists():
            (root / "input").chmod(0o700)
        shutil.rmtree(root)


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _copy(source: Path, target: Path) -> None:
    """Copy a file, and nothing that only leads to one."""
    try:
        with (
            os.fdopen(os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as tape,
            target.open("xb") as copy,
        ):
            if not stat.S_ISREG(os.fstat(tape.fileno()).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
            shutil.copyfileobj(tape, copy)
    except OSError as error:
        why = "it is a link" if error.errno == errno.ELOOP else error.strerror
        step = "give the path of a tape that may be read"
        raise UsageError(Finding("unreadable", str(source), f"cannot be copied: {why}", step)) from error
