"""A run that is interrupted takes the safe path first: before phase 3 V1 is untouched, after it V1 comes back."""

import signal

import pytest

from tests.lab.support import V2, Checkout, Hosts, reached

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_before_phase_3_it_ends_with_v1_untouched(number: signal.Signals, hosts: Hosts, checkout: Checkout) -> None:
    with hosts.unchanged("lab1"):
        running = checkout.start("cutover", "--yes", hosts="lab1").when(
            reached(checkout, "phase.started", phase="backup")
        )
        running.signal(number)
        answer = running.answer()
    assert answer.code == 130, str(answer)
    assert answer.errors
    assert checkout.ask("status", hosts="lab1").document["hosts"]["lab1"]["lease"]["held"] is False


def test_in_phase_4_it_is_rolled_back_first_and_a_second_signal_does_not_cut_that_short(
    hosts: Hosts, checkout: Checkout
) -> None:
    before = hosts.fingerprint("lab1")
    running = checkout.start("cutover", "--yes", hosts="lab1").when(
        reached(checkout, "phase.started", phase="activation")
    )
    running.signal(signal.SIGINT)
    running.when(reached(checkout, "rollback.started")).signal(signal.SIGINT)
    answer = running.answer()
    assert answer.code == 130, str(answer)
    assert "the safe path is under way" in " ".join(answer.output.split())
    assert "rolled back: lab1" in answer.errors[-1]["found"]
    hosts.same_as(before)


def test_abort_of_a_run_that_only_prepared_leaves_v1_alone(hosts: Hosts, checkout: Checkout) -> None:
    with hosts.unchanged("lab1"):
        assert checkout.yes("prepare", hosts="lab1").code == 0
        answer = checkout.yes("abort", hosts="lab1")
    assert answer.code == 0, str(answer)
    assert "idle" in answer.output


def test_abort_leaves_a_confirmed_cutover_alone(hosts: Hosts, checkout: Checkout) -> None:
    done = checkout.yes("cutover", hosts="lab1")
    assert done.code == 0, str(done)
    before = hosts.fingerprint("lab1")
    for words in ((), ("--check",), ("--run", done.run)):
        answer = checkout.yes("abort", *words, hosts="lab1")
        assert answer.code == 0, str(answer)
        assert f"run {done.run} is confirmed: lab1 stays as it is" in " ".join(answer.output.split())
    hosts.same_as(before)
    assert hosts.inside("lab1", f"systemctl is-active {V2}") == "active\n"
