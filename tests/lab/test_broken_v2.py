"""A V2 that is broken on purpose: every touched host is back on V1, verified, with exit 4, whatever went wrong and where."""

import pytest

from tests.lab.support import BREAK, DATA, STATE, V2, Answer, Checkout, Hosts, reached

pytestmark = pytest.mark.lab

QUICK = {"abaco_start_s": 3, "abaco_stop_s": 3, "abaco_v2_stop_s": 3, "abaco_validate_timeout_s": 15}


def went_back(answer: Answer, hosts: Hosts, before: dict[str, object], *names: str) -> None:
    """What exit 4 promises: these hosts were touched, and are as they were, V1 in service."""
    assert answer.code == 4, str(answer)
    assert f"rolled back: {', '.join(names)}; all on V1, verified" in answer.errors[-1]["found"]
    hosts.same_as(before)
    health = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000/healthz').status)"
    for name in names:
        assert hosts.ssh(name, f'python3 -c "{health}"') == "200\n"


@pytest.mark.parametrize(
    ("how", "found"),
    [("dies at start", "start and enable"), ("never ready", "start and enable"), ("unhealthy", "health of V2")],
)
def test_a_v2_that_is_broken_ends_with_v1_back(
    how: str, found: str, hosts: Hosts, checkout: Checkout, broken_release: str
) -> None:
    checkout.set(**QUICK)
    before = hosts.fingerprint("lab1")
    hosts.inside("lab1", f"echo '{how}' > {DATA}/{BREAK}; chown abaco {DATA}/{BREAK}")
    answer = checkout.yes("cutover", "--release", broken_release, hosts="lab1")
    went_back(answer, hosts, before, "lab1")
    assert answer.errors[0]["host"] == "lab1"
    assert found in answer.errors[0]["found"]
    kept = hosts.inside("lab1", f"ls {STATE}/.rollback/{answer.run}/new_kept")
    assert "new.log" in kept


def test_a_second_batch_that_fails_takes_the_first_back_as_well(
    hosts: Hosts, checkout: Checkout, broken_release: str
) -> None:
    checkout.set(**QUICK)
    before = hosts.fingerprint()
    hosts.inside("lab2", f"echo 'dies at start' > {DATA}/{BREAK}")
    answer = checkout.yes("cutover", "--release", broken_release, "--serial", "1,1,1")
    went_back(answer, hosts, before, "lab1", "lab2")
    assert answer.errors[0]["host"] == "lab2"
    assert hosts.inside("lab3", f"ls {STATE}/.rollback").strip() == answer.run  # prepared, and never touched after that


def test_a_config_that_v2_refuses_ends_with_v1_back_and_the_reason(hosts: Hosts, checkout: Checkout) -> None:
    checkout.set(**QUICK, abaco_outputs=["csv"])
    before = hosts.fingerprint("lab1")
    answer = checkout.yes("cutover", hosts="lab1")
    went_back(answer, hosts, before, "lab1")
    assert "json is missing" in answer.errors[0]["found"]


def test_a_port_that_is_taken_after_the_preflight_ends_with_v1_back(hosts: Hosts, checkout: Checkout) -> None:
    checkout.set(**QUICK)
    before = hosts.fingerprint("lab1")
    running = checkout.start("cutover", "--yes", hosts="lab1").when(reached(checkout, "phase.started", phase="staging"))
    listen = "import socket, time; s = socket.create_server(('127.0.0.1', 8001)); time.sleep(600)"
    hosts.inside("lab1", f'systemd-run --quiet --unit=abaco-in-the-way python3 -c "{listen}"')
    answer = running.answer()
    went_back(answer, hosts, before, "lab1")
    assert "8001" in str(answer.errors)


def test_a_v2_that_dies_in_its_bake_time_ends_with_v1_back(hosts: Hosts, checkout: Checkout) -> None:
    checkout.set(cutover_bake_s=30)
    before = hosts.fingerprint("lab1")
    running = checkout.start("cutover", "--yes", hosts="lab1").when(reached(checkout, "bake.started"))
    hosts.inside("lab1", f"systemctl kill -s KILL {V2}")
    answer = running.answer()
    went_back(answer, hosts, before, "lab1")
    assert any("bake" in error["path"] for error in answer.errors)
