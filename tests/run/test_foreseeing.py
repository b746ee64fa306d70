"""`rollback --check` and `abort --check`: what they foresee is what is then done, nothing is changed by it, a spoilt backup is reported."""

from pathlib import Path

import pytest

from cutover.agent.work import Module
from cutover.core.errors import Locked, Unjudged
from cutover.core.step import Step
from cutover.plan.phases import ROLLBACK
from cutover.plan.plan import HostPlan
from cutover.run.rollback_check import Ahead, foresee
from tests.run import fakehosts
from tests.run.fakehosts import RUN, World, host_plan
from tests.run.killing import HOSTS, Holders, Machine, killed

pytestmark = pytest.mark.usefixtures("machines")


def ahead(one: Machine, *, command: str = "rollback", run: str = "", steal: str = "") -> Ahead:
    options = one.options(command, run=run, steal_lock=steal)
    found: list[Ahead] = []
    end = one._does(lambda: found.append(foresee(one.targets, options)))
    if end is not None:
        raise end
    return found[0]


def reported(found: Ahead) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [(host.host, host.run, host.stands, host.would) for host in found.hosts]


def test_after_a_cutover_every_host_and_each_change_is_foreseen_and_none_is_made(
    world: World, confirmed: Machine
) -> None:
    before = {name: (set(host.marks), list(host.changes), host.held_by) for name, host in world.hosts.items()}
    journal = confirmed.journal()
    for host in world.hosts.values():
        host.asked.clear()
    want = [(name, RUN, "on V2, confirmed", (f"do {ROLLBACK.name}",)) for name in ("a", "b")]
    assert reported(ahead(confirmed)) == reported(ahead(confirmed, run=RUN)) == want
    assert {name: (host.marks, host.changes, host.held_by) for name, host in world.hosts.items()} == before
    assert {verb for host in world.hosts.values() for verb in host.asked} == {"status", "look"}
    assert confirmed.journal() == journal
    assert confirmed.rollback() == (("a", "b"), None)
    assert ahead(confirmed) == Ahead((), {})


def test_a_run_that_was_left_between_the_versions_and_a_host_that_is_only_held(world: World, tmp_path: Path) -> None:
    one = killed(world, tmp_path, "activation")
    between = ("a", RUN, "between the versions; its own revert is armed")
    assert [host[:3] for host in reported(ahead(one))] == [between]
    assert [host[:3] for host in reported(ahead(one, command="abort"))] == [between, ("b", RUN, "held")]
    assert one.abort() == (["a back"], None)
    assert reported(ahead(one, command="abort")) == []


def test_a_host_that_went_back_by_itself_is_only_judged(world: World, tmp_path: Path) -> None:
    one = killed(world, tmp_path, "activation")
    world.host("a").goes_back_by_itself()
    (host,) = ahead(one).hosts
    assert "went back by itself" in host.stands
    assert host.would == ()


def test_a_host_that_may_be_held_by_a_living_run_ends_it_as_the_real_one_would(
    world: World, tmp_path: Path, machines: Holders
) -> None:
    one = killed(world, tmp_path, "activation")
    machines.dead = False
    with pytest.raises(Locked, match=RUN):
        ahead(one)
    nonce = world.host("a").held_by["nonce"]
    assert [host.host for host in ahead(one, steal=nonce).hosts] == ["a"]


def test_who_cannot_be_asked_is_named(confirmed: Machine) -> None:
    confirmed.silent = {"b"}
    found = ahead(confirmed)
    assert ([host.host for host in found.hosts], [problem.host for problem in found.unknown]) == (["a"], ["b"])
    confirmed.silent = {"a", "b"}
    with pytest.raises(Unjudged) as said:
        ahead(confirmed)
    assert [problem.host for problem in said.value.problems] == ["a", "b"]


def test_hosts_of_the_run_that_were_not_chosen_are_named(confirmed: Machine) -> None:
    confirmed.limit = ("a",)
    found = ahead(confirmed)
    assert ([host.host for host in found.hosts], [problem.host for problem in found.leftover]) == (["a"], ["b"])


@pytest.mark.parametrize(
    ("state", "wrong"),
    [
        ({"exists": True, "verified": True}, []),
        ({"exists": False}, ["exists: found false", "verified"]),
        (
            {"exists": True, "verified": False, "wrong": ["config: changed"]},
            ["verified: found false", "config: changed"],
        ),
    ],
)
def test_a_backup_that_is_not_as_it_was_taken_is_told(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, object], wrong: list[str]
) -> None:
    seen: dict[str, object] = {"exists": True, "verified": True}
    world.kinds["snapshot"] = Module(lambda *_: dict(seen), lambda *_: None)

    def with_backup(name: str) -> HostPlan:
        plan = host_plan(name)
        desired = {"exists": True, "verified": True}
        taken = Step(id="backup.taken", kind="snapshot", words="take it", args={}, desired=desired, next="mend it")
        return plan.model_copy(update={"steps": {**plan.steps, "backup": (*plan.steps["backup"], taken)}})

    monkeypatch.setattr(fakehosts, "host_plan", with_backup)
    one = Machine(world, tmp_path, HOSTS)
    one.begin()
    seen.clear()
    seen.update(state)
    for host in ahead(one).hosts:
        found = "".join(problem.found for problem in host.wrong)
        assert bool(host.wrong) == bool(wrong)
        assert all(words in found for words in wrong), found
