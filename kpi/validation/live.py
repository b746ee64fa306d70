"""What the running service says of itself, and the tapes that it has run since it was started."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpi.audit import Record, Verification, verify
from kpi.config import PipelineConfig
from kpi.inbox import REASON, split_key
from kpi.outputs import output_paths
from kpi.validation.report import Check
from kpi.verdict import Verdict

ANSWER_SECONDS = 5.0


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


def ask_health(config: PipelineConfig) -> Health:
    """GET /healthz."""
    status, body, error = _get(config, "/healthz")
    if error:
        return Health(0, {}, error)
    try:
        document = json.loads(body)
    except ValueError:
        return Health(status, {}, "/healthz does not answer in JSON")
    return Health(status, document) if isinstance(document, dict) else Health(status, {}, "/healthz is no JSON object")


def ask_metrics(config: PipelineConfig) -> dict[str, float]:
    """GET /metrics, as sample name with labels -> value; empty when there is no answer."""
    _, body, error = _get(config, "/metrics")
    samples = [line.rpartition(" ") for line in body.splitlines() if line and not line.startswith("#")]
    return {} if error else {name: float(value) for name, _, value in samples}


def _get(config: PipelineConfig, path: str) -> tuple[int, str, str]:
    address, port = config.address
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}:{port}{path}", timeout=ANSWER_SECONDS) as answer:
            return answer.status, answer.read().decode(), ""
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), ""
    except (OSError, ValueError) as error:
        return 0, "", f"nothing answers on {address}:{port}{path}: {error}"


def read_trail(config: PipelineConfig) -> Verification:
    """The audit trail; read again when it was caught in the middle of a write."""
    seen = verify(config.paths["audit"])
    return verify(config.paths["audit"]) if seen.problems else seen


def since_start(records: list[Record]) -> list[Record]:
    """The records from the service's last start on: earlier ones may be of a release that was rolled back."""
    starts = [at for at, record in enumerate(records) if record["event"] == "service_started"]
    return records[starts[-1] :] if starts else []


def production_runs(records: list[Record]) -> list[Record]:
    """The runs on production tapes among these records, accepted or not; a tape done again counts once."""
    ends = {"run_completed", "run_failed"}
    runs = [one for one in records if one["event"] in ends and not one["details"]["canary"]]
    return list({one["details"]["sha256"]: one for one in runs}.values())


def service_is_down(check: Check, health: Health) -> bool:
    """Whether a check of the live service has nothing to go by; then it FAILs, since a silent service serves nobody."""
    if health.why_not:
        step = "systemctl status and the journal say more"
        check.blame(Verdict.FAIL, "service_not_ready", health.why_not, step)
    return bool(health.why_not)


def committed_here(config: PipelineConfig) -> dict[str, str]:
    """Production tapes that were committed and have outputs of V2 beside them: name by digest."""
    found: dict[str, str] = {}
    for room in ("done", "rejected"):
        for path in config.paths[room].iterdir():
            digest, name = split_key(path.name)
            if digest and not path.name.endswith(REASON) and _manifest(config, digest).is_file():
                found[digest] = name
    return found


def _manifest(config: PipelineConfig, digest: str) -> Path:
    return output_paths(config.paths["metrics"], digest, ())["manifest"]


def memory_mb(pid: int) -> float | None:
    """Resident memory of the service and its children, in MB; None where it cannot be read."""
    sizes = [_resident_kb(process) for process in _family(pid)]
    known = [size for size in sizes if size is not None]
    return round(sum(known) / 1024.0, 1) if known else None


def _family(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        children = [int(child) for child in listed.read_text().split()]
    except OSError:
        children = []  # the kernel may not list them; the service itself has none
    return [pid, *(one for child in children for one in _family(child))]


def _resident_kb(pid: int) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None  # the caller says that it could not be measured
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), None)
