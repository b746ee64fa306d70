"""Real input, also where none is delivered just now: the newest tape that V1 has done goes through V2 as a canary, byte for byte.

What V2 makes of it is compared with what V1 recorded for it, by the rules of the shadow mode. It is a canary as the others are: in
their namespace, in no production output and in no count of one.
"""

import os
from pathlib import Path
from typing import Any

from kpi.checking import Check
from kpi.committed import CANARY, split_key
from kpi.config import PipelineConfig
from kpi.pipeline import Delivery
from kpi.shadow.comparing import AGREE, DIFFER, Compared, compare
from kpi.validation.canaries import Canary, CanaryAnswer
from kpi.validation.live import read_json
from kpi.verdict import Verdict

KIND = "v1-tape"
MOST_BYTES = 32 * 1024 * 1024  # well below a second of the service's time
NEWEST = 5  # of them the newest that is small enough and still there
AGAIN = "validate again; if it stays so, `kpi shadow` runs both versions on the tape"
LEADS = "do not use this release's numbers; roll back, then run both on the tape with `kpi shadow`"


def copies(token: str, config: PipelineConfig) -> list[Canary]:
    """The canary, or none where V1 has left no tape with metrics here."""
    records = _records(config.paths["metrics"])
    tapes = _tapes(config.paths["done"], set(records))
    for digest, record in records.items():
        tape = tapes.get(digest)
        if tape is not None and tape.stat().st_size <= MOST_BYTES:
            name = f"{CANARY}{token}-{KIND}{''.join(tape.suffixes[-2:])}"
            return [Canary(KIND, Delivery(name, tape, canary=True, claimed_as=digest), v1=record)]
    return []


def _records(metrics: Path) -> dict[str, dict[str, Any]]:
    """What V1 recorded of its newest tapes, by their digests, the newest first."""
    with os.scandir(metrics) as entries:
        files = [(entry.stat().st_mtime_ns, entry.path) for entry in entries if _is_v1s(entry.name)]
    found = (read_json(Path(path)) for _, path in sorted(files, reverse=True)[:NEWEST])
    return {str(one.get("sha256")): one for one in found if isinstance(one.get("metrics"), dict)}


def _is_v1s(name: str) -> bool:
    return name.startswith("v1_") and name.endswith(".json")


def _tapes(done: Path, wanted: set[str]) -> dict[str, Path]:
    if not wanted:
        return {}
    return {key: path for path in done.iterdir() if (key := split_key(path.name)[0]) in wanted}


def judge_v1_tape(check: Check, answers: list[CanaryAnswer]) -> bool:
    """Judge what V2 made of V1's tape; whether there was one that could be compared."""
    answer = next((one for one in answers if one.canary.kind == KIND), None)
    if answer is None or answer.canary.v1 is None:
        check.values["v1_tape"] = None
        return False
    tape = str(answer.canary.v1.get("tape", answer.canary.delivery.name))
    check.values["v1_tape"] = {"tape": tape, "sha256": answer.canary.delivery.digest, "ended_in": answer.room}
    if not answer.metrics.get("kpis"):
        found = (
            f"V1's tape {tape}, sent as a canary, has no metrics of V2; it ended in {answer.room or 'no place in time'}"
        )
        check.blame(Verdict.INCONCLUSIVE, "v1_tape_unanswered", found, AGAIN)
        return False
    if len(answer.metrics.get("by_date") or {}) > 1:
        found = f"V1's tape {tape} has several dates: V1 adds them up, V2 does not, so nothing was compared"
        check.blame(Verdict.WARN, "v1_tape_of_several_dates", found, "judge it by the shadow mode, date by date")
        return False
    _judge(check, tape, compare(answer.canary.v1, answer.metrics))
    return True


def _judge(check: Check, tape: str, compared: Compared) -> None:
    shown = ("v1", "v2", "v1_decimals", "relative", "verdict")
    kpis = {name: {key: kpi[key] for key in shown if key in kpi} for name, kpi in compared.kpis.items()}
    check.values["v1_tape"] |= {"outcome": compared.outcome, "kpis": kpis}
    if compared.outcome not in (AGREE, DIFFER):
        found = f"V1's tape {tape}: {compared.outcome}: {compared.v2_refuses or compared.v1_refuses}"
        check.blame(compared.verdict, "v1_tape_refused", found, LEADS)
        return
    for name, kpi in compared.kpis.items():
        difference = f"relative {kpi['relative']:.3g}, {kpi['level']}" if "relative" in kpi else kpi["reason"]
        found = f"V1's tape {tape}: {name}: V1 {kpi['v1']!r}, V2 in service {kpi['v2_as_v1_rounds']!r} ({difference})"
        check.judge(kpi["verdict"] == Verdict.PASS, Verdict(kpi["verdict"]), "v1_tape_differs", found, LEADS)
