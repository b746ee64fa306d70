"""Checks over our own connections: never PASS by silence, and never on another host than meant."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from cutover.core.errors import ExitCode, Problem, UsageError
from cutover.core.verdict import Verdict
from cutover.plan.gate import Finding, decide
from cutover.plan.phases import Phase
from cutover.remote.fleet import Fleet
from cutover.remote.transport import DeadlinePassed, Lost, Result
from cutover.run import verify
from cutover.run.checks import Checked, run_checks
from tests.run.fakehosts import host_plan, targets_of

_names = itertools.count(1)
PASSES = '''
def test_it(host):
    """V1 is stopped. If not: stop it."""
    assert host.check_output("systemctl is-active v1") == "inactive"
'''


WARNS = f"import pytest\n@pytest.mark.warn{PASSES}"


class Shell:
    """A host that says the same to whatever it is asked, until it is lost."""

    def __init__(self, name: str) -> None:
        self.name, self.said, self.lost, self.silent = name, "inactive\n", False, False
        self.asked: list[str] = []

    def shell(self, script: str, *, deadline: float) -> Result:
        """What a command on it says."""
        assert deadline > 0
        self.asked.append(script)
        if self.lost:
            raise Lost(self.name, "the connection was lost")
        if self.silent:
            raise DeadlinePassed(self.name, "no answer within 70.0 s")
        return Result(0, self.said.encode(), b"")


class Hosts:
    """Two hosts that answer each by its own name, and checks written for them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.phase = Phase(0, f"phase{next(_names)}", "", "", "")  # a module is imported once in a process
        self.shells = {name: Shell(name) for name in ("a", "b")}

    def check(self, text: str | None) -> list[Finding]:
        """Run checks of this text on both hosts."""
        checks, toy = self.root / "roles" / "standard" / "checks", self.root / "roles" / "toy"
        for folder in (checks, toy):
            folder.mkdir(parents=True, exist_ok=True)
        (toy / "service.yml").write_text("title: Toy\n")
        if text is not None:
            (checks / f"{self.phase.name}.py").write_text(text)
        checked = Checked(self.shells, {name: host_plan(name) for name in self.shells})
        return run_checks(self.root, "toy", self.phase, checked, self.root / "junit.xml")

    def opens(self, findings: list[Finding]) -> bool:
        """Whether the gate would open on it."""
        return decide(self.phase, findings, list(self.shells)).opens


@pytest.fixture
def hosts(tmp_path: Path) -> Hosts:
    return Hosts(tmp_path)


def verdicts(findings: list[Finding]) -> dict[str, Verdict]:
    return {finding.host: finding.verdict for finding in findings}


@pytest.mark.parametrize(
    ("checks", "said", "verdict", "message"),
    [
        (PASSES, "inactive", Verdict.PASS, "V1 is stopped"),
        (PASSES, "active", Verdict.FAIL, "not so: V1 is stopped"),
        (WARNS, "active", Verdict.WARN, "not so: V1 is stopped"),
        (WARNS, "", Verdict.ERROR, "could not be judged: V1 is stopped"),
    ],
)
def test_each_check_is_asked_once_of_each_host_and_says_what_it_proves(
    hosts: Hosts, checks: str, said: str, verdict: Verdict, message: str
) -> None:
    hosts.shells["b"].said, hosts.shells["b"].lost = f"{said}\n", not said
    found = hosts.check(checks)
    assert verdicts(found) == {"a": Verdict.PASS, "b": verdict}
    assert found[1].message.startswith(message)
    assert found[1].next == "stop it."
    assert hosts.opens(found) is verdict.lets_pass
    assert (hosts.root / "junit.xml").read_text().count("<testcase") == 2
    assert len(hosts.shells["a"].asked) == 1


