"""A host that is left alone after its V1 was stopped goes back by itself, and locks the lost run out."""

import pytest

import lab
from tests.lab.support import V1, V2, Checkout, Hosts, reached
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

CONFIRM_S = 5


def back_on_v1(hosts: Hosts, name: str) -> bool:
    """Whether V1 is in service and nothing is armed any more."""
    shown = hosts.inside(
        name,
        f"systemctl is-active {V1}; systemctl is-active {V2}; ls /var/lib/cutover/abaco/armed.json 2>&1",
        check=False,
    )
    return shown.split()[:2] == ["active", "inactive"] and "No such file" in shown


def test_a_killed_controller_leaves_a_host_that_goes_back_by_itself(hosts: Hosts, checkout: Checkout) -> None:
    # Its bake time is longer than the test: the run cannot end before it is killed.
    checkout.set(cutover_confirm_s=CONFIRM_S, cutover_renew_s=1, cutover_bake_s=3600)
    before = hosts.fingerprint("lab1")
    running = checkout.start("cutover", "--yes", hosts="lab1").when(
        reached(checkout, "phase.started", phase="validation")
    )
    token = checkout.ask("status", hosts="lab1").document["hosts"]["lab1"]["lease"]["token"]
    running.kill()
    wait_until(lambda: back_on_v1(hosts, "lab1"), every=0.2)
    hosts.same_as(before)
    status = checkout.ask("status", hosts="lab1")
    assert status.code == 0, str(status)
    seen = status.document["hosts"]["lab1"]
    assert seen["lease"]["token"] == token + 1
    assert seen["lease"]["holder"] == "the host's own revert"
    assert seen["runs"][0]["reverted"]["ok"] is True
    assert "revert" in status.output
    refused = checkout.yes("cutover", hosts="lab1")
    assert refused.code == 3, str(refused)
    assert "reverted by host at" in refused.errors[0]["found"]
    settled = checkout.yes("rollback", hosts="lab1")
    assert settled.code == 0, str(settled)
    hosts.same_as(before)
    again = checkout.yes("rollback", hosts="lab1")
    assert again.code == 0, str(again)
    assert "nothing to roll back" in again.output


def test_a_cut_host_goes_back_by_itself_and_the_run_ends_with_all_on_v1(hosts: Hosts, checkout: Checkout) -> None:
    checkout.set(cutover_confirm_s=CONFIRM_S, cutover_renew_s=1, cutover_bake_s=3600)
    before = hosts.fingerprint("lab1")
    running = checkout.start("cutover", "--yes", hosts="lab1").when(reached(checkout, "bake.started"))
    lab.cut("lab1", lab=hosts.lab)
    try:
        wait_until(lambda: back_on_v1(hosts, "lab1"), every=0.2)
    finally:
        lab.heal("lab1", lab=hosts.lab)
    answer = running.answer()
    assert answer.code == 4, str(answer)
    assert {error["host"] for error in answer.errors} <= {"lab1", ""}
    hosts.same_as(before)
