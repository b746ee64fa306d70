"""A real Prometheus over three real hosts that were cut over: it sees them, judges by the generated rules, and cries when V2 is gone."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from cutover.report.prometheus import queries_of
from cutover.report.runbook import example_variables
from lab.system import until
from tests.checkout import ROOT
from tests.fleet import fresh_checkout
from tests.kpi.conftest import free_port
from tests.lab.support import V2, Hosts
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.lab, pytest.mark.tool("prometheus")]

V2_PORT = 8001
# A look a second, and hold times to match. How busy the machine of these tests is is not what is tested.
HURRIED = {"watch_look_s": 1, "watch_rules": {"running": {"for": {"critical": 2}}, "ready": {"for": {"critical": 2}}}}
BUSY = {"kpi_latency_ms": {"warn": 5000, "critical": 10000, "rollback": 60000}}


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    port: int

    def ask(self, path: str, **options: str) -> Any:
        """What its API answers."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urlencode(options)}"
        with urlopen(url, timeout=5) as answer:
            document = json.load(answer)
        assert document["status"] == "success", document
        return document["data"]

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            self.ask("status/buildinfo")
        except URLError:
            return False
        return True

    def values(self, query: str) -> dict[str, float]:
        """A query's answer by instance."""
        found = self.ask("query", query=query)["result"]
        return {one["metric"].get("instance", ""): float(one["value"][1]) for one in found}

    def firing(self) -> set[tuple[str, str]]:
        """Which rule fires for which host."""
        alerts = [alert for alert in self.ask("alerts")["alerts"] if alert["state"] == "firing"]
        return {(one["labels"].get("rule", "?"), one["labels"].get("instance", "?")) for one in alerts}


@contextmanager
def ended(argv: list[str]) -> Iterator[None]:
    """A program that runs meanwhile."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def configured(folder: Path, ports: dict[str, int]) -> Path:
    """Its config: the hosts by their names, and the rules of this checkout, hurried."""
    variables = {**example_variables(ROOT, "abaco"), **HURRIED, "watch_thresholds": BUSY}
    (folder / "rules.yml").write_text(queries_of("abaco", ROOT, variables).text())
    hosts = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"instance": name, "environment": "lab"}}
        for name, port in ports.items()
    ]
    document = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yml")],
        "scrape_configs": [{"job_name": "abaco", "static_configs": hosts}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(document))
    return folder / "prometheus.yml"


@pytest.fixture
def on_v2(fleet: Hosts, tmp_path: Path) -> Iterator[Hosts]:
    """The hosts with V2 in service, under a stream of tapes."""
    fleet.reset()
    checkout = fresh_checkout(tmp_path / "checkout", fleet)
    done = checkout.yes("cutover", "--serial", "100%")
    assert done.code == 0, str(done)
    yield fleet
    fleet.reset()


@pytest.fixture
def prometheus(on_v2: Hosts, tmp_path: Path) -> Iterator[Prometheus]:
    """One that scrapes the hosts through tunnels, as V2 listens on 127.0.0.1 only."""
    ports = {name: free_port() for name in on_v2.names}
    server = Prometheus(free_port())
    argv = ["prometheus", f"--config.file={configured(tmp_path, ports)}", f"--storage.tsdb.path={tmp_path / 'tsdb'}"]
    with ExitStack() as running:
        for name, port in ports.items():
            tunnel = ("-N", "-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{port}:127.0.0.1:{V2_PORT}")
            running.enter_context(ended(on_v2.ssh_argv(name, *tunnel)))
        running.enter_context(ended([*argv, f"--web.listen-address=127.0.0.1:{server.port}", "--log.level=error"]))
        assert until(server.ready, seconds=PATIENCE_S)
        yield server


def test_it_sees_the_hosts_is_silent_while_all_is_well_and_fires_for_one_that_is_gone(
    prometheus: Prometheus, on_v2: Hosts
) -> None:
    everywhere = set(on_v2.names)
    looked = 'count_over_time(abaco:readiness{environment="lab"}[1m]) >= 5'
    assert until(lambda: set(prometheus.values(looked)) == everywhere, seconds=PATIENCE_S)
    assert prometheus.values('up{job="abaco"}') == dict.fromkeys(everywhere, 1.0)
    for metric in yaml.safe_load((ROOT / "roles" / "abaco" / "prometheus.yml").read_text())["always"]:
        assert set(prometheus.values(f"max by (instance) ({metric})")) == everywhere, metric

    loaded = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert [rule["name"] for rule in loaded if rule["health"] != "ok"] == []
    (written,) = yaml.safe_load((ROOT / "roles" / "abaco" / "prometheus" / "rules.yml").read_text())["groups"]
    names = [rule.get("record") or rule["alert"] for rule in written["rules"]]
    assert [rule["name"] for rule in loaded] == names
    assert prometheus.values("abaco:tapes_lost") == dict.fromkeys(everywhere, 0.0)
    assert all(value > 0 for value in prometheus.values("abaco:latency:9m").values())
    assert all(1 < value < 1000 for value in prometheus.values("abaco:memory").values())
    assert prometheus.firing() == set()

    on_v2.inside("lab1", f"systemctl stop {V2}")
    assert until(lambda: prometheus.firing() == {("running", "lab1")}, seconds=PATIENCE_S), prometheus.firing()
    assert prometheus.values("up") == {name: float(name != "lab1") for name in everywhere}
