"""One run at a time: whoever holds a host is named to whoever comes second, who changes nothing."""

import signal

import pytest

from tests.lab.support import Checkout, reached
from tests.waiting import wait_until

pytestmark = pytest.mark.lab


@pytest.mark.usefixtures("hosts")
def test_a_second_run_is_refused_with_the_name_of_the_holder_and_the_first_goes_on(
    checkout: Checkout, other: Checkout
) -> None:
    first = checkout.start("prepare", "--yes", hosts="lab1:lab2").when(reached(checkout, "lease.taken"))
    first.signal(signal.SIGSTOP)  # it cannot end before the second has asked
    second = other.yes("cutover", hosts="lab2:lab3")
    assert second.code == 6, str(second)
    assert [error["host"] for error in second.errors] == ["lab2"]
    assert "root@" in second.errors[0]["found"]
    assert "Ctrl-C" in second.errors[0]["next"]
    first.signal(signal.SIGCONT)
    assert first.answer().code == 0
    status = checkout.ask("status")
    assert [host["lease"]["held"] for host in status.document["hosts"].values()] == [False, False, False]


@pytest.mark.usefixtures("hosts")
def test_a_killed_run_keeps_others_out_until_its_lease_ends(checkout: Checkout, other: Checkout) -> None:
    checkout.set(cutover_lease_s=20, cutover_renew_s=1)
    first = checkout.start("prepare", "--yes", hosts="lab1").when(reached(checkout, "lease.taken"))
    first.kill()
    assert other.yes("prepare", hosts="lab1").code == 6
    wait_until(lambda: not other.ask("status", hosts="lab1").document["hosts"]["lab1"]["lease"]["held"], every=1)
    later = other.yes("prepare", hosts="lab1")
    assert later.code == 0, str(later)
