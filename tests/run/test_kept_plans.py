"""What hosts keep of a plan is believed where an engineer signed it; else nobody goes forward by it, and the way back is computed anew."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cutover.core.errors import MixedFleet, Refused, UsageError
from cutover.journal import signing
from cutover.plan.plan import HostPlan, Plan
from cutover.remote.agent import sources_digest
from cutover.remote.transport import DeadlinePassed, Result
from cutover.run import kept_plans, planning
from tests.evidence.bundles import ANN, allow, key
from tests.run.fakehosts import RUN, World, host_plan, is_on_v1, plan_of, targets_of
from tests.run.killing import HOSTS, Machine, killed, on_v2
from tests.transports import Call

pytestmark = pytest.mark.usefixtures("machines")


@pytest.fixture
def signers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Ann has a key; gives what puts her into the list of an inventory."""
    private = key(tmp_path, "ann")
    chosen = signing.choose(str(private))
    monkeypatch.setattr(signing, "choose", lambda _: chosen)

    def listed(folder: Path) -> None:
        (folder / "inventory").mkdir(parents=True)
        allow(folder / "inventory" / signing.SIGNERS, (ANN, "", private))

    return listed


def machine(world: World, folder: Path, listed: Callable[[Path], None] | None) -> Machine:
    if listed is not None:
        listed(folder)
    return Machine(world, folder, HOSTS)


def kept(world: World, host: str, name: str = "plan") -> Path:
    """What a host keeps of the run."""
    return world.host(host).place.run(RUN) / f"{name}.json"


