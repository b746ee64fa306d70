"""The rules that the simulation judges by: those of the checkout, with the table of thresholds as it is by default."""

from pathlib import Path

from cutover.monitor.rules import RuleBook, load
from cutover.plan.service import load_service, thresholds


def book(root: Path) -> RuleBook:
    """The book of rules; the defaults of the one table, and no changes to any rule."""
    service = load_service(root, "abaco")
    return load(service.file("rules.yml"), thresholds(service, {}), {})
