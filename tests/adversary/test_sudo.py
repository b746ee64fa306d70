"""A login that may run the installed agent as root and nothing else: it is enough for a run, and a changed agent is refused."""

import shlex
from collections.abc import Iterator

import pytest

from tests.lab.support import Checkout, Hosts

pytestmark = pytest.mark.lab

SUDOERS = "/etc/sudoers.d/deploy"


@pytest.fixture
def limited(hosts: Hosts, checkout: Checkout) -> Iterator[str]:
    """lab1 allows its login the installed agent alone; gives where that lies."""
    installed = checkout.yes("agent.install", hosts="lab1")
    assert installed.code == 0, str(installed)
    shown = installed.document["hosts"]["lab1"]
    hosts.inside("lab1", f"cp -p {SUDOERS} /root/sudoers; echo {shlex.quote(shown['rule'])} > {SUDOERS}; visudo -cq")
    checkout.set(cutover_agent="installed")
    yield shown["path"]
    hosts.inside("lab1", f"cp -p /root/sudoers {SUDOERS}; rm {shown['path']}")


def test_a_run_needs_no_other_right(limited: str, hosts: Hosts, checkout: Checkout) -> None:
    for argv in ("true", "/usr/bin/python3 -c 1", f"{limited} work", f"/usr/bin/python3 {limited} serve"):
        refused = hosts.ended("lab1", f"sudo -n {argv}")
        assert (refused.returncode, "password is required" in refused.stderr) == (1, True), refused
    before = hosts.fingerprint("lab1")
    for command in ("hosts.ping", "status", "plan"):
        answer = checkout.ask(command, hosts="lab1")
        assert answer.code == 0, str(answer)
    done = checkout.yes("cutover", hosts="lab1")
    assert done.code == 0, str(done)
    looked = checkout.ask("validate", hosts="lab1")
    assert looked.code == 0, str(looked)
    watched = checkout.ask("monitor", "--once", hosts="lab1")
    assert watched.code in (0, 7, 10), str(watched)  # 10: what happened in the last hours is not known yet
    assert len(watched.document["hosts"]["lab1"]["findings"]) > 5, str(watched)
    back = checkout.yes("rollback", hosts="lab1")
    assert back.code == 0, str(back)
    hosts.same_as(before)


@pytest.mark.parametrize("change", ["echo >> {path}", "rm {path}"])
def test_an_agent_that_was_changed_is_refused_with_what_to_do(
    limited: str, hosts: Hosts, checkout: Checkout, change: str
) -> None:
    hosts.inside("lab1", change.format(path=limited))
    answer = checkout.ask("status", hosts="lab1")
    assert answer.code == 10, str(answer)
    assert any("sudo -n` is refused" in error["found"] for error in answer.errors), str(answer)
    assert any("agent.install" in error["next"] for error in answer.errors), str(answer)
    hosts.inside("lab1", f"touch {limited}")
