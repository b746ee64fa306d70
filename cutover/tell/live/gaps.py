"""How long each host was without service, and what that consisted of: the outcomes of the steps of kind `gap`."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cutover.decide.phases import ROLLBACK
from cutover.decide.plan import HostPlan
from cutover.words.record import Record
from cutover.words.step import Step

KIND = "gap"
PARTS = (
    "stop: told to stop until gone; between: until the other is told to start; start: until it says that it is ready"
)


@dataclass(frozen=True)
class Gap:
    """One measured stretch in seconds; None with the reason where there was nothing to measure."""

    host: str
    step: str
    what: str
    seconds: float | None
    stop: float | None = None
    between: float | None = None
    start: float | None = None
    why: str = ""
    of_v1: bool = False  # from V1's stop to V1's start: V2 may have been in service meanwhile

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {key: value for key, value in asdict(self).items() if key != "host"}


def gaps(records: Iterable[Record], plans: Mapping[str, HostPlan]) -> list[Gap]:
    """All of them, host by host in the order of the plan; of a step that ran more than once the last."""
    steps = {
        (name, step.id): (phase, step)
        for name, plan in plans.items()
        for phase, phase_steps in plan.steps.items()
        for step in phase_steps
        if step.kind == KIND
    }
    found: dict[tuple[str, str], Gap] = {}
    for record in records:
        key = (record.host, str(record.data.get("id")))
        if record.kind == "outcome" and key in steps:
            found.pop(key, None)
            found[key] = _gap(record, *steps[key])
    return sorted(found.values(), key=lambda gap: list(plans).index(gap.host))


def _gap(record: Record, phase: str, step: Step) -> Gap:
    seen = record.data["after"] or {}
    parts = {part: seen.get(f"{part}_s") for part in ("stop", "between", "start")}
    of_v1 = step.args["stopped"] == step.args["started"]
    what = "until V1 was back" if of_v1 else "from V2 to V1" if phase == ROLLBACK.name else "from V1 to V2"
    why = seen.get("why") or record.data["error"] or ""
    return Gap(record.host, step.id, what, seen.get("gap_s"), **parts, why=why, of_v1=of_v1)
