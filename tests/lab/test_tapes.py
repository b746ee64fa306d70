"""Not one tape is lost and none is processed twice, from V1 to V2, back, and to V2 again."""

import json

import pytest

from lab.rehearse import COUNT
from tests.lab.support import V2, Checkout, Hosts

pytestmark = pytest.mark.lab


def test_a_stream_of_tapes_is_processed_once_each_through_cutover_rollback_and_cutover(
    hosts: Hosts, checkout: Checkout
) -> None:
    hosts.stream("lab1")
    for command in ("cutover", "rollback", "cutover"):
        answer = checkout.yes(command, hosts="lab1")
        assert answer.code == 0, str(answer)
    hosts.quiet("lab1")
    seen = json.loads(hosts.inside("lab1", f"python3 -I -c '{COUNT}'"))
    assert seen["delivered"] > 100
    assert seen["different"] == seen["delivered"]  # else two could not be kept apart
    assert (seen["lost"], seen["twice"], seen["waiting"]) == (0, 0, 0)
    assert seen["done"] + seen["rejected"] == seen["delivered"]
    assert 0 < seen["by_v1"] < seen["delivered"]
    assert hosts.inside("lab1", f"systemctl is-active {V2}") == "active\n"
