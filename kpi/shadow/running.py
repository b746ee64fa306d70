"""Run V1 and V2 on the frozen tape, each as a program of its own, and read what they say."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kpi.shadow.freezing import Frozen
from kpi.shadow.unit import V1

MEASURED = Path(__file__).with_name("measured.py")
PACKAGE_HOME = Path(__file__).resolve().parents[2]
SLACK_SECONDS = 10.0
# As the release's own launcher starts Python; nothing is written beside the code.
FLAGS = ["-B", "-P", *(["-S"] if sys.flags.no_site else [])]


@dataclass(frozen=True)
class Ran:
    """How one program ended: its document (empty when it gave none), why it gave none, time and memory."""

    document: dict[str, Any]
    trouble: str
    measured: dict[str, Any] = field(default_factory=dict)


def run_v1(v1: V1, frozen: Frozen, timeout: float) -> Ran:
    """V1's own one-tape command."""
    ran = _run("v1", v1.argv(frozen.tape, frozen.config), frozen, timeout)
    if ran.trouble or "error" in ran.document or isinstance(ran.document.get("metrics"), dict):
        return ran
    return replace(ran, trouble="gave neither metrics nor an error")


def run_v2(frozen: Frozen, options: list[str], timeout: float) -> Ran:
    """The one-tape command of the release that this code is of."""
    argv = [sys.executable, *FLAGS, "-m", "kpi", "compute", "--json", *options, str(frozen.tape)]
    ran = _run("v2", argv, frozen, timeout)
    if ran.trouble or "kpis" in ran.document:
        return ran
    issues = [f"{issue.get('where')}: {issue.get('found')}" for issue in ran.document.get("issues", [])]
    return replace(ran, trouble="; ".join(issues) or "gave no KPIs")


def _run(name: str, argv: list[str], frozen: Frozen, timeout: float) -> Ran:
    out, err = frozen.answers / f"{name}.out", frozen.answers / f"{name}.err"
    runner = [sys.executable, "-I", "-S", str(MEASURED), f"{timeout:g}", str(out), str(err)]
    try:
        done = subprocess.run(
            [*runner, *argv],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=_environment(name),
            timeout=timeout + SLACK_SECONDS,
        )
    except subprocess.TimeoutExpired:  # not even SIGKILL ended it: it hangs in the kernel
        return Ran({}, f"could not be ended after {timeout:g} s")
    if done.returncode != 0:
        return Ran({}, f"could not be started: {_last_line(done.stderr)}")
    measured = json.loads(done.stdout)
    if measured["late"]:
        return Ran({}, f"was ended after {timeout:g} s", measured)
    document = _document(out)
    if document is None:
        said = _last_line(err.read_text(errors="replace")) or "it printed no JSON document"
        return Ran({}, f"ended with {measured['exit_code']}: {said}", measured)
    return Ran(document, "", measured)


def _environment(name: str) -> dict[str, str]:
    """Nothing inherited but what V2 needs to be found: V1 must run as under its unit, not as in our release."""
    known = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    if name == "v1":
        return known
    path = [str(PACKAGE_HOME), *filter(None, [os.environ.get("PYTHONPATH", "")])]
    release = {name: os.environ[name] for name in ("ABACO_RELEASE",) if name in os.environ}
    return {**known, **release, "PYTHONPATH": os.pathsep.join(path)}


def _document(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_bytes())
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:500] if lines else ""
