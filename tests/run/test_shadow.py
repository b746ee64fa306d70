"""`shadow`: each host compares both versions by its own release; what it says is judged, and no host hides another."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cutover.cli import judge
from cutover.core.errors import Problem
from cutover.core.host import Host
from cutover.core.verdict import Verdict
from cutover.inventory.declarations import declarations
from cutover.inventory.targets import Targets
from cutover.inventory.variables import Variables, resolve
from cutover.plan.gate import Finding
from cutover.remote.agent import HostAgent
from cutover.remote.fleet import Fleet, Pool
from cutover.run import verify as shadow
from cutover.run.options import RunOptions
from cutover.run.verify import Judged
from tests.checkout import ROOT
from tests.run.fakehosts import World
from tests.transports import FakeTransport

ISSUE = {"verdict": "WARN", "found": "a is off by 1e-6", "next": "see the rows"}


def document(status: str = "PASS", *issues: dict[str, str]) -> dict[str, Any]:
    check = {"status": status, "words": "equal on 3 tapes", "n": 3, "issues": list(issues)}
    return {"status": status, "timestamp": "2026-01-02T03:04:05Z", "checks": {"a": check}, "issues": list(issues)}


def deployed(home: Path, said: str) -> None:
    """An entry point that says this, whatever it is asked."""
    program = home / "current" / "bin" / "kpi"
    program.parent.mkdir(parents=True)
    answer = program.with_name("answer")
    answer.write_text(said)
    program.write_text(f"#!/bin/sh\ncat {answer}\n")
    program.chmod(0o755)


def variables(name: str, home: Path) -> Variables:
    about = {"cutover_service": "abaco", "abaco_environment": "lab", "abaco_connections": [], "abaco_home": str(home)}
    host = Host(name, "198.18.0.1", "lab", Path("/x/known_hosts"), groups=("lab",), variables=about)
    return resolve(host, declarations(ROOT / "roles", ["standard", "abaco"]))


@pytest.fixture
def targets(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Targets:
    """Hosts `a` and `b`, whose agents really run; their releases lie below <tmp>/<name>/home."""
    agents = {name: HostAgent(FakeTransport(name, world.host(name).answer), state_dir="/state") for name in ("a", "b")}

    @contextmanager
    def fleet(_targets: Targets) -> Iterator[tuple[Fleet, list[Problem]]]:
        yield Fleet(agents, Pool(4)), unreachable

    unreachable: list[Problem] = []
    monkeypatch.setattr(shadow, "reached", fleet)
    known = {name: variables(name, tmp_path / name / "home") for name in agents}
    return cast(
        "Targets",
        SimpleNamespace(root=ROOT, service="abaco", names=tuple(agents), variables=known, unreachable=unreachable),
    )


def test_each_host_is_judged_by_what_it_compared_and_its_document_is_kept(targets: Targets, tmp_path: Path) -> None:
    deployed(tmp_path / "a" / "home", json.dumps(document()))
    deployed(tmp_path / "b" / "home", json.dumps(document("WARN", ISSUE)))
    judged = shadow.shadow(targets, run="")
    assert [(one.host, one.name, one.verdict, one.message, one.next) for one in judged.findings] == [
        ("a", "shadow.a", Verdict.PASS, "equal on 3 tapes", ""),
        ("b", "shadow.a", Verdict.WARN, "a is off by 1e-6", "see the rows"),
    ]
    kept = {host: next(iter(documents.values()))["status"] for host, documents in judged.documents.items()}
    assert kept == {"a": "PASS", "b": "WARN"}


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("not a document", "not a document"),
        (json.dumps({"status": "ERROR", "issues": [{"where": "V1", "found": "no such unit"}]}), "no such unit"),
        (None, "No such file"),
    ],
)
def test_a_host_that_could_not_compare_is_an_error_and_never_silent(
    targets: Targets, tmp_path: Path, said: str | None, found: str
) -> None:
    deployed(tmp_path / "a" / "home", json.dumps(document()))
    if said is not None:
        deployed(tmp_path / "b" / "home", said)
    judged = shadow.shadow(targets, run="")
    assert judged.verdict is Verdict.ERROR
    assert [found in one.message for one in judged.findings if one.host == "b"] == [True]


def test_a_host_that_does_not_answer_hides_no_other(targets: Targets, world: World, tmp_path: Path) -> None:
    deployed(tmp_path / "a" / "home", json.dumps(document()))
    world.host("b").silent = True
    targets.unreachable.append(Problem(host="c", found="no route to host", next="look"))  # type: ignore[attr-defined]
    judged = shadow.shadow(targets, run="")
    verdicts = {host: {one.verdict for one in judged.findings if one.host == host} for host in "abc"}
    assert verdicts == {"a": {Verdict.PASS}, "b": {Verdict.ERROR}, "c": {Verdict.ERROR}}


def test_the_command_ends_with_the_verdict_and_writes_a_report_for_fleet_and_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = document("WARN", ISSUE)
    judged = Judged("both", (Finding("a", "shadow.a", Verdict.WARN, ISSUE["found"]),), {"a": {"role.step": said}})
    monkeypatch.setattr(shadow, "shadow", lambda _targets, *, run: judged)  # noqa: ARG005 - its own name
    monkeypatch.setattr(RunOptions, "targets", lambda _where: None)
    assert judge.shadow(RunOptions(tmp_path, "shadow", json=True)) == 8
    reported = capsys.readouterr()
    answer = json.loads(reported.out)
    assert [(one["host"], one["path"], one["found"]) for one in answer["errors"]] == [("a", "shadow.a", ISSUE["found"])]
    assert (answer["hosts"]["a"]["verdict"], answer["hosts"]["a"]["document"]) == ("WARN", said)
    fleet = next((tmp_path / ".cutover" / "shadows").glob("*/shadow_report.json"))
    assert (json.loads(fleet.read_text())["status"], json.loads(fleet.read_text())["hosts"]) == ("WARN", {"a": "WARN"})
    assert json.loads((fleet.parent / "hosts" / "a" / "shadow_report.json").read_text())["host"] == "a"
    assert str(fleet) in reported.err
