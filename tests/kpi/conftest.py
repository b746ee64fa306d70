"""A config on a temporary root, and services that really run in processes of their own."""

import compileall
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kpi.config import PipelineConfig
from kpi.probes import EXAMPLE
from tests.checkout import ROOT
from tests.waiting import PATIENCE_S, wait_until

PATIENCE_SECONDS = PATIENCE_S


@pytest.fixture
def no_delivery_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test delivers nothing, validation does not wait until its time is over. Canaries have all of that time."""
    monkeypatch.setattr("kpi.validation.trial._wait_for_first_run", lambda *_: None)


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_config(root: Path, **changes: Any) -> Path:
    """The example config on this root and a free port, with changes to its top level."""
    document = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    document |= {"paths": {"root": str(root)}, "http": {"address": "127.0.0.1", "port": free_port()}, **changes}
    document["service"] = {"poll_seconds": 0.02, "stall_seconds": 60}
    path = root / "pipeline.yml"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def wait_for(what: Callable[[], Any]) -> Any:
    """The first true answer; fails when there is none in good time."""
    return wait_until(what, every=0.02)


@dataclass
class Running:
    """A service in a process of its own."""

    process: subprocess.Popen[str]
    config_path: Path
    root: Path

    @property
    def config(self) -> PipelineConfig:
        """The config it was started with."""
        return PipelineConfig.load(self.config_path)

    def stop(self) -> tuple[int, str]:
        """SIGTERM; its exit status and all that it said."""
        self.process.send_signal(signal.SIGTERM)
        said, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, said


@contextmanager
def serving(root: Path, code: Path = ROOT, **environment: str) -> Iterator[Running]:
    """`kpi serve` on this root, ready; `code` is the directory that has the package."""
    config = root / "pipeline.yml"
    if not config.exists():
        write_config(root)
    command = [sys.executable, "-m", "kpi", "serve", "--config", str(config)]
    variables = {**os.environ, "PYTHONPATH": str(code), **environment}
    with subprocess.Popen(
        command, cwd=code, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first.startswith("ready"), first + process.stdout.read()
            yield Running(process, config, root)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def copied_code(place: Path) -> Path:
    """A copy of the package, compiled, since many programs start from copies."""
    compileall.compile_dir(ROOT / "kpi", quiet=2)
    shutil.copytree(ROOT / "kpi", place / "kpi")
    return place


def altered_code(tmp_path: Path, module: str, old: str, new: str) -> Path:
    """A copy of the package with one thing changed in it."""
    copied_code(tmp_path)
    path = tmp_path / "kpi" / module
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return tmp_path
