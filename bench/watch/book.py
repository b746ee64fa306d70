"""The rules that the simulation judges by: those of the checkout, with the table of thresholds as it is by default."""

from pathlib import Path

import yaml

from cutover.monitor.rules.rulebook import RuleBook
from cutover.monitor.rules.rules import load


def book(root: Path) -> RuleBook:
    """The book of rules; the defaults of the one table, and no changes to any rule."""
    declared = yaml.safe_load((root / "roles" / "activation" / "defaults.yml").read_text(encoding="utf-8"))
    return load(root, declared["abaco_thresholds"]["default"], {})
