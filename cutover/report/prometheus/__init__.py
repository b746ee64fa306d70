"""roles/<service>/prometheus/: alerting rules and a Grafana dashboard from the book of rules of the watch. Never written by hand.

`files` says what is to be written; prometheus.yml of the service says how Prometheus has each signal.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cutover.core.checkout import CHECKOUT
from cutover.monitor.rules import load_for
from cutover.plan.service import load_service
from cutover.report.prometheus.alerts import rule_file
from cutover.report.prometheus.dashboard import dashboard
from cutover.report.prometheus.mapping import load_mapping
from cutover.report.prometheus.queries import Queries
from cutover.report.runbook import example_variables

MAPPING = "prometheus.yml"  # how Prometheus has each signal
LOOK = "watch_look_s"  # the variable that says how often hosts are looked at; Prometheus scrapes as often

__all__ = ["files", "write"]


def files(service: str, root: Path = CHECKOUT, variables: Mapping[str, Any] | None = None) -> dict[Path, str]:
    """Each file below `root` and its text; by default, or with the variables of an environment. UsageError with all problems."""
    known = example_variables(root, service) if variables is None else variables
    role = load_service(root, service)
    book = load_for(role, known)
    queries = Queries(book, load_mapping(role.file(MAPPING), book), float(known[LOOK]))
    directory = Path("roles", service, "prometheus")
    return {directory / "rules.yml": rule_file(queries), directory / "dashboard.json": dashboard(queries)}


def write(service: str, root: Path = CHECKOUT) -> list[Path]:
    """Write them anew; what was written."""
    written = []
    for name, text in files(service, root).items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
        written.append(name)
    return written
