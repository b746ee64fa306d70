"""What a validation comes to: `production_validation_report.json`."""

from dataclasses import dataclass
from typing import Any

from kpi import VERSION, clock
from kpi.checking import Check
from kpi.release import release_id
from kpi.validation.live import Health
from kpi.verdict import Verdict, worst


@dataclass(frozen=True)
class Report:
    """The five checks and what follows from them."""

    checks: tuple[Check, ...]
    health: Health

    @property
    def status(self) -> Verdict:
        """The worst of the five."""
        return worst(check.status for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """`production_validation_report.json`."""
        issues = [issue for check in self.checks for issue in check.as_json()["issues"]]
        return {
            "status": str(self.status),
            "timestamp": clock.stamp(),
            "checks": {check.name: check.as_json() for check in self.checks},
            "issues": issues,
            "service": {
                "version": VERSION,
                "release": release_id(),
                "status": self.health.status,
                "health": self.health.document,
                "error": self.health.error,
            },
        }
