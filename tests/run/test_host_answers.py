"""An answer that is not what the agent answers is that host's own failure, whatever is wrong with it."""

import json
from itertools import count
from typing import Any

import pytest

from cutover.agent.state_dir import KNOWN_RUNS
from cutover.core.errors import MixedFleet
from cutover.remote.agent import AgentFailed, HostAgent
from cutover.remote.transport import Lost, Result
from tests.run.fakehosts import World, is_on_v1
from tests.run.killing import Machine, on_v2
from tests.transports import Call, FakeTransport, says

LEASE = {"token": 1, "run": None, "holder": None, "released": True, "held": False, "seconds_left": 0.0}
STATUS: dict[str, Any] = {"ok": True, "lease": LEASE, "revert": {"armed": False}, "runs": [], "boot_id": "b", "at": "a"}
RUN: dict[str, Any] = {"run": "r1", "batches": [], "state": None, "reverted": None, "heads": []}
WRONG: dict[str, bytes] = {
    "no JSON": b"Welcome",
    "a list": b"[]",
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "deep in an object": b'{"ok": true, "at": ' + b"[" * 500 + b"]" * 500 + b"}",
    "ok is a word": json.dumps({**STATUS, "ok": "yes"}).encode(),
    "a key is missing": json.dumps({key: value for key, value in STATUS.items() if key != "lease"}).encode(),
    "no reason": b'{"ok": false}',
    "a token below 0": json.dumps({**STATUS, "lease": {**LEASE, "token": -1}}).encode(),
    "a token that is text": json.dumps({**STATUS, "lease": {**LEASE, "token": "1"}}).encode(),
    "no number": json.dumps({**STATUS, "lease": {**LEASE, "seconds_left": float("nan")}}).encode(),
    "a run that is a path": json.dumps({**STATUS, "runs": [{**RUN, "run": "../../x"}]}).encode(),
    "a run with dots": json.dumps({**STATUS, "runs": [{**RUN, "run": "zzz.x"}]}).encode(),
    "a run of another type": json.dumps({**STATUS, "runs": [{**RUN, "state": []}]}).encode(),
    "a batch that is a path": json.dumps({**STATUS, "runs": [{**RUN, "batches": ["a/../../b"]}]}).encode(),
    "half a character": json.dumps({**STATUS, "boot_id": "\ud800"}).encode(),
    "half a character in a name": json.dumps({**STATUS, "\udfff": 1}).encode(),
    "half a character in its bytes": json.dumps(STATUS).encode()[:-1] + b', "x": "\xed\xa0\x80"}',
    "UTF-16": json.dumps(STATUS).encode("utf-16"),
    "400 digits": json.dumps({**STATUS, "x": 10**400}).encode(),
    "a number without end": json.dumps({**STATUS, "x": float("inf")}).encode(),
    "more values than an answer has": json.dumps({**STATUS, "x": [0] * 200_000}).encode(),
    "many that are wrong": json.dumps({**STATUS, "runs": [{}] * 50_000}).encode(),
    "more runs than a host remembers": json.dumps({**STATUS, "runs": [RUN] * (KNOWN_RUNS + 1)}).encode(),
    "a long word": json.dumps({**STATUS, "boot_id": "x" * 2000}).encode(),
}


@pytest.mark.parametrize("said", [{}, {"x": "\U0001f600 \\ud800"}])
def test_a_true_answer_passes(said: dict[str, Any]) -> None:
    line = json.dumps({**STATUS, "runs": [RUN], **said})
    agent = HostAgent(FakeTransport("a", lambda _: says(line + "\n")), state_dir="/state")
    assert agent.status()["runs"] == [RUN]


@pytest.mark.parametrize("what", WRONG)
def test_any_other_is_the_hosts_own_failure(what: str) -> None:
    agent = HostAgent(FakeTransport("a", lambda _: says(WRONG[what] + b"\n")), state_dir="/state")
    with pytest.raises(AgentFailed, match="not what was expected") as failed:
        agent.status()
    assert failed.value.problem.host == "a"
    assert len(failed.value.problem.found) < 1000


def test_what_changes_nothing_is_asked_again_where_the_connection_drops_and_nothing_else_is() -> None:
    asked: list[str] = []

    def drops_once(call: Call) -> Result:
        asked.append(json.loads(call.stdin[int(call.argv[5]) :])["verb"])
        if len(asked) == 1:
            raise Lost("a", "the connection was lost with a question in flight")
        return says(json.dumps(STATUS) + "\n")

    agent = HostAgent(FakeTransport("a", drops_once), state_dir="/state")
    assert agent.status()["runs"] == []
    asked.clear()
    with pytest.raises(Lost):
        agent.renew(token=1, lease_s=60)
    assert asked == ["renew"]


@pytest.mark.parametrize("what", WRONG)
def test_the_others_go_back_all_the_same(
    world: World, confirmed: Machine, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(world.host("a"), "answer", lambda _: says(WRONG[what] + b"\n"))
    _, end = confirmed.rollback()
    assert isinstance(end, MixedFleet)
    assert "a" in {problem.host for problem in end.problems}
    assert (on_v2(world, "a"), is_on_v1(world, "b")) == (True, True)


def is_begin(call: Call) -> bool:
    return bool(json.loads(call.stdin[int(call.argv[5]) :])["verb"] == "begin")


def locked() -> Result:
    return says(json.dumps({"ok": False, "reason": "locked", "message": "run x holds this host"}) + "\n")


def test_a_host_that_says_that_another_run_holds_it_keeps_no_other_from_going_back(
    world: World, confirmed: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, applied = world.host("a").answer, world.host("a").asked.count("apply")
    monkeypatch.setattr(world.host("a"), "answer", lambda call: locked() if is_begin(call) else real(call))
    _, end = confirmed.rollback()
    assert isinstance(end, MixedFleet)
    assert {problem.host for problem in end.problems} == {"a"}
    assert "run x holds this host" in str(end)
    assert world.host("a").asked.count("apply") == applied
    assert (on_v2(world, "a"), is_on_v1(world, "b")) == (True, True)


def test_a_host_that_was_silent_and_then_says_that_another_has_it_does_not_end_the_others_way_back(
    world: World, confirmed: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, begins = world.host("a").answer, count(1)

    def first_silent(call: Call) -> Result:
        if not is_begin(call):
            return real(call)
        number = next(begins)
        if number == 2:  # the first is when the leases are taken, the others when it goes back
            raise Lost("a", "the connection was lost")
        return real(call) if number == 1 else locked()

    monkeypatch.setattr(world.host("a"), "answer", first_silent)
    _, end = confirmed.rollback()
    assert next(begins) > 3
    assert isinstance(end, MixedFleet)
    assert {problem.host for problem in end.problems} == {"a"}
    assert is_on_v1(world, "b")
    assert not world.host("b").armed