def test_a_service_has_checks_of_its_own_beside_the_standard_ones_of_a_phase(hosts: Hosts) -> None:
    own = hosts.root / "roles" / "toy" / "checks"
    own.mkdir(parents=True)
    (own / f"{hosts.phase.name}.py").write_text(PASSES.replace("V1 is stopped", "The toy is wound up"))
    found = hosts.check(PASSES)
    assert {one.message for one in found} == {"V1 is stopped", "The toy is wound up"}
    assert [one.verdict for one in found] == [Verdict.PASS] * 4


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("def test_it(host):\n    raise ValueError('odd')", Verdict.ERROR),
        ("def test_it(host, no_such_fixture):\n    pass", Verdict.ERROR),
        ("import pytest\ndef test_it(host):\n    pytest.skip('not now')", Verdict.INCONCLUSIVE),
        ("import pytest\n@pytest.mark.skip\ndef test_it(host):\n    pass", Verdict.INCONCLUSIVE),
        ("import pytest\n@pytest.mark.xfail\ndef test_it(host):\n    assert False", Verdict.INCONCLUSIVE),
        (
            "import pytest\n@pytest.fixture\ndef late():\n    yield\n    raise OSError('late')\ndef test_it(host, late):\n    pass",
            Verdict.ERROR,
        ),
        (
            "import pytest\n@pytest.fixture\ndef early():\n    assert False\ndef test_it(host, early):\n    pass",
            Verdict.FAIL,
        ),
    ],
    ids=["error", "missing fixture", "skip", "skip mark", "xfail", "teardown", "setup"],
)
def test_what_did_not_pass_never_opens_the_gate(hosts: Hosts, text: str, verdict: Verdict) -> None:
    found = hosts.check(text)
    assert {finding.host for finding in found} == {"a", "b"}
    assert {finding.verdict for finding in found} - {Verdict.PASS} == {verdict}
    assert not hosts.opens(found)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "def helper(host):\n    assert True",
        "import no_such_module",
        "def test_it(host:\n    pass",
        "import pytest\npytest.skip('all of it', allow_module_level=True)",
        "import sys\nsys.exit(0)",
        "raise KeyError('x')",
        "import pytest\npytest.exit('enough', returncode=0)\n",
    ],
    ids=["no file", "empty", "no check", "import", "syntax", "module skip", "exit 0", "raises", "pytest.exit"],
)
def test_checks_that_do_not_run_are_an_error_of_every_host(hosts: Hosts, text: str | None) -> None:
    found = hosts.check(text)
    assert verdicts(found) == {"a": Verdict.ERROR, "b": Verdict.ERROR}
    assert not hosts.opens(found)


@pytest.mark.parametrize(("silent", "code"), [([], ExitCode.USAGE), ([Problem("gone", "look", "b")], None)])
def test_a_run_that_nobody_knows_is_wrong_usage_only_where_everybody_answers(
    monkeypatch: pytest.MonkeyPatch, silent: list[Problem], code: ExitCode | None
) -> None:
    fleet = cast("Fleet", SimpleNamespace(agents={"a": None, "b": None}))
    monkeypatch.setattr(verify, "known_run", lambda *_: (None, silent))
    if code is not None:
        with pytest.raises(UsageError):
            verify.run_to_check(fleet, targets_of(Path(), ("a",)), "", None, [])
        return
    known, unasked = verify.run_to_check(fleet, targets_of(Path(), ("a",)), "", None, [])
    assert known is None
    assert [one.host for one in unasked] == ["b", "a"]
    assert "it knows no run" in unasked[1].found


def test_the_plan_that_a_check_is_held_against_is_that_of_its_host(hosts: Hosts) -> None:
    found = hosts.check("def test_it(host, wanted):\n    assert wanted.name == host.backend.hostname")
    assert verdicts(found) == {"a": Verdict.PASS, "b": Verdict.PASS}
    named = Hosts(hosts.root).check("def test_it(wanted):\n    assert wanted.name == 'a'")
    assert verdicts(named) == {"a": Verdict.PASS, "b": Verdict.FAIL}


@pytest.mark.parametrize(
    "text",
    ["def test_it():\n    assert True", "import pytest\ndef test_it(host):\n    pytest.exit('enough', returncode=0)"],
    ids=["asks no host", "ends the session"],
)
def test_a_host_that_no_check_has_judged_keeps_the_gate_shut(hosts: Hosts, text: str) -> None:
    assert not hosts.opens(hosts.check(text))


def test_settings_of_whoever_runs_it_change_nothing(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    (hosts.root / "pytest.ini").write_text("[pytest]\naddopts = --collect-only\ntimeout = 900\n")
    (hosts.root / "conftest.py").write_text("")
    found = hosts.check("def test_it(host, request):\n    assert not request.config.pluginmanager.hasplugin('timeout')")
    assert verdicts(found) == {"a": Verdict.PASS, "b": Verdict.PASS}


def test_a_host_that_let_a_deadline_pass_is_asked_no_more_in_these_checks(hosts: Hosts) -> None:
    hosts.shells["a"].silent = True
    second = PASSES.replace("test_it", "test_that").replace("is-active", "is-enabled")
    findings = hosts.check(PASSES + second)
    assert [one.verdict for one in findings if one.host == "a"] == [Verdict.ERROR, Verdict.ERROR]
    assert [one.verdict for one in findings if one.host == "b"] == [Verdict.PASS, Verdict.PASS]
    assert len(hosts.shells["a"].asked) == 1
    hosts.shells["a"].silent = False
    assert {one.verdict for one in hosts.check(PASSES + second)} == {Verdict.PASS}