def forge(world: World, host: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Root on a host changes the plan that it keeps."""
    document = json.loads(kept(world, host).read_text())
    change(document)
    kept(world, host).write_text(json.dumps(document))


def test_another_machine_goes_on_by_what_was_signed(
    world: World, tmp_path: Path, signers: Callable[[Path], None]
) -> None:
    signers(tmp_path / "one")
    killed(world, tmp_path / "one", "validation", "a")
    assert machine(world, tmp_path / "other", signers).resume() == (RUN, None)
    assert on_v2(world, "a", "b")


def test_what_is_sent_is_in_the_journal_by_its_digest_and_another_agent_is_shown(
    world: World,
    tmp_path: Path,
    signers: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    signers(tmp_path / "one")
    one = killed(world, tmp_path / "one", "validation", "a")
    intents = [record.data for record in one.written if record.kind == "intent"]
    assert {intent["agent"] for intent in intents} == {sources_digest()}
    steps = [step.for_host() for step in host_plan("a").steps["backup"]]
    sent = hashlib.sha256(json.dumps(steps, sort_keys=True).encode()).hexdigest()
    assert sent in [intent["sha256"] for intent in intents]
    monkeypatch.setattr(kept_plans, "sources_digest", lambda: "0" * 64)
    assert machine(world, tmp_path / "other", signers).resume() == (RUN, None)
    assert f"a: run {RUN} was approved with the agent {sources_digest()[:16]}" in capsys.readouterr().err


def test_what_nobody_signed_is_not_gone_on_with_but_back_by_the_roles(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    killed(world, tmp_path / "one", "validation", "a")
    other = machine(world, tmp_path / "other", None)
    _, end = other.resume()
    assert isinstance(end, Refused)
    assert "nobody signed" in end.problems[0].found
    forge(world, "a", lambda plan: plan["hosts"]["a"]["steps"].update(rollback=[]))
    assert other.rollback()[1] is None
    assert is_on_v1(world, "a")
    assert world.host("a").changes[-1] == "rollback"
    assert "its way back by roles and inventory: do rollback" in capsys.readouterr().err


FORGERIES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a part for another host": (lambda plan: plan["hosts"].update(b=plan["hosts"]["a"]), "hosts 'a, b', expected 'a'"),
    "another way back": (lambda plan: plan["hosts"]["a"]["steps"].update(rollback=[]), "plan '"),
    "another environment": (lambda plan: plan.update(environment="prod"), "environment 'prod', expected 'lab'"),
    "another service": (lambda plan: plan["service"].update(name="other"), "service 'other', expected 'toy'"),
    "another release": (lambda plan: plan["release"].update(sha256="1"), "release '0', the plan's is '1'"),
    "no plan at all": (lambda plan: plan.clear(), "Field required"),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_host_that_changed_what_was_signed_is_named_and_the_others_go_back(
    world: World, tmp_path: Path, signers: Callable[[Path], None], what: str
) -> None:
    change, found = FORGERIES[what]
    assert machine(world, tmp_path / "one", signers).begin() is None
    forge(world, "a", change)
    _, end = machine(world, tmp_path / "other", signers).rollback()
    assert isinstance(end, MixedFleet)
    assert [one.host for one in end.problems] == ["a"]
    assert found in end.problems[0].found, end.problems[0].found
    assert (on_v2(world, "a"), is_on_v1(world, "b")) == (True, True)


@pytest.mark.parametrize("where", ["one", "other"])
def test_a_newer_run_that_one_host_alone_knows_is_not_taken_for_the_one_that_is_meant(
    world: World, tmp_path: Path, where: str
) -> None:
    """Root on a host makes up a run: the others would stay on the new release, and the command would end well."""
    assert machine(world, tmp_path / "one", None).begin() is None
    made_up = "20990101T000000Z-ffffff"
    shutil.copytree(kept(world, "b").parent, kept(world, "b").parent.with_name(made_up))
    forged = kept(world, "b").parent.with_name(made_up) / "plan.json"
    forged.write_text(forged.read_text().replace(RUN, made_up))
    asking = machine(world, tmp_path / where, None)
    _, end = asking.rollback()
    assert isinstance(end, UsageError)
    assert (end.problems[0].host, end.problems[0].path) == ("b", "--run")
    assert f"alone knows run {made_up}" in end.problems[0].found
    assert on_v2(world, "a", "b")
    assert asking.rollback(RUN)[1] is None
    assert (is_on_v1(world, "a"), is_on_v1(world, "b")) == (True, True)


def test_a_host_that_makes_up_runs_and_is_silent_about_them_is_asked_once(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each question may take its whole time, and the others wait for the plan of the run that is theirs."""
    assert machine(world, tmp_path / "one", None).begin() is None
    for number in range(20):
        made_up = kept(world, "b").parent.with_name(f"2099010{number // 10}T00000{number % 10}Z-ffffff")
        shutil.copytree(kept(world, "b").parent, made_up)
    real, asked = world.host("b").answer, []

    def silent(call: Call) -> Result:
        if json.loads(call.stdin[int(call.argv[5]) :])["verb"] == "plan":
            asked.append(call)
            raise DeadlinePassed("b", "no answer")
        return real(call)

    monkeypatch.setattr(world.host("b"), "answer", silent)
    _, end = machine(world, tmp_path / "other", None).rollback()
    assert len(asked) == 1
    assert isinstance(end, MixedFleet)
    assert {problem.host for problem in end.problems} == {"b"}
    assert is_on_v1(world, "a")


def test_a_signature_of_another_run_or_key_is_none(
    world: World, tmp_path: Path, signers: Callable[[Path], None]
) -> None:
    assert machine(world, tmp_path / "one", signers).begin() is None
    approval = json.loads(kept(world, "b", "approval").read_text())
    kept(world, "b", "approval").write_text(
        json.dumps(approval | {"statement": approval["statement"].replace(RUN, f"{RUN}0")})
    )
    private = key(tmp_path, "mallory")
    mallory = signing.SigningKey("--key", " ".join(private.with_suffix(".pub").read_text().split()[:2]), private)
    statement = approval["statement"].replace(str(json.loads(approval["statement"])["public_key"]), mallory.public)
    signature = signing.sign(statement.encode(), mallory, signing.PLAN).decode()
    kept(world, "a", "approval").write_text(json.dumps({"statement": statement, "signature": signature}))
    _, end = machine(world, tmp_path / "other", signers).rollback()
    assert isinstance(end, MixedFleet)
    found = {one.host: one.found for one in end.problems}
    assert f"{ANN} may not sign with the key {signing.fingerprint(mallory.public)}" in found["a"]
    assert "not a signature of what it lies beside" in found["b"]


def test_a_host_that_says_nonsense_of_itself_is_named_and_the_others_way_back_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def anew(_targets: object, name: str, _part: Plan) -> HostPlan:
        if name == "a":
            raise TypeError("stop_timeout_s")
        return host_plan(name)

    monkeypatch.setattr(planning, "_host_anew", anew)
    whole = plan_of(RUN, HOSTS)
    (plan,), problems = planning.plan_anew(
        targets_of(tmp_path, ("a", "b")), {name: whole.of_host(name) for name in "ab"}
    )
    assert [*plan.hosts] == ["b"]
    assert [(one.host, "TypeError" in one.found) for one in problems] == [("a", True)]


def test_a_plan_that_was_edited_here_is_not_used_and_that_is_shown(
    world: World, tmp_path: Path, signers: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    one = machine(world, tmp_path / "one", signers)
    assert one.begin() is None
    file = one.runs.path_of(RUN).plan_file
    file.chmod(0o600)
    file.write_text(file.read_text().replace('"me"', '"you"'))
    assert one.rollback()[1] is None
    assert is_on_v1(world, "a", "b")
    assert "it was edited" in capsys.readouterr().err


def test_the_machine_that_made_the_run_asks_no_host_what_was_planned(world: World, tmp_path: Path) -> None:
    one = Machine(world, tmp_path, HOSTS)
    assert one.begin() is None
    forge(world, "a", lambda plan: plan["hosts"].update(plan_of(RUN, (("b",),)).model_dump(mode="json")["hosts"]))
    forge(world, "b", lambda plan: plan["hosts"]["b"]["steps"].update(rollback=[]))
    assert one.rollback()[1] is None
    assert is_on_v1(world, "a", "b")
