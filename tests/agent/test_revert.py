"""The host's own revert on a real host: it goes off in silence, is put off by a renewal, and survives a reboot."""

import itertools
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from cutover.agent.batch import unit_name
from cutover.agent.state_dir import revert_unit
from cutover.core.errors import Refused
from cutover.core.step import State
from cutover.plan.steps import link
from cutover.remote.agent import Fenced, HostAgent

if TYPE_CHECKING:
    from tests.realhost import RealHost

pytestmark = pytest.mark.lab
_runs = itertools.count(1)
STATE = "/var/lib/cutover-test-revert"
UNDO = [link("undo", "/srv/current", "/v1")]


@pytest.fixture
def agent(real: "RealHost") -> Iterator[HostAgent]:
    """An agent on a host that runs V2, with no revert armed."""
    real.sh("ln -sfn /v2 /srv/current")
    agent = real.agent(STATE)
    yield agent
    agent.transport.close()
    real.sh(  # one that goes off just now takes its own timer away
        "for timer in $(find /etc/systemd/system -maxdepth 1 -name 'cutover-revert-*.timer' -printf '%f '); do "
        "systemctl disable --now $timer || [ ! -e /etc/systemd/system/$timer ]; done; "
        "systemctl stop 'cutover-revert-*' || [ $? = 5 ]; systemctl reset-failed; "
        f"rm -rf /etc/systemd/system/cutover-revert* {STATE} {STATE}-2 /srv/*; systemctl daemon-reload"
    )


def begin(agent: HostAgent) -> tuple[str, int]:
    run = f"revert{next(_runs)}"
    return run, int(agent.begin(run=run, holder="tests", nonce=run, lease_s=120)["lease"]["token"])


def arm(agent: HostAgent, confirm_s: float, undo: list[object] | None = None) -> tuple[str, int]:
    run, token = begin(agent)
    steps = UNDO if undo is None else undo
    armed = agent.arm(token=token, run=run, undo=steps, confirm_s=confirm_s, budget_s=60)  # type: ignore[arg-type]
    assert (armed["armed"], armed["run"]) == (True, run)
    return run, token


def points_at(real: "RealHost") -> str:
    return real.sh("readlink /srv/current").strip()


def wait_for_v1(real: "RealHost") -> None:
    real.sh("until [ $(readlink /srv/current) = /v1 ]; do sleep 0.05; done")


def settled(agent: HostAgent, run: str, real: "RealHost") -> State:
    """What the host remembers of a run once its revert has written down how it went."""
    record = f"{agent.state_dir}/runs/{run}/reverted.json"
    at_work = f"systemctl show -P SubState {revert_unit(agent.state_dir)}.service"
    real.sh(f"until [ -e {record} ] && [ $({at_work}) != start ]; do sleep 0.05; done")
    return dict(agent.status())


def test_silence_makes_the_host_go_back_and_lock_its_holder_out(agent: HostAgent, real: "RealHost") -> None:
    run, token = arm(agent, 0.5)
    wait_for_v1(real)
    after = settled(agent, run, real)
    assert after["revert"] == {"armed": False}
    assert after["lease"]["token"] == token + 1
    with pytest.raises(Fenced, match="no longer holds"):
        agent.renew(token=token, lease_s=60)
    assert real.sh("find /etc/systemd/system -name 'cutover-revert*'") == ""


def test_a_renewal_puts_it_off_until_there_is_none(agent: HostAgent, real: "RealHost") -> None:
    _, token = arm(agent, 8)
    for _ in range(15):  # more than the five starts in ten seconds that systemd grants a unit by itself
        real.sh("sleep 0.6")
        agent.renew(token=token, lease_s=60)
    assert points_at(real) == "/v2"  # 5.4 s and more after it was armed for 4
    wait_for_v1(real)


def test_a_confirmed_cutover_stays(agent: HostAgent, real: "RealHost") -> None:
    _, token = arm(agent, 1)
    assert agent.disarm(token=token) == {"ok": True, "armed": False}
    real.sh("sleep 1.5")
    assert points_at(real) == "/v2"
    assert agent.status()["lease"]["token"] == token
    assert real.sh("find /etc/systemd/system -name 'cutover-revert*'") == ""
    assert agent.disarm(token=token)["armed"] is False  # twice is once


