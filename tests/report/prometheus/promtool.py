"""The generated rules, and promtool to hold them against; where it is missing, tests say so and are skipped, but never in CI."""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from cutover.report.prometheus import files
from tests.checkout import ROOT
from tests.monitor.watch_samples import shipped
from tests.report.prometheus.prometheus_cases import STEP

RULES, DASHBOARD = Path("prometheus", "rules.yml"), Path("prometheus", "dashboard.json")
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None and not os.environ.get("CI"),
    reason="promtool is missing: apt-get install --no-install-recommends prometheus (CI has it by `./invokew test`)",
)


@cache
def rules() -> list[dict[str, Any]]:
    """What prometheus/rules.yml holds."""
    (group,) = yaml.safe_load(files("abaco", ROOT)[RULES])["groups"]
    assert group["interval"] == f"{STEP}s"
    found: list[dict[str, Any]] = group["rules"]
    return found


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule and "rule" in rule["labels"]]


def own(rule: str) -> list[dict[str, Any]]:
    """The alerts of one rule of the book, and what is recorded for them."""
    signal = next(one.signal.name for one in shipped().rules if one.name == rule)
    recorded = [one for one in rules() if re.match(rf"abaco:({signal}|idle)\b", one.get("record", ""))]
    return recorded + [one for one in alerts() if one["labels"]["rule"] == rule]


def promtool(*words: str) -> None:
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def tried(folder: Path, listed: list[dict[str, Any]], test: dict[str, Any]) -> None:
    """Have promtool run a test over these rules."""
    interval = f"{STEP}s"
    group = {"name": "abaco", "interval": interval, "rules": listed}
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [group]}, width=10**6))
    (folder / "test.yml").write_text(yaml.safe_dump(test, width=10**6))
    promtool("test", "rules", str(folder / "test.yml"))
