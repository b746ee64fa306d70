"""Units on a real systemd: no exit status is believed, no process is left, nothing is killed unasked."""

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from cutover.agent.clock import FOREVER_S
from cutover.core.step import State, Step
from cutover.plan.steps import probe, unit_files_read, unit_started, unit_stopped
from cutover.remote.agent import HostAgent
from tests.waiting import PATIENCE_S

if TYPE_CHECKING:
    from tests.realhost import RealHost

pytestmark = pytest.mark.lab
STATE = "/var/lib/cutover-test-units"
_batches = itertools.count(1)


@pytest.fixture(scope="module")
def agent(real: "RealHost") -> Iterator[HostAgent]:
    agent = real.agent(STATE)
    yield agent
    agent.transport.close()


@pytest.fixture
def unit(real: "RealHost") -> Iterator[Callable[..., str]]:
    """Makes a unit on the host: name of its file, from lines of its [Service]."""
    name = f"cutover-test-{next(_batches)}.service"

    def make(*lines: str, more: str = "", reload: bool = True) -> str:
        text = "\n".join(["[Unit]", more, "[Service]", *lines, "[Install]", "WantedBy=multi-user.target"])
        real.sh(
            f"cat > /etc/systemd/system/{name} <<'EOF'\n{text}\nEOF\n{'systemctl daemon-reload' if reload else 'true'}"
        )
        return name

    yield make
    real.sh(
        f"for verb in 'kill -s KILL --kill-whom=all' disable stop; do if ! systemctl $verb {name} 2>/dev/null; then :; fi; done; "
        f"rm -f /etc/systemd/system/{name}; if ! systemctl reset-failed {name} 2>/dev/null; then :; fi; systemctl daemon-reload"
    )


def do(agent: HostAgent, step: Step) -> State:
    token = agent.begin(run="units", holder="tests", nonce="units", lease_s=60)["lease"]["token"]
    (outcome,) = agent.apply(
        run="units", batch=f"b-{next(_batches)}", token=token, steps=[step], files={}, deadline_s=20
    )
    return outcome


def look(agent: HostAgent, unit: str) -> State:
    return agent.look([probe("u", "unit", "", {}, args={"unit": unit})])["u"]


SLEEPS = "ExecStart=/bin/sleep 600"
STUBBORN = "ExecStart=/bin/sh -c 'trap \"\" TERM; while true; do sleep 1; done'"


def test_a_unit_is_started_and_enabled_and_stopped_and_disabled(agent: HostAgent, unit: Callable[..., str]) -> None:
    name = unit(SLEEPS, "TimeoutStopSec=infinity")
    started = do(agent, unit_started("s", name, timeout_s=PATIENCE_S))
    assert started["after"]["stop_timeout_s"] == FOREVER_S
    assert (started["ok"], started["changed"], started["after"]["enabled"]) == (True, True, "enabled")
    assert started["after"]["processes"] == [started["after"]["main_pid"]]
    assert do(agent, unit_started("s", name, timeout_s=PATIENCE_S))["changed"] is False
    stopped = do(agent, unit_stopped("s", name, timeout_s=PATIENCE_S))
    assert (stopped["ok"], stopped["after"]["enabled"], stopped["after"]["processes"]) == (True, "disabled", [])
    assert do(agent, unit_stopped("s", name, timeout_s=PATIENCE_S))["changed"] is False


def test_enablement_alone_is_put_right_without_a_restart(
    agent: HostAgent, unit: Callable[..., str], real: "RealHost"
) -> None:
    name = unit(SLEEPS)
    real.sh(f"systemctl start {name}")
    before = look(agent, name)
    outcome = do(agent, unit_started("s", name, timeout_s=PATIENCE_S))
    assert (outcome["ok"], before["enabled"], outcome["after"]["enabled"]) == (True, "disabled", "enabled")
    assert outcome["after"]["invocation"] == before["invocation"]


