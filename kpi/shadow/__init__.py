"""Shadow mode: V1 and V2 both really run on the same frozen tapes, and every difference is reported KPI by KPI.

Nothing is published, and nothing is written but in a scratch directory of our own that is removed at the end. Root reads V1's
unit and config, and becomes V1's user before it opens anything that this user could have put there.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kpi import clock
from kpi.findings import Finding, UsageError
from kpi.shadow.comparing import compare
from kpi.shadow.freezing import frozen
from kpi.shadow.report import document
from kpi.shadow.running import Ran, run_v1, run_v2
from kpi.shadow.unit import V1
from kpi.tapes.rules import InputRules
from kpi.verdict import Verdict


@dataclass(frozen=True)
class Terms:
    """How the two are run: V1, what V2 does with bad rows and how it reads, seconds for each, the scratch directory."""

    v1: V1
    policy: str = "fail"
    rules: InputRules = field(default_factory=InputRules)
    v2_config: Path | None = None
    timeout: float = 120.0
    scratch: Path | None = None

    @property
    def v2_options(self) -> list[str]:
        """V2's own options for one tape."""
        given, default = asdict(self.rules), asdict(InputRules())
        declared = [f"--input={name}={value}" for name, value in given.items() if value != default[name]]
        config = [f"--config={self.v2_config}"] if self.v2_config else []
        return ["--quarantine", self.policy, *declared, *config]


def shadow(tapes: Sequence[Path], terms: Terms) -> tuple[Verdict, dict[str, Any]]:
    """Run both on each tape; the verdict and the document of all."""
    if not tapes:
        step = "name tapes, or a directory that has some"
        raise UsageError(Finding("no_tapes", "TAPE", "no tapes to run", step))
    started = clock.stamp()
    return document([_shadow_one(tape, terms) for tape in tapes], terms.v1, started)


def _shadow_one(tape: Path, terms: Terms) -> dict[str, Any]:
    with frozen(tape, terms.v1.settings, terms.scratch) as input_:
        v1 = run_v1(terms.v1, input_, terms.timeout)
        changes = {"after_v1": input_.change()}
        v2 = run_v2(input_, terms.v2_options, terms.timeout)
        changes["after_v2"] = input_.change()
        result: dict[str, Any] = {
            "tape": str(tape),
            "sha256": input_.sha256,
            "unchanged": not any(changes.values()),
            "v1_version": v1.document.get("version"),
            "v2_release": v2.document.get("release"),
            "ran": {"v1": v1.measured, "v2": v2.measured},
        }
        if trouble := _trouble(v1, v2, changes):
            return {**result, "verdict": str(Verdict.ERROR), "outcome": "not compared", "trouble": trouble, "kpis": {}}
        compared = compare(v1.document, v2.document)
        return {
            **result,
            "trouble": [],
            "verdict": str(compared.verdict),
            "outcome": compared.outcome,
            "v1_refuses": compared.v1_refuses,
            "v2_refuses": compared.v2_refuses,
            "as_of": v2.document["as_of"],
            "dates": len(v2.document["by_date"]) or 1,
            "kpis": compared.kpis,
        }


def _trouble(v1: Ran, v2: Ran, changes: dict[str, str]) -> list[dict[str, str]]:
    """What kept the two from being compared at all."""
    v1_step = "run V1's one-tape command by hand with these --v1, --v1-config and --v1-python, fix it, and run the command again"
    v2_step = "run `kpi compute` on the tape by hand"
    found = [
        Finding("v1_did_not_run", "V1", v1.trouble, v1_step) if v1.trouble else None,
        Finding("v2_did_not_run", "V2", v2.trouble, v2_step) if v2.trouble else None,
        *(
            Finding("input_changed", when.replace("_", " "), change, "find out what writes there; nothing should")
            for when, change in changes.items()
            if change
        ),
    ]
    return [one.as_json() for one in found if one]
