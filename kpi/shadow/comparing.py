"""V1's and V2's value of each KPI: absolute and relative difference, unrounded and as V1 rounds; and the verdict."""

from dataclasses import dataclass
from typing import Any

from kpi.judging import DEVIATION, V1_DECIMALS, V1_NAMES, is_number, relative_difference
from kpi.verdict import Verdict, worst

THRESHOLDS = {"warn": DEVIATION["warn"], "critical": DEVIATION["critical"], "roll back": DEVIATION["rollback"]}
AGREE, DIFFER = "agree", "differ"
ONLY_V1, ONLY_V2, NEITHER = "only V1 accepts it", "only V2 accepts it", "both refuse it"


@dataclass(frozen=True)
class Compared:
    """What came of one tape: whether they agree, the KPIs, and both refusals."""

    outcome: str
    verdict: Verdict
    kpis: dict[str, dict[str, Any]]
    v1_refuses: str
    v2_refuses: str


def compare(v1: dict[str, Any], v2: dict[str, Any]) -> Compared:
    """Compare what the two programs printed for the same tape."""
    v1_refuses = str(v1.get("error", ""))
    v2_refuses = "; ".join(f"{one['code']}: {one['found']}" for one in v2["findings"])
    theirs = v1.get("metrics") or {}
    kpis = {name: _kpi(name, theirs, result) for name, result in v2["kpis"].items()}
    if v1_refuses and v2_refuses:
        # They agree, but not one value was compared.
        return Compared(NEITHER, Verdict.INCONCLUSIVE, kpis, v1_refuses, v2_refuses)
    if v1_refuses:
        return Compared(ONLY_V2, Verdict.INCONCLUSIVE, kpis, v1_refuses, "")
    if v2_refuses:
        return Compared(ONLY_V1, Verdict.FAIL, kpis, "", v2_refuses)
    verdict = worst(Verdict(kpi["verdict"]) for kpi in kpis.values())
    return Compared(AGREE if verdict is Verdict.PASS else DIFFER, verdict, kpis, "", "")


def _kpi(name: str, theirs: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    v1_name, decimals, ours = V1_NAMES.get(name, name), V1_DECIMALS.get(name), result["value"]
    value: Any = theirs.get(v1_name)
    entry: dict[str, Any] = {
        "v1_name": v1_name,
        "v1": value if is_number(value) else None,
        "v2": ours,
        "v1_decimals": decimals,
        "v2_as_v1_rounds": None if ours is None else _as_v1_rounds(ours, decimals),
    }
    reason = _why_not_compared(value, v1_name in theirs, result)
    if reason:
        return {**entry, "level": "", "reason": reason, "verdict": str(_without_number(value, v1_name in theirs))}
    number = float(value)
    rounded = _as_v1_rounds(ours, decimals)
    relative = relative_difference(rounded, number)
    level = next((name for name in ("roll back", "critical", "warn") if relative > THRESHOLDS[name]), "")
    verdict = {"": Verdict.PASS, "warn": Verdict.WARN}.get(level, Verdict.FAIL)
    return {
        **entry,
        "difference": rounded - number,
        "relative": relative,
        "difference_unrounded": ours - number,
        "relative_unrounded": relative_difference(ours, number),
        "level": level,
        "reason": "",
        "verdict": str(verdict),
    }


def _why_not_compared(value: Any, given: bool, result: dict[str, Any]) -> str:
    if given and not is_number(value):
        return f"V1 gives {value!r}, which is not a number"
    if not given:
        return "V1 has no such KPI"
    return "" if result["value"] is not None else f"V2: {result['status']}: {result['reason']}"


def _without_number(value: Any, given: bool) -> Verdict:
    """NaN from V1 is a fault; a missing value leaves nothing to compare."""
    return Verdict.FAIL if given and not is_number(value) else Verdict.INCONCLUSIVE


def _as_v1_rounds(value: float, decimals: int | None) -> float:
    return value if decimals is None else round(value, decimals)
