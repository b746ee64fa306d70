"""Promtool takes the rules, and each alert fires just past its limit and not just short of it."""

import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from cutover.report.prometheus import folder
from kpi.validation.live import ask_metrics
from tests.checkout import ROOT
from tests.kpi.conftest import serving, wait_for
from tests.monitor.watch_samples import shipped, table
from tests.report.prometheus.prometheus_cases import (
    SHORT,
    STEP,
    alerts,
    asked,
    cases,
    document,
    flat,
    own,
    rules,
    steps,
)
from tests.report.prometheus.test_grafana import exprs

needs_promtool = pytest.mark.tool("promtool")


def needed(rule: str) -> list[dict[str, Any]]:
    """The alerts of one rule of the book, and what is recorded for them."""
    signal = next(one.signal.name for one in shipped().rules if one.name == rule)
    recorded = [one for one in rules() if re.match(rf"abaco:({signal}|idle)\b", one.get("record", ""))]
    return recorded + own(rule)


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


@needs_promtool
def test_promtool_takes_the_rules() -> None:
    promtool("check", "rules", "--lint-fatal", str(ROOT / folder("abaco") / "rules.yml"))


def test_every_alert_has_cases_on_both_sides_of_its_limit() -> None:
    found = cases(table())
    sides = {(case.rule, case.level, case.fires) for case in found}
    wanted = {(one["labels"]["rule"], one["labels"]["severity"]) for one in alerts()} - {("seen", "critical")}
    assert sides == {(*one, fires) for one in wanted for fires in (True, False)}
    assert len({case.instance for case in found}) == len(found)


@needs_promtool
@pytest.mark.parametrize("rule", sorted({case.rule for case in cases(table())}))
def test_an_alert_fires_past_its_limit_and_not_short_of_it(tmp_path: Path, rule: str) -> None:
    tried(tmp_path, needed(rule), document("rules.yml", [case for case in cases(table()) if case.rule == rule]))


@needs_promtool
def test_no_service_at_all_and_figures_that_are_missing_are_findings(tmp_path: Path) -> None:
    there = {"up": flat(1), "abaco_ready": f"1+0x{steps(SHORT - 300)} stale _x20"}
    series = [{"series": f'{name}{{job="abaco", instance="x"}}', "values": values} for name, values in there.items()]
    missing, unseen = 'alertname="AbacoNotMeasured", instance="x", metric="abaco_ready"', 'alertname="AbacoSeen"'
    here = [asked(missing, 600, fires=False), asked(missing, SHORT, fires=True), asked(unseen, SHORT, fires=False)]
    nowhere = [asked(unseen, 45, fires=False), asked(unseen, 90, fires=True)]
    tests = [
        {"interval": "15s", "input_series": series, "promql_expr_test": here},
        {"interval": "15s", "input_series": [], "promql_expr_test": nowhere},
    ]
    tried(tmp_path, rules(), {"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": tests})


@pytest.mark.process
def test_a_service_that_has_just_begun_shows_every_metric_that_must_always_be_there(tmp_path: Path) -> None:
    (tmp_path / "arrivals.jsonl").touch()
    with serving(tmp_path) as running:
        seen = wait_for(lambda: "abaco_tapes_lost" in (now := ask_metrics(running.config)) and now)
    shown = {name.partition("{")[0] for name in seen}
    mapping = yaml.safe_load((ROOT / "roles" / "abaco" / "prometheus.yml").read_text())
    assert set(mapping["always"]) <= shown
    recorded = " ".join(rule["expr"] for rule in rules() if "record" in rule)
    assert set(re.findall(r"\b(?:abaco|process)_\w+", recorded)) - shown == {"abaco_kpi"}  # which needs a tape


@needs_promtool
def test_promtool_takes_what_a_service_shows(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        with urlopen(f"http://127.0.0.1:{running.config.address[1]}/metrics", timeout=5) as answer:
            text = answer.read()
        assert running.stop()[0] == 0
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@needs_promtool
def test_promtool_parses_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    listed = [{"record": f"x:{at}", "expr": expr} for at, expr in enumerate(exprs())]
    (tmp_path / "all.yml").write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": listed}]}))
    promtool("check", "rules", str(tmp_path / "all.yml"))