def test_it_survives_a_reboot(agent: HostAgent, real: "RealHost") -> None:
    run, token = arm(agent, 20)
    real.reboot()
    agent.transport.close()
    assert agent.status()["revert"]["run"] == run
    assert points_at(real) == "/v2"
    real.sh(
        "systemctl start $(basename -s .timer /etc/systemd/system/cutover-revert-*.timer).service"
    )  # what the timer will do, at once
    wait_for_v1(real)
    assert settled(agent, run, real)["lease"]["token"] == token + 1


def test_one_that_did_not_succeed_is_tried_again_until_it_does(agent: HostAgent, real: "RealHost") -> None:
    real.sh("mkdir -p /srv/blocked/here")
    run, token = arm(agent, 0.3, [link("blocked", "/srv/blocked", "/v1"), *UNDO])
    wait_for_v1(real)
    assert settled(agent, run, real)["revert"]["armed"] is True
    # Also for the next boot.
    assert real.sh("systemctl is-enabled $(basename /etc/systemd/system/cutover-revert-*.timer)").strip() == "enabled"
    real.sh("rm -r /srv/blocked")
    real.sh(f"until [ -L /srv/blocked ] && [ ! -e {STATE}/armed.json ]; do sleep 0.05; done")
    after = settled(agent, run, real)
    assert after["revert"] == {"armed": False}
    assert json.loads(real.sh(f"cat {STATE}/runs/{run}/reverted.json"))["ok"] is True
    assert after["lease"]["token"] > token + 1
    real.sh("sleep 1")
    assert agent.status()["lease"] == after["lease"]  # and then never again
    assert real.sh("find /etc/systemd/system -name 'cutover-revert*'") == ""


def test_a_step_that_hangs_does_not_keep_the_host_from_going_back(agent: HostAgent, real: "RealHost") -> None:
    """Its batch holds the host for as long as it may take: it is stopped."""
    run, _ = arm(agent, 8)
    hangs = unit_name(run, "shutdown-1.1")
    real.sh(f"systemd-run -q --collect --unit={hangs} flock {STATE}/work.lock sleep infinity")
    assert points_at(real) == "/v2"
    wait_for_v1(real)
    assert settled(agent, run, real)["revert"] == {"armed": False}
    assert real.sh(f"systemctl list-units --plain --no-legend {hangs}") == ""


def test_who_takes_the_run_up_again_does_not_meet_the_next_try_and_disarming_ends_it(
    agent: HostAgent, real: "RealHost"
) -> None:
    real.sh("mkdir -p /srv/blocked/here")
    run, _ = arm(agent, 3, [link("blocked", "/srv/blocked", "/v1"), *UNDO])
    wait_for_v1(real)
    settled(agent, run, real)
    token = int(agent.begin(run=run, holder="tests", nonce="again", lease_s=60)["lease"]["token"])
    for _ in range(4):  # well beyond the next try
        real.sh("sleep 1")
        agent.renew(token=token, lease_s=60)
    assert agent.disarm(token=token)["armed"] is False
    real.sh("sleep 4")
    assert agent.status()["lease"]["token"] == token


@pytest.mark.parametrize("how", ["by itself", "by a rollback"])
def test_a_run_from_which_the_host_went_back_is_not_applied_again(agent: HostAgent, real: "RealHost", how: str) -> None:
    if how == "by itself":
        run, _ = arm(agent, 0.3)
        wait_for_v1(real)
        settled(agent, run, real)
    else:
        run, token = begin(agent)
        agent.record(token=token, run=run, state={"status": "rollback", "at": "2026-01-02T03:04:05Z"})
        agent.release(token=token)
    with pytest.raises(Refused, match=f"is spent: this host went back from it {how}"):
        agent.begin(run=run, holder="tests", nonce="new", lease_s=60, plan={"run": run})
    assert agent.status()["lease"]["held"] is False
    assert agent.begin(run=run, holder="tests", nonce="new", lease_s=60)["lease"]["held"] is True  # to go back, it may


def test_two_can_be_armed_beside_each_other(agent: HostAgent, real: "RealHost") -> None:
    second = real.agent(f"{STATE}-2")
    _, token = arm(agent, 60)
    arm(second, 60, [link("undo", "/srv/other", "/v1")])
    agent.disarm(token=token)
    assert second.status()["revert"]["armed"] is True
    assert len(real.sh("ls /etc/systemd/system | grep cutover-revert").split()) == 2
    second.transport.close()
