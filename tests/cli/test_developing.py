"""`check` looks at all that it says it looks at."""

import shlex
import subprocess
import sys

from cutover.cli.develop import CHECKS
from tests.checkout import ROOT


def test_check_sees_rules_of_the_rooms_and_every_generated_file() -> None:
    python, *arguments = shlex.split(CHECKS["architecture and generated documents"])
    assert python == ".venv/bin/python"
    listed = subprocess.run(
        [sys.executable, *arguments, "--collect-only"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "tests/architecture/test_imports.py::test_rule_is_kept[order of rooms]" in listed
    assert "test_runbook.py::test_the_runbook_of_the_service_is_up_to_date" in listed
    assert "test_prometheus.py::test_the_rules_are_up_to_date" in listed
