"""Not one tape is lost and none is processed twice, from V1 to V2, back, and to V2 again."""

import json

import pytest

from tests.lab.support import Checkout
from tests.lab.support_hosts import DATA, V2, Hosts

pytestmark = pytest.mark.lab

COUNT = f"""
import json, pathlib
data = pathlib.Path("{DATA}")
arrived = [json.loads(line)["sha256"] for line in (data / "arrivals.jsonl").read_text().splitlines()]
ended = [path.name.split("__")[0] for room in ("done", "rejected") for path in (data / room).glob("*__*")]
of_v1 = [*data.glob("metrics/v1_*.json"), *data.glob(".rollback/*/final/metrics_backup/v1_*.json")]
by_v1 = sorted({{json.loads(path.read_text())["sha256"] for path in of_v1}})
left = [path.name for room in ("inbox", "processing") for path in (data / room).glob("*")]
print(json.dumps({{"arrived": arrived, "ended": ended, "v1": by_v1, "waiting": left}}))
"""


def test_a_stream_of_tapes_is_processed_once_each_through_cutover_rollback_and_cutover(
    hosts: Hosts, checkout: Checkout
) -> None:
    hosts.stream("lab1")
    for command in ("cutover", "rollback", "cutover"):
        answer = checkout.yes(command, hosts="lab1")
        assert answer.code == 0, str(answer)
    hosts.quiet("lab1")
    seen = json.loads(hosts.inside("lab1", f"python3 -I -c '{COUNT}'"))
    assert len(seen["arrived"]) > 100
    assert len(set(seen["arrived"])) == len(seen["arrived"])  # else none could be told from another
    assert sorted(seen["ended"]) == sorted(seen["arrived"])
    assert seen["waiting"] == []
    by_v1 = set(seen["v1"])
    assert 0 < len(by_v1) < len(seen["arrived"])
    assert hosts.inside("lab1", f"systemctl is-active {V2}") == "active\n"
