"""A controller that is killed: its run is gone on with, or given up, by the next command, on real hosts."""

import pytest

from tests.lab.support import V1, V2, Checkout, Hosts, journal, reached

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("phase", ["staging", "shutdown", "activation", "validation"])
def test_a_killed_run_is_gone_on_with_at_once_to_v2(phase: str, hosts: Hosts, checkout: Checkout) -> None:
    running = checkout.start("cutover", "--yes", hosts="lab1:lab2").when(reached(checkout, "intent", phase=phase))
    running.kill()
    answer = checkout.yes("cutover", "--resume", hosts="lab1:lab2")
    assert answer.code == 0, str(answer)
    for name in ("lab1", "lab2"):
        active = hosts.inside(name, f"systemctl is-active {V2}; systemctl is-active {V1}", check=False).split()
        assert active == ["active", "inactive"]
        assert "armed.json" not in hosts.inside(name, "ls /var/lib/cutover/abaco")
    again = checkout.yes("cutover", "--resume", hosts="lab1:lab2")
    assert (again.code, "nothing to resume" in again.output) == (0, True), str(again)
    written = [record["seq"] for record in journal(checkout, answer.run)]
    assert written == list(range(1, len(written) + 1))


def test_a_run_that_was_killed_while_it_was_prepared_is_given_up_by_abort(hosts: Hosts, checkout: Checkout) -> None:
    with hosts.unchanged("lab1"):
        checkout.start("prepare", "--yes", hosts="lab1").when(reached(checkout, "intent", phase="backup")).kill()
        answer = checkout.yes("abort", hosts="lab1")
    assert answer.code == 0, str(answer)
    assert "given up: lab1 released" in answer.output
    idle = checkout.yes("abort", hosts="lab1")
    assert (idle.code, "idle" in idle.output) == (0, True), str(idle)


def test_a_run_that_was_killed_after_v1_stopped_is_rolled_back_by_abort(hosts: Hosts, checkout: Checkout) -> None:
    before = hosts.fingerprint("lab1")
    checkout.start("cutover", "--yes", hosts="lab1").when(reached(checkout, "intent", phase="activation")).kill()
    answer = checkout.yes("abort", hosts="lab1")
    assert answer.code == 0, str(answer)
    hosts.same_as(before)
