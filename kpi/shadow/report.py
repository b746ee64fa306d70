"""What shadow mode found, over all its tapes: one check for each KPI, one whether both accept the same tapes, one of how they ran."""

from collections.abc import Iterator
from typing import Any

from kpi import clock
from kpi.release import release_id
from kpi.shadow.comparing import AGREE, DIFFER, NEITHER, ONLY_V2, THRESHOLDS
from kpi.shadow.unit import V1
from kpi.verdict import Verdict, worst

Document = dict[str, Any]
LISTED = 10
LEADS = "do not cut over: compare both on the tape by hand, and find out which of the two is right"


def document(tapes: list[Document], v1: V1, started: str) -> tuple[Verdict, Document]:
    """The verdict over all tapes, and the document."""
    verdict = worst(Verdict(tape["verdict"]) for tape in tapes)
    names = dict.fromkeys(name for tape in tapes for name in tape["kpis"])
    checks = {"running": _running(tapes), "acceptance": _acceptance(tapes)}
    checks |= {name: _kpi(name, tapes) for name in names}
    program = {"program": str(v1.program), "config": str(v1.config), "python": v1.python, "user": v1.user}
    return verdict, {
        "release": release_id(),
        "status": str(verdict),
        "verdict": str(verdict),
        "n": len(tapes),
        "started_at": started,
        "timestamp": clock.stamp(),
        "v1": {**program, "version": next((tape["v1_version"] for tape in tapes if tape["v1_version"]), None)},
        "thresholds": THRESHOLDS,
        "checks": checks,
        "issues": [issue for check in checks.values() for issue in check["issues"]],
        "tapes": tapes,
    }


def _running(tapes: list[Document]) -> Document:
    issues = [
        _issue(Verdict.ERROR, f"{_short(tape)}: {one['where']} {one['found']}", one["next"])
        for tape in tapes
        for one in tape["trouble"]
    ]
    sides = {
        side: {
            name: max((tape["ran"][side].get(name, 0.0) for tape in tapes), default=0.0)
            for name in ("seconds", "cpu_seconds", "peak_mb")
        }
        for side in ("v1", "v2")
    }
    unchanged = sum(tape["unchanged"] for tape in tapes)
    words = f"both ran on {len(tapes)} frozen tapes, {unchanged} of them unchanged after both"
    return _check(words, len(tapes), {"unchanged": unchanged, "most": sides}, {}, issues, Verdict.ERROR)


def _acceptance(tapes: list[Document]) -> Document:
    outcomes = {name: sum(tape["outcome"] == name for tape in tapes) for name in {tape["outcome"] for tape in tapes}}
    issues = []
    for tape in tapes:
        if tape["trouble"] or tape["outcome"] in (AGREE, DIFFER):
            continue
        found = f"{_short(tape)}: {tape['outcome']}"
        found += "".join(f"; {who}: {tape[key]}" for who, key in _REFUSALS if tape[key])
        issues.append(_issue(Verdict(tape["verdict"]), found, _NEXT.get(tape["outcome"], LEADS)))
    compared = sum(tape["outcome"] in (AGREE, DIFFER) for tape in tapes)
    words = f"both accept {compared} of {len(tapes)} tapes"
    return _check(words, len(tapes), {"outcomes": outcomes}, {}, issues, Verdict.INCONCLUSIVE)


_REFUSALS = (("V1", "v1_refuses"), ("V2", "v2_refuses"))
_NEXT = {
    ONLY_V2: "V1 has no KPIs to compare for such a tape: have its owner confirm V2's",
    NEITHER: "no KPI was compared: name a tape that both accept",
}


def _kpi(name: str, tapes: list[Document]) -> Document:
    seen = [(tape, tape["kpis"][name]) for tape in tapes if name in tape["kpis"]]
    largest = max((kpi["relative"] for _, kpi in seen if "relative" in kpi), default=None)
    unrounded = max((kpi["relative_unrounded"] for _, kpi in seen if "relative" in kpi), default=None)
    compared = sum("relative" in kpi for _, kpi in seen)
    issues = list(_differences(name, seen))
    shown = "nothing compared" if largest is None else f"largest relative difference {largest:.3g}"
    values = {"largest_relative": largest, "largest_relative_unrounded": unrounded, "compared": compared}
    return _check(f"{shown} on {compared} tapes", compared, values, THRESHOLDS, issues, Verdict.INCONCLUSIVE)


def _differences(name: str, seen: list[tuple[Document, Document]]) -> Iterator[Document]:
    for tape, kpi in seen:
        if kpi["verdict"] == Verdict.PASS or tape["outcome"] not in (AGREE, DIFFER):
            continue
        found = f"{_short(tape)}: {name}: V1 {kpi['v1']!r}, V2 {kpi['v2_as_v1_rounds']!r}"
        found += f" (relative {kpi['relative']:.3g}, {kpi['level']})" if "relative" in kpi else f" ({kpi['reason']})"
        yield _issue(Verdict(kpi["verdict"]), found, LEADS)


def _check(
    words: str, n: int, values: Document, thresholds: Document, issues: list[Document], otherwise: Verdict
) -> Document:
    """One entry of `checks`; without anything examined it is never PASS."""
    verdicts = [Verdict(issue["verdict"]) for issue in issues] or [Verdict.PASS if n else otherwise]
    return {
        "status": str(worst(verdicts)),
        "words": words,
        "n": n,
        "values": values,
        "thresholds": thresholds,
        "issues": issues[:LISTED],
    }


def _issue(verdict: Verdict, found: str, step: str) -> Document:
    return {"verdict": str(verdict), "found": found, "next": step}


def _short(tape: Document) -> str:
    name = str(tape["tape"]).rpartition("/")[2]
    return name.partition("__")[2] or name
