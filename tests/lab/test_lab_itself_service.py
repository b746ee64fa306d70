"""What `lab.up` makes of hosts on which an earlier one was broken off: V1 is in service on each, and nothing else is touched."""

import pytest

from cutover.inventory.targets import Options
from lab.service import put_in_service, service_of
from tests.checkout import ROOT
from tests.lab.support import V1, Hosts

BROKEN_OFF = {  # as if the role had ended before its last steps
    "lab1": f"systemctl disable --now {V1} lab-tapes.service",
    "lab2": "systemctl disable --now lab-tapes.service",
}


@pytest.mark.lab
def test_a_host_left_without_v1_or_without_tapes_is_mended_and_one_in_service_is_not_touched(hosts: Hosts) -> None:
    untouched = hosts.v1_process("lab3"), hosts.v1_process("lab2")
    for name, script in BROKEN_OFF.items():
        hosts.inside(name, script)
    assert [service_of(name, hosts.lab).unfinished for name in hosts.names] == [True, True, False]
    printed: list[str] = []
    put_in_service(hosts.names, Options(ROOT, "lab", str(hosts.inventory)), printed.append, hosts.lab)
    assert [service_of(name, hosts.lab).serving for name in hosts.names] == ["V1"] * 3
    assert not any(service_of(name, hosts.lab).unfinished for name in hosts.names)
    assert (hosts.v1_process("lab3"), hosts.v1_process("lab2")) == untouched
    assert printed == ["putting V1 in service on lab1, lab2, under a stream of tapes"]
    put_in_service(hosts.names, Options(ROOT, "lab", str(hosts.inventory)), printed.append, hosts.lab)
    assert len(printed) == 1
