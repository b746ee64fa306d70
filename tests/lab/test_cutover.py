"""x"""
import pytest
from tests.lab.support import Checkout
from tests.lab.support_hosts import Hosts

@pytest.mark.lab
def test_probe(hosts: Hosts, checkout: Checkout) -> None:
    import time
    t=time.monotonic(); hosts.reset(); print("reset", time.monotonic()-t)
    a = hosts.fingerprint()
    print(a["lab1"])
    done = checkout.yes("cutover")
    print(done)
    print(time.monotonic()-t)
    assert 0
