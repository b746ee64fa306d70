"""`plan`, `prepare`, `cutover`: contradictions, what is wrong before any host is asked, a plan that says no, --watch."""

import json
from pathlib import Path
from typing import Any

import pytest

from cutover.cli import cutover, monitor
from cutover.core.errors import ExitCode
from cutover.core.step import Step
from cutover.plan.gate import said_no
from cutover.plan.plan import Change, Plan
from cutover.run.options import RunOptions
from cutover.run.session import Session
from tests.checkout import checkout, environment
from tests.run.fakehosts import plan_of
from tests.toy import toy_step

RUN = "20260102T000000Z-bbbbbb"


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that comes as far as a connection has failed."""

    def connects(*_: object) -> None:
        raise AssertionError("it connected")

    for module in ("cutover.run.history", "cutover.run.resume"):
        monkeypatch.setattr(f"{module}.reached", connects)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    environment(tmp_path / "inventory" / "prod", {"h1": "192.0.2.1"})
    return checkout(tmp_path)


def errors(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    return {error["path"]: error["found"] for error in json.loads(capsys.readouterr().out)["errors"]}


def options(root: Path, command: str = "cutover", **given: Any) -> RunOptions:
    return RunOptions(root, command, "prod", **{"json": True, **given})


def test_all_that_check_would_ignore_is_refused_at_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = options(root, run=RUN, serial="1", check=True, resume=True, answers="a.yml", watch=True)
    assert cutover.plan(given) is ExitCode.USAGE
    assert sorted(errors(capsys)) == ["--answers", "--json", "--resume", "--serial", "--watch"]
    assert not (root / ".cutover").exists()


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({"watch": True}, "--json"),
        ({"resume": True, "serial": "1"}, "--serial"),
        ({"run": RUN, "serial": "1"}, "--serial"),
        ({"run": RUN, "release": "x"}, "--release"),
    ],
)
def test_options_that_contradict_each_other(
    root: Path, capsys: pytest.CaptureFixture[str], given: dict[str, Any], refused: str
) -> None:
    assert cutover.cutover(options(root, **given)) is ExitCode.USAGE
    assert list(errors(capsys)) == [refused]


def test_batches_and_release_are_looked_at_before_any_host(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(root / "none.tar.gz")
    for command, one in (("plan", cutover.plan), ("prepare", cutover.cutover)):
        assert one(options(root, command, serial="0", release=missing)) is ExitCode.USAGE
        assert sorted(errors(capsys)) == ["--serial", missing]
    assert cutover.cutover(options(root, release=missing, resume=True)) is ExitCode.USAGE
    assert list(errors(capsys)) == [missing]
    assert not (root / ".cutover").exists()


def plan_with(*steps: Step, found: dict[str, tuple[str, ...]]) -> Plan:
    plan = plan_of(RUN, (("h1",),))
    changes = tuple(Change(step=step, differences=differences) for step, differences in found.items())
    host = plan.hosts["h1"].model_copy(
        update={"steps": {**plan.hosts["h1"].steps, "preflight": steps}, "changes": changes}
    )
    return plan.model_copy(update={"hosts": {"h1": host}})


NO = plan_with(
    toy_step("a", probe=True), toy_step("b", probe=True, severity="WARN"), toy_step("c"), toy_step("d", probe=True),
    found={"a": ("x: found 1, expected 2",), "b": ("y: found 1, expected 2",), "c": ("to do",)},
)  # fmt: skip


def test_a_plan_says_no_where_a_probe_of_phase_0_did_not_hold_and_would_not_pass() -> None:
    (problem,) = said_no(NO)
    assert (problem.host, problem.path, problem.found, problem.next) == (
        "h1",
        "a",
        "a is so: x: found 1, expected 2",
        "mend it",
    )
    assert said_no(plan_with(toy_step("a", probe=True), found={})) == []


@pytest.mark.parametrize(
    ("plan", "code"), [(NO, ExitCode.REFUSED), (plan_with(toy_step("a"), found={}), ExitCode.DONE)]
)
def test_such_a_plan_is_shown_and_kept_and_ends_with_3(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], plan: Plan, code: ExitCode
) -> None:
    def planned(session: Session) -> None:
        session.plan = plan
        plan.save(session.directory.plan_file)

    monkeypatch.setattr("cutover.run.cutover.plan", planned)
    assert cutover.plan(options(root, check=True)) is code
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document["fingerprint"] == plan.fingerprint
    assert Path(document["files"]["plan"]).is_file()
    assert [error["path"] for error in document["errors"]] == (["a"] if code else [])
    assert f"to apply just this: ./invokew cutover --run {RUN}" in said.err


@pytest.mark.parametrize(("has_plan", "watched"), [(True, RUN), (False, "")])
def test_the_watch_follows_the_run_or_where_there_was_nothing_to_do_the_last_one_on_v2(
    root: Path, monkeypatch: pytest.MonkeyPatch, has_plan: bool, watched: str
) -> None:
    directory = root / ".cutover" / "runs" / RUN
    directory.mkdir(parents=True)
    if has_plan:
        (directory / "plan.json").touch()
    asked: list[RunOptions] = []

    def done(session: Session) -> None:
        session.ask.run_id = RUN

    def watch(one: RunOptions, *, once: bool) -> ExitCode:
        asked.append(one)
        return ExitCode.USAGE if once else ExitCode.DONE

    monkeypatch.setattr("cutover.run.cutover.cutover", done)
    monkeypatch.setattr(monitor, "monitor", watch)
    assert cutover.cutover(options(root, json=False, watch=True)) is ExitCode.DONE
    assert [(one.command, one.run, one.hosts) for one in asked] == [("monitor", watched, "prod")]
