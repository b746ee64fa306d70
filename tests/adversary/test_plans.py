"""Root on one host changes the plan that it keeps of a run: nothing of it is done on another host, from whichever machine goes back."""

import json

import pytest

from tests.lab.support import STATE, V1, Checkout, Hosts

pytestmark = pytest.mark.lab

TAKEN = "/root/taken"
# Run by root on lab2: its part of the plan becomes one for lab1 as well, whose way back begins with a command of its own.
FORGE = """
import json, pathlib, sys
path = pathlib.Path(sys.argv[1])
plan = json.loads(path.read_text())
own = plan["hosts"]["lab2"]
for name in ("lab1", "lab2"):
    forged = json.loads(json.dumps(own))
    forged["name"] = name
    command = {"name": "taken", "argv": ["/usr/bin/touch", sys.argv[2]], "timeout_s": 5, "user": None}
    step = {**forged["steps"]["rollback"][0], "id": "rollback.taken", "kind": "command", "args": command, "desired": {"ran": True}}
    forged["steps"]["rollback"].insert(0, {**step, "words": "take it", "needs": []})
    plan["hosts"][name] = forged
path.write_text(json.dumps(plan))
"""


@pytest.mark.parametrize("where", ["from the machine of the run", "from another"])
def test_a_forged_plan_is_done_nowhere(hosts: Hosts, checkout: Checkout, other: Checkout, where: str) -> None:
    before = hosts.fingerprint("lab1", "lab2")
    done = checkout.yes("cutover", "--serial", "100%", hosts="lab1:lab2")
    assert done.code == 0, str(done)
    plan = f"{STATE}/runs/{done.run}/plan.json"
    hosts.inside("lab2", f"cat > /root/forge.py <<'END'\n{FORGE}\nEND\npython3 /root/forge.py {plan} {TAKEN}")
    assert len(json.loads(hosts.inside("lab2", f"cat {plan}"))["hosts"]) == 2
    machine = checkout if where == "from the machine of the run" else other
    answer = machine.yes("rollback", hosts="lab1:lab2")
    for name in ("lab1", "lab2"):
        assert hosts.inside(name, f"ls {TAKEN} 2>&1", check=False).strip().endswith("No such file or directory"), name
    if machine is checkout:
        assert answer.code == 0, str(answer)
        hosts.same_as(before)
        return
    # The other machine has nothing but what hosts keep: lab2 is named and left, lab1 goes back by roles and inventory.
    assert answer.code == 5, str(answer)
    assert {error["host"] for error in answer.errors} == {"lab2"}, str(answer)
    assert "expected 'lab2'" in str([error["found"] for error in answer.errors])
    assert hosts.inside("lab1", f"systemctl is-active {V1}") == "active\n"
    hosts.same_as({"lab1": before["lab1"]})
