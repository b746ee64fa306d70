"""A config on a temporary root, releases with something planted in them, and services that really run in processes of their own."""

import compileall
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from kpi.config import PipelineConfig
from kpi.probes import EXAMPLE
from legacy.deliver_tapes import Deliverer
from tests.checkout import ROOT
from tests.waiting import PATIENCE_S, wait_until

V1 = ROOT / "legacy" / "abaco_v1"


@pytest.fixture
def no_delivery_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test delivers nothing, validation does not wait until its time is over. Canaries have all of that time."""
    monkeypatch.setattr("kpi.validation.trial._wait_for_first_run", lambda *_: None)


@pytest.fixture
def config(tmp_path: Path) -> PipelineConfig:
    """A config whose rooms are there, empty."""
    config = PipelineConfig.load(write_config(tmp_path))
    for path in config.paths.values():
        path.mkdir()
    return config


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_config(root: Path, **changes: Any) -> Path:
    """The example config on this root, which is made, and a free port, with changes to its top level."""
    root.mkdir(exist_ok=True)
    document = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    document |= {"paths": {"root": str(root)}, "http": {"address": "127.0.0.1", "port": free_port()}}
    document |= {"service": {"poll_seconds": 0.02, "stall_seconds": 60}, **changes}
    path = root / "pipeline.yml"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def v1_config(root: Path, port: int = 0) -> Path:
    """The config of V1 on this root."""
    config = yaml.safe_load((V1 / "pipeline.yml").read_text(encoding="utf-8"))
    config["pipeline"]["root"] = str(root)
    config["pipeline"]["phases"]["ingestion"]["poll_seconds"] = 0.02
    config["observability"]["health"]["port"] = port
    path = root / "v1.yml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
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
        said, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said

    def drop(self, name: str, content: bytes) -> None:
        """Lay a tape into the inbox as a deliverer does: all of it at once, and without an entry in the ledger."""
        part = self.root / "inbox" / f".{name}.part"
        part.write_bytes(content)
        part.rename(self.root / "inbox" / name)

    def ended(self, room: str, name: str) -> list[Path]:
        """What a tape of this name has become in a room."""
        return list((self.root / room).glob(f"*__{name}"))

    def deliver(self, count: int = 2, rows: int = 200) -> None:
        """So many sound tapes through the ledger, each done before the next comes."""
        deliverer = Deliverer(self.root)
        for _ in range(count):
            wait_for(partial(self.ended, "done", deliverer.deliver("A", rows)))

    def tapes(self) -> list[Path]:
        """The delivered tapes that are done, in their order."""
        return sorted((self.root / "done").glob("*__tape-*"), key=lambda path: path.name.partition("__")[2])


@contextmanager
def altered(path: Path, change: Callable[[bytes], bytes] | None = None) -> Iterator[None]:
    """A file with other content for a while; without a change, a file or directory that is gone. Who has it open keeps it."""
    aside = path.with_name(f".aside-{path.name}")
    path.rename(aside)
    try:
        if change is not None:
            path.write_bytes(change(aside.read_bytes()))
        yield
    finally:
        aside.replace(path)


@contextmanager
def serving(root: Path, code: Path = ROOT, **environment: str) -> Iterator[Running]:
    """`kpi serve` on this root, ready; `code` is the directory that has the package."""
    config = root / "pipeline.yml"
    if not config.exists():
        write_config(root)
    with started(kpi_command("serve", "--config", str(config)), "ready", code, **environment) as process:
        yield Running(process, config, root)


@contextmanager
def started(command: list[str], word: str, code: Path = ROOT, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A service that has said the word in its first line; killed at the end where it still runs."""
    variables = {**os.environ, "PYTHONPATH": str(code), **environment}
    with subprocess.Popen(
        command, cwd=code, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert word in first, first + process.stdout.read()
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def kpi_command(*words: str) -> list[str]:
    """`kpi` with these words."""
    return [sys.executable, "-m", "kpi", *words]


def run_kpi(*words: str, code: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """`kpi` in a process of its own, to its end."""
    variables = {**os.environ, "PYTHONPATH": str(code), **environment}
    return subprocess.run(
        kpi_command(*words), cwd=code, env=variables, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def altered_code(
    place: Path, added: Mapping[str, str] | None = None, replaced: Mapping[str, tuple[str, str]] | None = None
) -> Path:
    """A copy of the package in a directory of its own, with text added to the end of modules, or replaced in them."""
    compileall.compile_dir(ROOT / "kpi", quiet=2)  # many programs start from copies
    code = place / "code"
    shutil.copytree(ROOT / "kpi", code / "kpi")
    for module, text in (added or {}).items():
        with (code / "kpi" / module).open("a", encoding="utf-8") as file:
            file.write(text)
    for module, (old, new) in (replaced or {}).items():
        path = code / "kpi" / module
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
    return code


SMALL_SEGMENTS = {"audit/trail.py": ("SEGMENT_BYTES = 1024 * 1024", "SEGMENT_BYTES = 10_000")}