def test_one_that_ignores_sigterm_is_not_killed_unasked(agent: HostAgent, unit: Callable[..., str]) -> None:
    name = unit(STUBBORN, "TimeoutStopSec=60")
    assert do(agent, unit_started("s", name, timeout_s=PATIENCE_S))["ok"]
    pid = look(agent, name)["main_pid"]
    outcome = do(agent, unit_stopped("s", name, timeout_s=0.5))
    assert outcome["ok"] is False
    assert "force is not allowed; systemd kills it 60 s after it was asked" in outcome["error"]
    assert pid in outcome["after"]["processes"]
    assert outcome["after"]["stop_timeout_s"] == 60
    forced = do(agent, unit_stopped("s", name, timeout_s=0.5, force=True))
    assert (forced["ok"], forced["after"]["processes"]) == (True, [])


def test_one_that_systemd_had_to_kill_did_not_end_by_itself(agent: HostAgent, unit: Callable[..., str]) -> None:
    name = unit(STUBBORN, "TimeoutStopSec=1")
    assert do(agent, unit_started("s", name, timeout_s=PATIENCE_S))["ok"]
    outcome = do(agent, unit_stopped("s", name, timeout_s=PATIENCE_S))  # systemctl stop says 0 all the same
    assert (outcome["ok"], outcome["error"], outcome["after"]["result"]) == (False, None, "timeout")


def test_a_process_that_its_unit_leaves_behind_is_seen(agent: HostAgent, unit: Callable[..., str]) -> None:
    name = unit("ExecStart=/bin/sh -c 'sleep 600 & exec sleep 601'", "KillMode=process")
    assert do(agent, unit_started("s", name, timeout_s=PATIENCE_S))["ok"]
    outcome = do(agent, unit_stopped("s", name, timeout_s=0.5))
    assert (outcome["ok"], len(outcome["after"]["processes"]), outcome["after"]["main_pid"]) == (False, 1, 0)
    assert do(agent, unit_stopped("s", name, timeout_s=0.5, force=True))["after"]["processes"] == []


def test_one_that_never_says_ready_is_stopped_again(agent: HostAgent, unit: Callable[..., str]) -> None:
    name = unit(SLEEPS, "Type=notify", "TimeoutStartSec=60")
    outcome = do(agent, unit_started("s", name, timeout_s=0.5))
    assert (outcome["ok"], "was not ready within" in outcome["error"]) == (False, True)
    assert do(agent, unit_stopped("s", name, timeout_s=PATIENCE_S, force=True))["after"]["processes"] == []


def test_on_the_way_back_a_slow_start_is_left_to_go_on(
    agent: HostAgent, unit: Callable[..., str], real: "RealHost"
) -> None:
    ready = "until [ -e /run/cutover-test-ready ]; do sleep 0.05; done; systemd-notify --ready; exec sleep 600"
    name = unit(f"ExecStart=/bin/sh -c '{ready}'", "Type=notify", "NotifyAccess=all", "TimeoutStartSec=60")
    real.sh("rm -f /run/cutover-test-ready")
    outcome = do(agent, unit_started("s", name, timeout_s=0.5, leave=True))
    assert (outcome["ok"], "its start goes on" in outcome["error"]) == (False, True)
    assert outcome["after"]["active"] == "activating"
    real.sh("touch /run/cutover-test-ready")
    assert do(agent, unit_started("s", name, timeout_s=PATIENCE_S, leave=True))["after"]["active"] == "active"


def test_on_the_way_back_a_start_outlasts_a_stop_that_is_still_under_way(
    agent: HostAgent, unit: Callable[..., str]
) -> None:
    name = unit(STUBBORN, "TimeoutStopSec=2")
    assert do(agent, unit_started("s", name, timeout_s=PATIENCE_S))["ok"]
    stopped = do(agent, unit_stopped("s", name, timeout_s=0.3))
    assert (stopped["ok"], stopped["after"]["active"], stopped["after"]["stop_timeout_s"]) == (False, "deactivating", 2)
    started = do(agent, unit_started("s", name, timeout_s=PATIENCE_S, leave=True))
    assert started["ok"], started
    assert started["after"]["main_pid"] != stopped["before"]["main_pid"]


