"""A host whose root answers in the agent's place: without end, huge, slow. The controller's memory and time are its own."""

import resource
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from cutover.remote.agent import AgentFailed, HostAgent
from cutover.remote.transport import DeadlinePassed, Flooded, RemoteError
from tests.lab.support import V1, Checkout, Hosts

if TYPE_CHECKING:
    from tests.realhost import RealHost

pytestmark = pytest.mark.lab
STATE = "/var/lib/cutover-adversary"
IN_PLACE = "/usr/local/bin/sudo"  # before /usr/bin in the PATH of a login
GROWS_MB = 100  # of the whole process, however much is sent

# What root has put into the agent's place, and what the controller is to make of it.
EVIL: dict[str, tuple[str, type[RemoteError]]] = {
    "a flood": ("while True: os.write(1, b'x' * (1 << 20))", Flooded),
    "a flood of errors": ("while True: os.write(2, b'x' * (1 << 20))", Flooded),
    "1 GB in a line": ("[os.write(1, b'x' * (1 << 20)) for _ in range(1024)]; os.write(1, b'\\n')", Flooded),
    "5 MB of nothing": ("os.write(1, b'[' * (5 << 20) + b'\\n'); time.sleep(60)", AgentFailed),
    "a byte a moment": ("while True: os.write(1, b'x'); time.sleep(0.05)", DeadlinePassed),
    "silence": ("time.sleep(600)", DeadlinePassed),
}


@pytest.fixture
def agent(real: "RealHost", request: pytest.FixtureRequest) -> Iterator[HostAgent]:
    """An agent on a host where something else answers."""
    script = f"#!/usr/bin/python3\nimport os, time\n{EVIL[request.param][0]}\n"
    real.sh(f"cat > {IN_PLACE} <<'END'\n{script}END\nchmod 0755 {IN_PLACE}")
    made = real.agent(STATE)
    yield made
    made.close()
    real.sh(f"rm {IN_PLACE}; pkill -KILL -u deploy python3 || [ $? = 1 ]")


@pytest.mark.parametrize(("agent", "error"), [(what, error) for what, (_, error) in EVIL.items()], indirect=["agent"])
def test_it_is_not_listened_to_for_longer_than_an_answer_can_be(
    agent: HostAgent, error: type[RemoteError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cutover.remote.agent.ANSWER_S", 3.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(error):
        agent.status()
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024 < GROWS_MB


# What root puts between the controller and the agent: so many true answers, and then something else.
BETWEEN = """#!/usr/bin/python3
import os, subprocess, sys, threading, time
agent = subprocess.Popen(["/usr/bin/sudo", *sys.argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def asked():
    while said := os.read(0, 1 << 16):
        agent.stdin.write(said)
        agent.stdin.flush()
threading.Thread(target=asked, daemon=True).start()
for _ in range({true}):
    line = agent.stdout.readline()
    os.write(1, line) if line else sys.exit(0)
{evil}
"""


def test_the_others_go_back_and_the_controller_stays_small_where_one_host_floods_it(
    hosts: Hosts, checkout: Checkout
) -> None:
    before = hosts.fingerprint("lab1")
    done = checkout.yes("cutover", "--serial", "100%", hosts="lab1:lab2")
    assert done.code == 0, str(done)
    script = BETWEEN.format(true=4, evil=EVIL["a flood"][0])  # once the way back has begun
    hosts.inside("lab2", f"cat > {IN_PLACE} <<'END'\n{script}END\nchmod 0755 {IN_PLACE}")
    running, most = checkout.start("rollback", "--yes", hosts="lab1:lab2"), 0
    while (now := running.most_mb) is not None:
        most = max(most, now)
        time.sleep(0.02)
    answer = running.answer()
    hosts.inside("lab2", f"rm {IN_PLACE}; pkill -KILL -u deploy python3 || [ $? = 1 ]")
    assert answer.code == 5, str(answer)
    assert {error["host"] for error in answer.errors} == {"lab2"}, str(answer)
    assert hosts.inside("lab1", f"systemctl is-active {V1}") == "active\n"
    hosts.same_as({"lab1": before["lab1"]})
    assert 0 < most < 200  # MB
