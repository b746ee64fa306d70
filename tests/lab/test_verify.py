"""Judging alone: the checks of a phase, by `verify` and by plain pytest, and the five checks of `validate`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.fleet import fresh_checkout
from tests.lab.support import CHECKS, DATA, V2, Checkout, Hosts

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def on_v2(fleet: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """Two hosts that were cut over."""
    fleet.reset()
    checkout = fresh_checkout(tmp_path_factory.mktemp("verify") / "checkout", fleet)
    done = checkout.yes("cutover", "--serial", "100%", hosts="lab1:lab2")
    assert done.code == 0, str(done)
    yield checkout
    fleet.reset()


def plain_pytest(checkout: Checkout, *options: str) -> subprocess.CompletedProcess[str]:
    """Pytest as a CI runs it."""
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    home = {**os.environ, "HOME": str(checkout.root)}
    return subprocess.run(argv, cwd=checkout.root, env=home, capture_output=True, text=True, check=False)


def reported(checkout: Checkout, host: str) -> dict[str, Any]:
    """What the newest validation says of a host."""
    newest = max((checkout.root / ".cutover" / "validations").iterdir())
    report: dict[str, Any] = json.loads((newest / "hosts" / host / "production_validation_report.json").read_text())
    return report


def test_verify_of_a_phase_passes_and_writes_junit(on_v2: Checkout, tmp_path: Path) -> None:
    junit = tmp_path / "activation.xml"
    answer = on_v2.ask("verify", "--phase", "activation", "--junit", str(junit), hosts="lab1:lab2")
    assert answer.code == 0, str(answer)
    cases = ET.parse(junit).getroot().iter("testcase")  # noqa: S314 - our own file
    names = [case.get("name") or "" for case in cases]
    assert len(names) == 12
    assert {name.partition("[")[2] for name in names} == {"lab1]", "lab2]"}


def test_verify_of_a_phase_that_does_not_hold_fails(on_v2: Checkout) -> None:
    answer = on_v2.ask("verify", "--phase", "preflight", hosts="lab1")
    assert answer.code == 9, str(answer)

    assert {one["host"] for one in answer.errors} == {"lab1"}
    assert any("old" in one["path"] and one["next"] for one in answer.errors)


@pytest.fixture
def silent(on_v2: Checkout) -> Iterator[Checkout]:
    """The same hosts, and nobody listens where lab2 is said to be."""
    own = on_v2.inventory / "host_vars" / "lab2.yml"
    own.parent.mkdir(exist_ok=True)
    assert not own.exists()
    own.write_text("ansible_port: 1\n")
    yield on_v2
    own.unlink()


def test_verify_with_a_silent_host_judges_the_other_and_its_junit_is_not_green(
    silent: Checkout, tmp_path: Path
) -> None:
    junit = tmp_path / "activation.xml"
    answer = silent.ask("verify", "--phase", "activation", "--junit", str(junit), hosts="lab1:lab2")
    assert answer.code == 10, str(answer)
    assert {host: one["verdict"] for host, one in answer.document["hosts"].items()} == {"lab1": "PASS", "lab2": "ERROR"}
    assert [one["host"] for one in answer.errors] == ["lab2"]
    suite = next(ET.parse(junit).getroot().iter("testsuite"))  # noqa: S314 - our own file
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("12", "0", "6")
    assert "Connection refused" in (next(suite.iter("error")).get("message") or "")


def test_plain_pytest_with_a_silent_host_runs_the_other_ones_checks(silent: Checkout, tmp_path: Path) -> None:
    junit = tmp_path / "checks.xml"
    where = ["--hosts=lab1:lab2", f"--inventory={silent.inventory}", f"--junit-xml={junit}"]
    done = plain_pytest(silent, "roles/standard/checks/activation.py", *where)
    assert done.returncode == 1, done.stdout + done.stderr
    suite = next(ET.parse(junit).getroot().iter("testsuite"))  # noqa: S314 - our own file
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("10", "0", "5")
    unjudged = [case.get("name", "") for case in suite.iter("testcase") if case.find("error") is not None]
    assert {name.partition("[")[2] for name in unjudged} == {"lab2]"}


def test_nobody_reached_is_no_judgement(silent: Checkout) -> None:
    for command in ("status", "verify", "validate", "shadow"):
        answer = silent.ask(command, hosts="lab2")
        assert answer.code == 10, str(answer)
        assert list(answer.document["hosts"]) == ["lab2"]
        assert "Connection refused" in answer.errors[0]["found"]
    assert len(reported(silent, "lab2")["checks"]) == 5


def test_plain_pytest_runs_the_same_checks_on_the_hosts(on_v2: Checkout, tmp_path: Path) -> None:
    junit = tmp_path / "checks.xml"
    where = ["--hosts=lab1:lab2", f"--inventory={on_v2.inventory}", f"--junit-xml={junit}"]
    done = plain_pytest(on_v2, "roles/standard/checks/activation.py", *where, "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 passed" in done.stdout
    assert "[lab2]" in done.stdout
    suite = next(ET.parse(junit).getroot().iter("testsuite"))  # noqa: S314 - our own file
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("10", "0", "0")


def test_plain_pytest_fails_where_a_check_fails(on_v2: Checkout) -> None:
    done = plain_pytest(on_v2, "roles/standard/checks/preflight.py", "--hosts=lab1", f"--inventory={on_v2.inventory}")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "test_old_unit_runs_and_is_enabled[lab1]" in done.stdout


def test_plain_pytest_without_hosts_never_checks_this_machine(on_v2: Checkout) -> None:
    done = plain_pytest(on_v2, "roles/standard/checks/activation.py")
    assert done.returncode in (2, 4), done.stdout + done.stderr
    assert "--hosts" in done.stdout + done.stderr
    assert "passed" not in done.stdout


def test_validate_judges_the_live_service_by_the_five_checks(on_v2: Checkout) -> None:
    answer = on_v2.ask("validate", hosts="lab1:lab2")
    assert answer.code == 0, str(answer)
    for host in ("lab1", "lab2"):
        checks = reported(on_v2, host)["checks"]
        assert {name: check["status"] for name, check in checks.items()} == dict.fromkeys(CHECKS, "PASS")
        assert checks["data_integrity"]["n"] > 3


def test_validate_fails_when_an_output_is_gone(on_v2: Checkout, fleet: Hosts) -> None:
    fleet.inside("lab2", f"systemctl stop lab-tapes.service; sleep 0.5; rm {DATA}/metrics/latest.json")
    answer = on_v2.ask("validate", hosts="lab1:lab2")
    assert answer.code == 9, str(answer)
    assert reported(on_v2, "lab1")["status"] == "PASS"
    assert any("latest.json" in issue["found"] for issue in reported(on_v2, "lab2")["issues"])
    assert {one["host"] for one in answer.errors} == {"lab2"}
    fleet.inside("lab2", "systemctl start lab-tapes.service")


def test_validate_fails_when_a_tape_is_lost(on_v2: Checkout, fleet: Hosts) -> None:
    fleet.inside("lab1", f'rm "$(ls -d {DATA}/done/*tape* | head -1)"')
    answer = on_v2.ask("validate", hosts="lab1")
    assert answer.code == 9, str(answer)
    assert reported(on_v2, "lab1")["checks"]["data_integrity"]["values"]["lost"] == 1


def test_validate_of_a_stopped_service_is_no_pass(on_v2: Checkout, fleet: Hosts) -> None:
    fleet.inside("lab1", f"systemctl stop {V2}")
    answer = on_v2.ask("validate", hosts="lab1")
    assert answer.code in (9, 10), str(answer)


def test_the_way_back_by_hand_is_as_the_runbook_says(on_v2: Checkout, fleet: Hosts) -> None:
    text = (on_v2.root / "roles" / "abaco" / "runbook.md").read_text().partition("## Rollback by hand")[2]
    script = text.partition("```sh\n")[2].partition("```")[0]
    (run,) = (path.name for path in (on_v2.root / ".cutover" / "runs").iterdir())
    fleet.inside("lab2", script.replace("RUN=...", f"RUN={run}"))
    answer = on_v2.ask("verify", "--phase", "rollback", "--run", run, hosts="lab2")
    # Nothing ended badly; the new release's files were kept beside the backup, not where a rollback keeps them.
    assert answer.code == 8, str(answer)
    assert [one["path"] for one in answer.errors] == ["rollback.what_the_new_release_wrote_is_kept"]
    assert "its state stays as it is" in fleet.inside("lab2", script.replace("RUN=...", f"RUN={run}"))
