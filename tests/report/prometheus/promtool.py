"""The generated rules, and promtool to check them with."""

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from cutover.report.prometheus import generate
from tests.checkout import ROOT
from tests.monitor.watch_samples import shipped
from tests.report.prometheus.prometheus_cases import STEP

needs_promtool = pytest.mark.tool("promtool")


@cache
def rules() -> list[dict[str, Any]]:
    """What rules.yml of the service's Prometheus files holds."""
    (group,) = yaml.safe_load(generate("abaco", ROOT))["groups"]
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
