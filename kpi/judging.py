"""Judge tapes before a cutover: compute each, judge ranges and states, and compare with what V1 recorded for it."""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from kpi.committed import split_key
from kpi.engine import Evaluation, evaluate, refused
from kpi.findings import Finding, RefusedTapeError
from kpi.reading import STRICT
from kpi.tapes.content import Content
from kpi.tapes.rules import InputRules
from kpi.verdict import Verdict, worst

# How far V2 may be from V1 on the same input, as a share of V1: the row kpi_deviation of the table of thresholds. It is here
# too, since V1 and V2 are compared before a cutover, when there is no config of V2's that has the table; a test holds them equal.
DEVIATION = {"warn": 1e-9, "critical": 0.01, "rollback": 0.05}
V1_NAMES = {"PortfolioHealth": "HealthScore"}
V1_DECIMALS = {"PAR30": 2}  # V1 rounds this one and no other


@dataclass(frozen=True)
class TapeJudgement:
    """One tape: its evaluation, and the comparison with V1 where one was asked for."""

    path: Path
    evaluation: Evaluation
    comparison: dict[str, dict[str, Any]] | None
    problem: Finding | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst of its own state and of the comparison."""
        verdicts = [self.evaluation.verdict]
        if self.problem:
            verdicts.append(Verdict.INCONCLUSIVE)
        if self.comparison is not None:
            verdicts += [Verdict(entry["verdict"]) for entry in self.comparison.values()]
        return worst(verdicts)

    @property
    def name(self) -> str:
        """How the tape was delivered: without the key that a committed one has before it."""
        return split_key(self.path.name)[1]

    @property
    def issues(self) -> list[dict[str, str]]:
        """All that keeps it from being a PASS, each with the tape's name."""
        issues = [finding.as_issue(Verdict.FAIL) for finding in self.evaluation.findings]
        issues += [self.problem.as_issue(Verdict.INCONCLUSIVE)] if self.problem else []
        for name, entry in (self.comparison or {}).items():
            if entry["verdict"] != Verdict.PASS:
                difference = f"relative {entry['relative']:.3g}" if "relative" in entry else entry["reason"]
                found = f"V1 {entry['v1']!r}, V2 {entry['v2']!r}: {difference}"
                step = f"find out which of the two is right: `kpi shadow {self.path}` runs both on the tape"
                issues.append(Finding("deviation", f"{self.name}, {name}", found, step).as_issue(entry["verdict"]))
        return [one | {"where": _named(one["where"], self)} for one in issues]

    def as_json(self) -> dict[str, Any]:
        """As `judge --json` shows it."""
        problem = [self.problem.as_json()] if self.problem else []
        return {
            "tape": str(self.path),
            **self.evaluation.as_json(),
            "verdict": str(self.verdict),
            "against_v1": self.comparison,
            "problems": problem,
        }


def _named(where: str, of: TapeJudgement) -> str:
    """A place with the tape's name in it, whatever it was found in."""
    place = where.replace(of.path.name, of.name)
    return place if of.name in place else f"{of.name}, {place}"


def judge_tape(
    path: Path, policy: str, against: Path | None = None, rules: InputRules = STRICT, cluster: str = ""
) -> TapeJudgement:
    """Compute one tape and judge it; `against` is V1's metrics file of it, or the directory that has it."""
    try:
        evaluation = _evaluated(path, policy, rules, cluster)
    except RefusedTapeError as error:
        evaluation = refused(error)
    if against is None:
        return TapeJudgement(path, evaluation, None)
    record, problem = _v1_metrics(against, Content(path.name, path).digest())
    if problem is None and len(evaluation.by_date) > 1:
        step = "judge it by the shadow mode, date by date"
        problem = Finding("several_dates", path.name, "V1 adds up all dates of a tape; V2 does not", step)
    if problem or record is None:
        return TapeJudgement(path, evaluation, None, problem)
    return TapeJudgement(path, evaluation, compare(evaluation, record))


def _evaluated(path: Path, policy: str, rules: InputRules, cluster: str) -> Evaluation:
    if not cluster:
        return evaluate(path, policy, rules)
    from kpi.scale import evaluate_on

    return evaluate_on(path, cluster, policy, rules)


def newest(paths: Sequence[Path], most: int) -> list[Path]:
    """The tapes that are meant: files as they are, and of each directory its newest few. Links in it are not followed."""
    tapes: list[Path] = []
    for path in paths:
        if path.is_dir():
            with os.scandir(path) as entries:
                files = [one for one in entries if one.is_file(follow_symlinks=False) and not one.name.startswith(".")]
            files.sort(key=lambda one: one.stat(follow_symlinks=False).st_mtime_ns)
            tapes += [Path(one) for one in files[-most:]]
        else:
            tapes.append(path)
    return tapes


def compare(evaluation: Evaluation, v1: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each KPI of both: V2's value is given V1's declared rounding first; both and the difference are shown."""
    compared: dict[str, dict[str, Any]] = {}
    for name, result in evaluation.headline.items():
        theirs = v1.get(V1_NAMES.get(name, name))
        ours, decimals = result.value, V1_DECIMALS.get(name)
        entry: dict[str, Any] = {"v1": theirs if is_number(theirs) else None, "v2": ours, "v1_decimals": decimals}
        if ours is None or not is_number(theirs):
            verdict = Verdict.INCONCLUSIVE
            entry["reason"] = f"V2 is {result.status}" if ours is None else "V1 recorded no number"
        else:
            rounded = ours if decimals is None else round(ours, decimals)
            entry["difference"] = rounded - theirs
            entry["relative"] = relative = relative_difference(rounded, float(theirs))
            verdict = Verdict.PASS if relative <= DEVIATION["warn"] else Verdict.WARN
            verdict = Verdict.FAIL if relative > DEVIATION["critical"] else verdict
        compared[name] = {**entry, "verdict": str(verdict)}
    return compared


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether V1 gave a number: NaN and infinity are none, and can neither agree nor differ."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def relative_difference(ours: float, theirs: float) -> float:
    """How far V2 is from V1, as a share of V1."""
    if theirs == 0.0:
        return 0.0 if ours == 0.0 else 1.0  # against nothing, anything is all of it
    return abs(ours - theirs) / abs(theirs)


def _v1_metrics(against: Path, digest: str) -> tuple[dict[str, Any] | None, Finding | None]:
    path = against / f"v1_{digest[:16]}.json" if against.is_dir() else against
    step = "give V1's metrics of this very tape, or its metrics directory"
    try:
        document = json.loads(path.read_bytes())
        metrics, recorded = document["metrics"], document["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, Finding("no_v1_metrics", str(path), f"no metrics of V1: {type(error).__name__}: {error}", step)
    if recorded != digest:
        return None, Finding("other_tape", str(path), f"these are V1's metrics of another tape ({recorded[:16]})", step)
    return (metrics, None) if isinstance(metrics, dict) else (None, Finding("no_v1_metrics", str(path), "none", step))
