"""Other users of a host, and the service's own: they read nothing through what root does for the service, and cannot stop it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cutover.plan.service import load_service, thresholds
from tests.checkout import ROOT
from tests.lab.support import DATA, V1, V2, Checkout, Hosts, journal

pytestmark = pytest.mark.lab

# As another user: whatever can be read of the scratch places of `shadow`, for as long as it runs.
READING = "while :; do cat /tmp/kpi-shadow-*/* /tmp/kpi-shadow-*/*/* 2>/dev/null; sleep 0.01; done"
CONNECTIONS = 1500  # more than the files that the unit may have open
LATE_S = thresholds(load_service(ROOT, "abaco"), {})["late_tape_seconds"]["warn"]
# As another user: many connections that say a byte a second, each opened again when it is closed.
HOLDING = f"""
import socket, time
held = []
ends = time.monotonic() + 600
while time.monotonic() < ends:
    while len(held) < {CONNECTIONS}:
        one = socket.socket()
        one.settimeout(5)
        try:
            one.connect(("127.0.0.1", 8001))
        except OSError:
            one.close()
            break
        one.setblocking(False)
        held.append(one)
    for one in list(held):
        try:
            one.send(b"G")
        except OSError:
            one.close()
            held.remove(one)
    time.sleep(1)
"""
ASKING = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8001/healthz', timeout=30).status)"


@contextmanager
def as_nobody(hosts: Hosts, name: str, program: str, text: str) -> Iterator[None]:
    """A program of another user, at work on a host for as long as this lasts; what it prints is in /tmp/said."""
    run = (
        "systemd-run -q --collect --unit=nobodys --uid=nobody -p LimitNOFILE=4096 -p StandardOutput=truncate:/tmp/said"
    )
    hosts.inside(
        name, f"cat > /tmp/nobodys <<'END'\n{text}\nEND\nchmod 0644 /tmp/nobodys; {run} {program} /tmp/nobodys"
    )
    try:
        yield
    finally:
        hosts.inside(name, "systemctl stop nobodys.service")


def test_shadow_opens_no_link_and_shows_nobody_its_copies(hosts: Hosts, checkout: Checkout) -> None:
    assert checkout.yes("prepare", hosts="lab1").code == 0
    with as_nobody(hosts, "lab1", "sh", READING):
        answer = checkout.ask("shadow", hosts="lab1")
    assert answer.code == 0, str(answer)
    assert hosts.inside("lab1", "cat /tmp/said") == ""
    hosts.inside(
        "lab1",
        f"install -m 0600 $(ls {DATA}/done/*tape* | tail -1) /root/only-root-reads.csv;"
        f"runuser -u abaco -- ln -s /root/only-root-reads.csv {DATA}/done/planted.csv",
    )
    answer = checkout.ask("shadow", hosts="lab1")
    hosts.inside("lab1", f"rm /root/only-root-reads.csv {DATA}/done/planted.csv")
    assert answer.code == 0, str(answer)
    tapes = answer.document["hosts"]["lab1"]["document"]["tapes"]
    assert len(tapes) == 3
    assert "planted.csv" not in str(tapes)


def test_many_slow_connections_of_a_user_neither_stop_the_service_nor_hide_it(hosts: Hosts, checkout: Checkout) -> None:
    assert checkout.yes("cutover", hosts="lab1").code == 0
    process, done = f"systemctl show -p InvocationID,NRestarts {V2}", f"ls {DATA}/done | wc -l"
    before, tapes = hosts.inside("lab1", process), int(hosts.inside("lab1", done))
    with as_nobody(hosts, "lab1", "python3", HOLDING):
        for _ in range(10):
            assert hosts.inside("lab1", f'python3 -c "{ASKING}" && sleep 1') == "200\n"
        hosts.quiet("lab1")  # all that came in meanwhile is taken
    assert int(hosts.inside("lab1", done)) > tapes
    # From its last byte until it was moved to the others that are done.
    moved = hosts.inside("lab1", f"find {DATA}/done -name '*.csv' -newer /tmp/nobodys -printf '%C@ %T@\\n'").split("\n")
    waited = [float(done) - float(written) for done, written in map(str.split, filter(None, moved))]
    assert max(waited) < LATE_S
    assert hosts.inside("lab1", process) == before


def test_what_a_backup_leaves_out_is_a_warning_that_names_it(hosts: Hosts, checkout: Checkout) -> None:
    hosts.inside("lab1", f"runuser -u abaco -- mkfifo {DATA}/metrics/planted")
    answer = checkout.yes("prepare", hosts="lab1")
    assert answer.code == 0, str(answer)
    assert answer.document["hosts"]["lab1"]["phases"]["backup"]["verdict"] == "WARN", str(answer)
    gates = [record["data"] for record in journal(checkout, answer.run) if record["kind"] == "gate"]
    assert f"{DATA}/metrics/planted" in str(gates)


def test_a_file_that_no_disk_could_hold_keeps_the_old_release_from_nothing(hosts: Hosts, checkout: Checkout) -> None:
    """The service's user makes it beside what V2 wrote, which root keeps on the way back."""
    done = checkout.yes("cutover", hosts="lab1")
    assert done.code == 0, str(done)
    hosts.inside("lab1", f"setpriv --reuid=abaco --regid=abaco --clear-groups truncate -s 8T {DATA}/metrics/hole.json")
    back = checkout.yes("rollback", hosts="lab1")
    hosts.inside("lab1", f"rm {DATA}/metrics/hole.json")
    assert back.code == 5, str(back)
    assert [error["path"] for error in back.errors] == ["rollback.keep", "rollback.state"], str(back)
    assert f"the largest: {DATA}/metrics/hole.json" in back.errors[0]["found"]
    assert hosts.inside("lab1", f"systemctl is-active {V1}") == "active\n"
