"""What the running service says of itself, and the tapes that it has run since it was started."""

import json
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpi import clock
from kpi.audit import Record, Verification, is_production_end, older_than, verify
from kpi.checking import Check
from kpi.committed import REASON, split_key
from kpi.config import PipelineConfig
from kpi.outputs import output_paths
from kpi.verdict import Verdict

ANSWER_SECONDS = 5.0
CHUNK_BYTES = 65536


@dataclass(frozen=True)
class Health:
    """The answer to /healthz; `error` says why there is none."""

    status: int
    document: dict[str, Any]
    error: str = ""

    @property
    def why_not(self) -> str:
        """Why the service cannot be relied on; empty when it can."""
        if self.error:
            return self.error
        if self.status != 200 or self.document.get("ready") is not True:
            return f"/healthz answers {self.status}, not ready: {self.document.get('reason') or 'no reason given'}"
        return ""


def ask_health(config: PipelineConfig, seconds: float = ANSWER_SECONDS) -> Health:
    """GET /healthz, which is to answer within so many seconds."""
    status, body, error = _get(config, "/healthz", seconds)
    if error:
        return Health(0, {}, error)
    try:
        document = json.loads(body)
    except ValueError:
        return Health(status, {}, "/healthz does not answer in JSON")
    return (
        Health(status, document) if isinstance(document, dict) else Health(status, {}, "/healthz is not a JSON object")
    )


def ask_metrics(config: PipelineConfig, seconds: float = ANSWER_SECONDS) -> dict[str, float]:
    """GET /metrics, as sample name with labels -> value; empty when there is no answer, or none that can be read."""
    _, body, error = _get(config, "/metrics", seconds)
    samples = [line.rpartition(" ") for line in body.splitlines() if line and not line.startswith("#")]
    try:
        return {} if error else {name: float(value) for name, _, value in samples}
    except ValueError:
        return {}  # the checks name what is missing


def _get(config: PipelineConfig, path: str, seconds: float = ANSWER_SECONDS) -> tuple[int, str, str]:
    """Status, body, and why there is none. By hand: the library's client costs three times as much as the snapshot that it is for."""
    address, port = config.address
    try:
        answer = _exchange((address, port), f"GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n".encode(), seconds)
        head, ended, body = answer.partition(b"\r\n\r\n")
        version, status, _ = head.split(b" ", 2)
        if not ended or not version.startswith(b"HTTP/"):
            raise ValueError("what answers does not speak HTTP")
        return int(status), body.decode(), ""
    except (OSError, ValueError) as error:
        return 0, "", f"nothing answers on {address}:{port}{path}: {error}"


def _exchange(address: tuple[str, int], question: bytes, seconds: float) -> bytes:
    """Send, and read to the end; TimeoutError where that takes longer, however the answer drips in."""
    deadline = time.monotonic() + seconds
    with socket.create_connection(address, seconds) as peer:
        peer.sendall(question)
        parts: list[bytes] = []
        while not parts or parts[-1]:
            peer.settimeout(max(0.001, deadline - time.monotonic()))
            parts.append(peer.recv(CHUNK_BYTES))
    return b"".join(parts)


def read_trail(config: PipelineConfig, *, full: bool = False, newest: bool = False) -> Verification:
    """The audit trail; read again when it was caught in the middle of a write."""
    seen = verify(config.paths["audit"], full=full, newest=newest)
    return verify(config.paths["audit"], full=full, newest=newest) if seen.problems else seen


def since_start(config: PipelineConfig, seen: Verification, enough: int) -> list[Record]:
    """The records from the service's last start on: earlier ones may be of a release that was rolled back.

    Of a service that has been running for long only so many that `enough` production runs are among them.
    """
    records = seen.records
    older = older_than(config.paths["audit"], records[0]["seq"]) if records else iter(())
    while True:
        starts = [at for at, record in enumerate(records) if record["event"] == "service_started"]
        if starts:
            return records[starts[-1] :]
        before = next(older, []) if len(production_runs(records)) < enough else []
        if not before:
            return records
        records = [*before, *records]


def window_start(seen: Verification) -> float:
    """Since when the records at hand are complete, in seconds since 1970."""
    return clock.parse(seen.records[0]["at"]).timestamp() if seen.segments > 1 else 0.0


def production_runs(records: list[Record]) -> list[Record]:
    """The runs on production tapes among these records, accepted or not; a tape done again counts once."""
    return list({one["details"]["sha256"]: one for one in records if is_production_end(one)}.values())


def service_is_down(check: Check, health: Health) -> bool:
    """Whether a check of the live service has nothing to go by; then it FAILs, since a silent service serves nobody."""
    if health.why_not:
        step = "systemctl status and the journal say more"
        check.blame(Verdict.FAIL, "service_not_ready", health.why_not, step)
    return bool(health.why_not)


@dataclass(frozen=True)
class CommittedTape:
    """A production tape that was committed and has outputs of V2: its digest, its name, when they were written."""

    digest: str
    name: str
    written_at: float


def committed_here(config: PipelineConfig) -> list[CommittedTape]:
    """Production tapes that were committed and have outputs of V2 beside them."""
    found = []
    for room in ("done", "rejected"):
        for path in config.paths[room].iterdir():
            digest, name = split_key(path.name)
            manifest = output_paths(config.paths["metrics"], digest, ())["manifest"]
            if digest and not path.name.endswith(REASON) and manifest.is_file():
                found.append(CommittedTape(digest, name, manifest.stat().st_mtime))
    return found


def unreasoned(config: PipelineConfig) -> list[str]:
    """Tapes in rejected/ that have no reason file beside them; it is written before the tape gets there."""
    names = {path.name for path in config.paths["rejected"].iterdir() if path.is_file()}
    return sorted(
        name for name in names if split_key(name)[0] and not name.endswith(REASON) and name + REASON not in names
    )


def tape_of(latest: dict[str, Any]) -> dict[str, Any]:
    """Name and digest of the tape that latest.json is of; V1, whose file it may still be, has them elsewhere. Empty for none."""
    tape = latest.get("tape")
    if isinstance(tape, dict):
        return tape
    return {"name": tape, "sha256": latest.get("sha256")} if tape else {}


def read_json(path: Path) -> dict[str, Any]:
    """The document in a file; empty when there is none or it cannot be read, which the checks then name."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
