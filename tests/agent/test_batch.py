"""Batches on a real host: work is done once and its result is kept, whatever becomes of who asked for it."""

import itertools
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from cutover.core.step import State, Step
from cutover.plan.steps import command
from cutover.remote.agent import AgentFailed, Fenced, HostAgent
from cutover.remote.transport import Lost

if TYPE_CHECKING:
    from tests.realhost import RealHost

pytestmark = pytest.mark.lab
STATE = "/var/lib/cutover-test-batch"
_runs = itertools.count(1)


@pytest.fixture
def agent(real: "RealHost") -> Iterator[HostAgent]:
    """An agent on a host where nothing has happened yet."""
    agent = real.agent(STATE)
    yield agent
    agent.transport.close()
    real.sh(f"rm -rf {STATE} /srv/*")


@pytest.fixture
def run(agent: HostAgent) -> tuple[str, int]:
    """A run and its token."""
    name = f"batch{next(_runs)}"
    return name, int(agent.begin(run=name, holder="tests", nonce=name, lease_s=120)["lease"]["token"])


def counted(name: str, *, waits: bool = False) -> Step:
    """A step that leaves a line each time it is done; it may wait until it may go on."""
    script = f"echo $$ >> /srv/{name}; until [ -e /srv/go ] || [ {waits} = False ]; do sleep 0.05; done; echo '{{}}'"
    return command(name, "count", ["sh", "-c", script], {"exit_code": 0}, timeout_s=20)


def apply(
    agent: HostAgent, run: tuple[str, int], *steps: Step, batch: str = "b-1", deadline_s: float = 20
) -> list[State]:
    return agent.apply(run=run[0], batch=batch, token=run[1], steps=steps, files={}, deadline_s=deadline_s)


def begun(real: "RealHost", name: str) -> None:
    """Return when a step has begun."""
    real.sh(f"until [ -e /srv/{name} ]; do sleep 0.05; done")


def done(real: "RealHost", name: str) -> int:
    """How often a step was done."""
    return len(real.sh(f"[ ! -e /srv/{name} ] || cat /srv/{name}").splitlines())


def in_background(agent: HostAgent, run: tuple[str, int], *steps: Step) -> tuple[threading.Thread, list[object]]:
    """Ask for a batch in a thread; what came of it is in the list in the end."""
    came: list[object] = []

    def ask() -> None:
        try:
            came.append(apply(agent, run, *steps))
        except Exception as error:  # noqa: BLE001 - it is what came of it
            came.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, came


def test_a_batch_is_done_once_and_its_result_stays(agent: HostAgent, run: tuple[str, int], real: "RealHost") -> None:
    first = apply(agent, run, counted("once"))
    assert [outcome["ok"] for outcome in first] == [True]
    assert apply(agent, run, counted("once")) == first
    assert done(real, "once") == 1
    assert real.sh(f"find {STATE} -name request.json") == ""  # it may carry secrets


def test_the_work_survives_a_connection_that_is_cut_and_its_result_is_given_to_who_asks_again(
    agent: HostAgent, run: tuple[str, int], real: "RealHost"
) -> None:
    thread, came = in_background(agent, run, counted("cut", waits=True), counted("after"))
    begun(real, "cut")
    agent.transport.close()
    thread.join(30)
    assert isinstance(came[0], Lost)
    real.sh("touch /srv/go")
    outcomes = apply(agent, run, counted("cut", waits=True), counted("after"))
    assert [(outcome["id"], outcome["ok"]) for outcome in outcomes] == [("cut", True), ("after", True)]
    assert (done(real, "cut"), done(real, "after")) == (1, 1)


def test_the_work_survives_the_end_of_its_front_on_the_host(
    agent: HostAgent, run: tuple[str, int], real: "RealHost"
) -> None:
    thread, came = in_background(agent, run, counted("front", waits=True))
    begun(real, "front")
    real.sh("kill -KILL $(pgrep -f '[0-9] serve$')")
    thread.join(30)
    assert isinstance(came[0], AgentFailed)
    second, also = in_background(agent, run, counted("front", waits=True))
    real.sh("touch /srv/go")
    second.join(30)
    assert isinstance(also[0], list)
    assert done(real, "front") == 1


def test_two_who_ask_for_the_same_batch_at_once_get_the_same_result(
    agent: HostAgent, run: tuple[str, int], real: "RealHost"
) -> None:
    real.sh("touch /srv/go")
    asked = [in_background(agent, run, counted("both", waits=True)) for _ in range(4)]
    for thread, _ in asked:
        thread.join(60)
    results = [came[0] for _, came in asked]
    assert isinstance(results[0], list)
    assert all(result == results[0] for result in results)
    assert done(real, "both") == 1


def test_a_batch_whose_unit_was_killed_ends_without_a_result_and_is_not_begun_again(
    agent: HostAgent, run: tuple[str, int], real: "RealHost"
) -> None:
    thread, came = in_background(agent, run, counted("killed", waits=True))
    begun(real, "killed")
    assert real.sh(f"find {STATE} -name request.json") == ""  # read, and gone while the work goes on
    real.sh(f"systemctl kill -s KILL --kill-whom=all cutover-{run[0]}-b-1.service")
    thread.join(30)
    assert isinstance(came[0], AgentFailed)
    assert "ended without a result" in str(came[0])
    with pytest.raises(AgentFailed, match="ended without a result"):
        apply(agent, run, counted("killed", waits=True))
    assert done(real, "killed") == 1


def test_what_hangs_is_ended_at_the_deadline_of_the_batch(
    agent: HostAgent, run: tuple[str, int], real: "RealHost"
) -> None:
    outcomes = apply(agent, run, counted("hangs", waits=True), counted("never"), deadline_s=1)
    assert [(outcome["id"], outcome["ok"]) for outcome in outcomes] == [("hangs", False)]
    assert outcomes[0]["after"]["end"] == "deadline passed"
    assert (done(real, "hangs"), done(real, "never")) == (1, 0)


def test_who_lost_the_lease_in_the_middle_changes_nothing_more(
    agent: HostAgent, run: tuple[str, int], real: "RealHost"
) -> None:
    thread, came = in_background(agent, run, counted("first", waits=True), counted("second"))
    begun(real, "first")
    agent.release(token=run[1])
    other = int(agent.begin(run="other", holder="somebody", nonce="o", lease_s=60)["lease"]["token"])
    assert other > run[1]
    real.sh("touch /srv/go")
    thread.join(30)
    assert isinstance(came[0], Fenced)
    assert (done(real, "first"), done(real, "second")) == (1, 0)


def test_a_lease_does_not_survive_a_reboot_but_results_do(
    agent: HostAgent, run: tuple[str, int], real: "RealHost"
) -> None:
    first = apply(agent, run, counted("boot"))
    real.reboot()
    agent.transport.close()
    assert agent.status()["lease"]["held"] is False
    token = int(agent.begin(run=run[0], holder="tests", nonce="again", lease_s=60)["lease"]["token"])
    assert token == run[1] + 1
    assert apply(agent, (run[0], token), counted("boot")) == first
    assert done(real, "boot") == 1