@pytest.mark.parametrize("line", ["ExecStart=/bin/true", "ExecStart=/nowhere/kpi"])
def test_one_that_exits_at_once_is_not_started_whatever_systemctl_says(
    agent: HostAgent, unit: Callable[..., str], line: str
) -> None:
    name = unit(line, "Type=simple")
    do(agent, unit_started("s", name, timeout_s=PATIENCE_S))
    assert do(agent, probe("p", "unit", "", {"active": "active"}, args={"unit": name}))["ok"] is False


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("ExecStart=/bin/sh -c 'echo my last words; exit 3'", "Type=notify"), "my last words"),
        (("ExecStart=/nowhere/kpi", "Type=exec"), "did not start"),
        (("ExecStart=/bin/sleep 600", "Type=exec", "User=no-such-user"), "did not start"),
    ],
)
def test_one_that_dies_before_it_is_ready_says_why(
    agent: HostAgent, unit: Callable[..., str], lines: tuple[str, ...], said: str
) -> None:
    outcome = do(agent, unit_started("s", unit(*lines), timeout_s=PATIENCE_S))
    assert (outcome["ok"], said in outcome["error"]) == (False, True), outcome["error"]


def test_starts_by_hand_do_not_run_into_the_start_limit(agent: HostAgent, unit: Callable[..., str]) -> None:
    name = unit(SLEEPS, more="StartLimitBurst=2\nStartLimitIntervalSec=600")
    for _ in range(4):
        assert do(agent, unit_started("s", name, timeout_s=PATIENCE_S))["ok"]
        assert do(agent, unit_stopped("s", name, timeout_s=PATIENCE_S))["ok"]


def test_a_stale_unit_file_is_read_before_a_start(agent: HostAgent, unit: Callable[..., str]) -> None:
    name = unit("ExecStart=/bin/sh -c 'exit 3'", "Type=notify")
    assert (
        do(agent, unit_started("s", name, timeout_s=PATIENCE_S))["ok"] is False
    )  # a failed unit stays loaded as it was
    unit(SLEEPS, reload=False)
    started = do(agent, unit_started("s", name, timeout_s=PATIENCE_S))
    assert [started[look]["need_daemon_reload"] for look in ("before", "after")] == [True, False]
    assert started["ok"]
    unit("ExecStart=/bin/sleep 700", reload=False)
    read = do(agent, unit_files_read("r", [name]))
    assert (read["ok"], read["before"]["stale"], read["after"]["stale"]) == (True, [name], [])


def test_a_unit_that_is_not_there_is_stopped_but_cannot_be_started(agent: HostAgent) -> None:
    name = "cutover-test-none.service"
    assert look(agent, name)["load"] == "not-found"
    stopped = do(agent, unit_stopped("s", name, timeout_s=PATIENCE_S))
    assert (stopped["ok"], stopped["changed"]) == (True, False)
    assert do(agent, unit_started("s", name, timeout_s=PATIENCE_S))["ok"] is False


def test_one_that_is_masked_can_be_looked_at(agent: HostAgent, real: "RealHost") -> None:
    real.sh("systemctl mask cutover-test-masked.service")
    seen = look(agent, "cutover-test-masked.service")
    real.sh("systemctl unmask cutover-test-masked.service")
    assert (seen.get("error"), seen["load"], seen["enabled"]) == (None, "masked", "masked")


def test_how_long_a_service_was_away_comes_from_the_hosts_own_journal(
    agent: HostAgent, unit: Callable[..., str]
) -> None:
    name = unit(SLEEPS)
    start, stop = unit_started("s", name, timeout_s=PATIENCE_S), unit_stopped("s", name, timeout_s=PATIENCE_S)
    assert all(do(agent, step)["ok"] for step in (start, stop, start))
    gap = agent.look([probe("g", "gap", "", {}, args={"stopped": name, "started": name})])["g"]
    assert 0 < gap["gap_s"] < PATIENCE_S
    assert gap["from"] < gap["until"]
