"""Commands given as on the command line: within this process, or in one of their own."""

import subprocess
import sys
from typing import IO

from invoke.program import Program

from cutover.cli.__main__ import Cutover
from tasks import namespace
from tests.checkout import ROOT
from tests.waiting import PATIENCE_S


def give(*words: str) -> int:
    """Run a command in this process, through the whole of Invoke; gives its exit code."""
    program: Program = Cutover(binary="inv[oke]", binary_names=["invoke"], namespace=namespace)
    try:
        program.run(["invoke", *words])
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0


def start(*words: str, stdout: int | IO[str]) -> subprocess.CompletedProcess[str]:
    """Run a command of this checkout in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "cutover.cli", *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
