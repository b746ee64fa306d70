"""The service under stress: the real one, in a process of its own on a private root, and what is measured of it."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from kpi.config import PipelineConfig
from kpi.findings import Finding, KpiError
from kpi.probes import EXAMPLE
from kpi.release import release_id

READY_SECONDS = 30.0
STOP_SECONDS = 30.0
PACKAGE_HOME = Path(__file__).resolve().parents[2]
# As the release's own launcher starts Python.
FLAGS = ["-B", "-P", *(["-S"] if sys.flags.no_site else [])]


class SubjectError(KpiError):
    """The service did not start, died, or came to a standstill."""


class Subject:
    """`kpi serve` on a root; stopped when the block is left."""

    def __init__(self, root: Path) -> None:
        self.config = _config(root)
        self._log = root / "service.log"
        self._config_path = root / "pipeline.yml"
        self._process: subprocess.Popen[bytes] | None = None
        self.exit_code: int | None = None

    def __enter__(self) -> Self:
        path = os.pathsep.join(filter(None, [str(PACKAGE_HOME), os.environ.get("PYTHONPATH", "")]))
        environment = {name: value for name, value in os.environ.items() if name not in _SYSTEMD}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *FLAGS, "-m", "kpi", "serve", "--config", str(self._config_path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**environment, "PYTHONPATH": path},
                cwd="/",
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process is not None and self._process.poll() is None

    def last_words(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace").strip()[-500:]

    def memory_mb(self) -> tuple[float, float]:
        """What it holds now and the most that it ever held (RSS), over its process and that one's children."""
        pids = [self._pid, *_children(self._pid)]
        seen = [status for pid in pids if (status := _status(pid)) is not None]
        return sum(now for now, _ in seen), sum(most for _, most in seen)

    def counters(self) -> dict[str, float]:
        """Its own counters, as /metrics gives them."""
        lines = self._get("/metrics").decode().splitlines()
        split = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in split}

    def stop(self) -> None:
        """SIGTERM, and after a time SIGKILL, which the exit code shows."""
        if self._process is None or self.exit_code is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.exit_code = self._process.returncode

    @property
    def _pid(self) -> int:
        return self._process.pid if self._process else 0

    def _get(self, path: str) -> bytes:
        host, port = self.config.address
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=5) as answer:
            content: bytes = answer.read()
        return content

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while self.alive and time.monotonic() < deadline:
            try:
                self._get("/healthz")
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
            else:
                return
        step = "start it by hand: kpi serve --config FILE"
        raise SubjectError(Finding("not_ready", "service", f"did not become ready: {self.last_words()}", step))


_SYSTEMD = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}


def _config(root: Path) -> PipelineConfig:
    """The example config on this root and a free port; its thresholds judge the run."""
    document = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    document |= {"paths": {"root": str(root)}, "release": release_id(), "environment": "stress"}
    document["http"] = {"address": "127.0.0.1", "port": _free_port()}
    document["service"] = {**document["service"], "poll_seconds": 0.01}
    document["quarantine"] = {"policy": "fail"}
    text = json.dumps(document)
    (root / "pipeline.yml").write_text(text, encoding="utf-8")
    return PipelineConfig.parse(text, "stress")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _children(pid: int) -> list[int]:
    try:
        direct = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:
        return []
    return [*direct, *(below for child in direct for below in _children(child))]


def _status(pid: int) -> tuple[float, float] | None:
    """VmRSS and VmHWM in MB; None where the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    fields = dict(line.partition(":")[::2] for line in lines)
    if "VmRSS" not in fields:
        return None
    now, most = (int(fields[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))
    return now, most
