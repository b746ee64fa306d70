"""One tape, frozen: a copy that cannot be written, in a place where nothing else may appear, with its digest."""

import hashlib
import os
import pwd
import shutil
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
def frozen(tape: Path, config: Path, user: str, scratch: Path | None) -> Iterator[Frozen]:
    """Copy a tape and V1's config into a scratch directory that only the owner of this process can write to."""
    try:
        root = Path(tempfile.mkdtemp(prefix="kpi-shadow-", dir=scratch))
    except OSError as error:
        step = "give a directory that can be written with --scratch"
        raise UsageError(Finding("scratch", str(scratch), f"cannot be used: {error.strerror}", step)) from error
    try:
        root.chmod(0o755)
        input_, answers = root / "input", root / "answers"
        input_.mkdir()
        answers.mkdir(mode=0o700)
        copy, own_config = _copy(tape, input_ / tape.name), _copy(config, root / "v1.yml")
        if user:  # it may hold what others must not read
            os.chown(own_config, -1, pwd.getpwnam(user).pw_gid)
        own_config.chmod(0o440 if user else 0o400)
        copy.chmod(0o444)
        input_.chmod(0o555)
        yield Frozen(copy, own_config, answers, digest_of(copy))
    finally:
        if (root / "input").exists():
            (root / "input").chmod(0o755)
        shutil.rmtree(root)


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _copy(source: Path, target: Path) -> Path:
    try:
        return Path(shutil.copyfile(source, target))
    except OSError as error:
        step = "give the path of a tape that may be read"
        raise UsageError(Finding("unreadable", str(source), f"cannot be copied: {error.strerror}", step)) from error
