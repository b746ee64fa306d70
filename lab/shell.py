"""Runs a command of the controller; one that fails becomes a problem that names it."""

import subprocess
from collections.abc import Sequence

from cutover.core.errors import Problem, Refused


def run(argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> str:
    """Run one command and return what it wrote; Refused when it fails."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as late:
        raise _refused(argv, f"not done after {timeout:g} s") from late
    if done.returncode != 0:
        raise _refused(argv, f"exit status {done.returncode}: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout


def _refused(argv: Sequence[str], why: str) -> Refused:
    return Refused(Problem(found=f"`{' '.join(argv)}`: {why}", next="lab.down, then lab.up again"))
