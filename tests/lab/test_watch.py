"""Real watches of V2 on three hosts, with a day hurried to minutes: undisturbed, and with what must be seen.

In every run: a day that passes, a burst of errors that rolls back, a leak that holds. The others, and the day of five minutes,
are marked `faults`: `./invokew test --faults` runs them.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from cutover.journal.journal import read
from cutover.plan.service import load_service
from cutover.plan.service import thresholds as thresholds_of
from tests.checkout import ROOT
from tests.lab import watching
from tests.lab.support import V1, V2, Answer, Checkout, Hosts
from tests.notify.receivers import MailServer, WebServer, mail_server, web_server

FIVE_MINUTES = 300.0  # that the seeds promise from a fault to V1
HURRIED = {
    "watch_scale": 240,
    "watch_look_s": 2,
    "watch_cadence": {"2h": "1h", "24h": "4h"},
    "watch_live": "2h",
    "watch_rules": {"crash_loop": {"window": "1h"}},  # three crashes take some seconds, however hurried the watch is
    "abaco_stall_s": 600,  # systemd's watchdog would mend a service that hangs before the watch may see it
}
FAULTS = [watching.crash_loop, watching.cut_trail, watching.lost_tape, watching.hang]
PATIENT = {"deadline": "24h", "default": "stay", "roles": ["engineering_lead"]}
DRIFT = 0.25  # synthetic tapes of a thousand rows are no book of loans: their rates differ by some per cent


@pytest.fixture
def mails() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def posts() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture
def watched(
    hosts: Hosts, checkout: Checkout, mails: MailServer, posts: WebServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Checkout]:
    """Three hosts on V2 under a stream of tapes, people who are notified, and a key to sign with."""
    port = mails.server_address[1]
    monkeypatch.setenv(
        "LAB_MAIL", f"mailto://127.0.0.1:{port}?from=watch@example.org&to=on-call@example.org&mode=insecure"
    )
    monkeypatch.setenv("LAB_HOOK", f"json://{posts.place}/hook")
    roles = {
        "engineering_lead": {"title": "Engineering Lead", "names": ["Ana Example"], "channels": ["mail"]},
        "operations_lead": {"title": "Operations Lead", "names": [], "channels": ["mail"]},
        "on_call": {"title": "On-call Engineer", "names": [], "channels": ["mail", "hook"]},
        "data_owner": {"title": "Data Quality Lead", "names": [], "channels": ["mail"]},
        "management": {"title": "VP Engineering", "names": [], "channels": ["mail"]},
        "stakeholders": {"title": "Users of the reports", "names": [], "channels": ["mail"]},
    }
    channels = {"mail": {"env": "LAB_MAIL"}, "hook": {"env": "LAB_HOOK"}}
    checkout.set(**HURRIED, watch_thresholds=thresholds(), people_channels=channels, people_roles=roles)
    signer(checkout)
    for name in hosts.names:
        hosts.stream(name, every=0.25, rows=1000)
    done = checkout.yes("cutover")
    assert done.code == 0, str(done)
    mails.mails.clear()
    posts.posts.clear()
    yield checkout
    watching.end(hosts)


def thresholds() -> dict[str, dict[str, float]]:
    """The table as its role declares it, with room for how synthetic tapes differ, and how busy a machine of many hosts is."""
    table: dict[str, dict[str, float]] = thresholds_of(load_service(ROOT, "abaco"), {})
    room = {"kpi_drift": {"warn": DRIFT}, "kpi_drift_since_baseline": {"warn": DRIFT}, "stability": {"critical": 5.0}}
    return table | room


def subjects(mails: MailServer) -> list[str]:
    """Of all mails that came."""
    return [str(mail["Subject"]) for mail in mails.mails]


def signer(checkout: Checkout) -> None:
    """An engineer's key, and the list that says so."""
    key = checkout.root / ".home" / ".ssh" / "id_ed25519"
    key.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (checkout.inventory / "allowed_signers").write_text(f"ana@example.org {key.with_suffix('.pub').read_text()}")


def watch(checkout: Checkout, disturb: Callable[[], None] = lambda: None, after: float = 6.0) -> Answer:
    """Watch to the end; after a while something befalls the service."""
    timer = threading.Timer(after, disturb)
    timer.start()
    try:
        return checkout.start("monitor").answer()
    finally:
        timer.join()


def records(checkout: Checkout, run: str, *kinds: str) -> list[dict[str, object]]:
    """Those of a watch's journal."""
    found = read(checkout.run_directory(run) / "watch.jsonl")
    return [{"at": one.at, **one.data} for one in found if one.kind in kinds]


def verified(checkout: Checkout, run: str) -> Answer:
    """What the judgement of the run's bundle came to."""
    bundle = checkout.run_directory(run) / f"evidence-{run}.tar"
    signers = str(checkout.inventory / "allowed_signers")
    words = ["report", "--verify", str(bundle), "--signers", signers, "--json"]
    home = {"HOME": str(checkout.root / ".home"), "PATH": "/usr/bin:/bin"}
    said = subprocess.run(
        [sys.executable, "-m", "cutover.cli", *words], cwd=checkout.root, env=home, capture_output=True, text=True, check=False
    )  # fmt: skip
    return Answer(said.returncode, json.loads(said.stdout), said.stderr, 0.0)


def in_service(hosts: Hosts) -> set[str]:
    """Which unit is active on the hosts."""
    asked = f"for unit in {V1} {V2}; do systemctl is-active --quiet $unit && echo $unit; done; true"
    return {line for said in hosts.each(lambda name: hosts.inside(name, asked)).values() for line in said.split()}


def rolled_back(checkout: Checkout, hosts: Hosts, answer: Answer, host: str) -> None:
    """The whole fleet is on V1 again, for the host that was disturbed, in time, with the evidence of it signed."""
    assert answer.code == 4, str(answer)
    assert in_service(hosts) == {V1}
    triggers = records(checkout, answer.run, "trigger")
    assert {one["host"] for one in triggers} == {host}, str(answer)
    page = (checkout.run_directory(answer.run) / "report.html").read_text()
    assert "back on V1" in page or "back to V1" in page
    assert verified(checkout, answer.run).code == 0


@pytest.mark.lab
def test_an_undisturbed_watch_passes_is_signed_and_told(
    watched: Checkout, hosts: Hosts, mails: MailServer, posts: WebServer
) -> None:
    answer = watch(watched)
    assert answer.code == 0, str(answer)
    assert in_service(hosts) == {V2}
    points = records(watched, answer.run, "point")
    assert [(one["name"], one["answer"]) for one in points] == [("hour_1", "go_on")]
    assert records(watched, answer.run, "hold.opened", "trigger") == []
    table = (watched.run_directory(answer.run) / "watch.md").read_text()
    assert table.count("\n| 20") > 3 * len(hosts.names)
    good = verified(watched, answer.run)
    assert good.code == 0, str(good)
    assert any("In service" in subject for subject in subjects(mails)), subjects(mails)
    assert posts.posts
    forged = watched.run_directory(answer.run) / f"evidence-{answer.run}.tar"
    content = bytearray(forged.read_bytes())
    content[len(content) // 2] ^= 1
    forged.write_bytes(content)
    assert verified(watched, answer.run).code == 9


@pytest.mark.lab
def test_a_burst_of_errors_rolls_the_fleet_back(watched: Checkout, hosts: Hosts, mails: MailServer) -> None:
    answer = watch(watched, lambda: watching.error_burst(hosts, "lab2"))
    rolled_back(watched, hosts, answer, "lab2")
    assert any("back" in subject.lower() for subject in subjects(mails)), subjects(mails)


@pytest.mark.lab
def test_a_leak_holds_until_somebody_decides(watched: Checkout, hosts: Hosts, mails: MailServer) -> None:
    watched.set(watch_live="24h")
    answer = watch(watched, lambda: watching.leak(hosts, "lab1"))
    assert answer.code == 7, str(answer)
    assert in_service(hosts) == {V2}
    (hold,) = records(watched, answer.run, "hold.opened")
    assert "lab1" in str(hold["reasons"])
    assert any(subject.startswith("Decision needed") for subject in subjects(mails)), subjects(mails)
    shown = watched.ask("status").document["hosts"]["lab1"]["watch"]
    assert (shown["run"], shown["watched"], shown["hold"]["reasons"]) == (answer.run, False, hold["reasons"])
    assert watched.ask("monitor", "--once").code == 7
    refused = watched.ask("signoff", "--role", "engineering_lead", "--name", "Bob Other")
    assert refused.code == 2
    other = watched.ask("signoff", "--role", "stakeholders", "--name", "Bob Other")
    assert "does not decide" in other.errors[0]["found"], str(other)
    signed = watched.ask("signoff", "--role", "engineering_lead", "--name", "Ana Example", "--note", "known")
    assert signed.code == 0, str(signed)
    assert watched.ask("monitor", "--once").code != 7
    closed = records(watched, answer.run, "hold.closed")
    assert [one["decision"] for one in closed] == ["go_on"]
    assert watched.yes("rollback").code == 0
    assert in_service(hosts) == {V1}
    assert watched.ask("status").document["hosts"]["lab1"]["watch"]["over"]


@pytest.mark.faults
@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.__name__)
def test_what_must_not_be_rolls_the_fleet_back(
    fault: Callable[[Hosts, str], None], watched: Checkout, hosts: Hosts
) -> None:
    # What has failed already holds the watch; a hanging service is a trigger after a real minute only, a hurried quarter of a day.
    watched.set(watch_live="24h", watch_hold=PATIENT)
    began = [0.0]

    def disturb() -> None:
        began[0] = time.monotonic()
        fault(hosts, "lab3")

    answer = watch(watched, disturb)
    took = time.monotonic() - began[0]
    rolled_back(watched, hosts, answer, "lab3")
    assert took < FIVE_MINUTES


@pytest.mark.faults
def test_a_slow_drift_holds(watched: Checkout, hosts: Hosts) -> None:
    watched.set(watch_live="24h")
    answer = watch(watched, lambda: watching.kpi_drift(hosts, "lab2"))
    assert answer.code == 7, str(answer)
    assert in_service(hosts) == {V2}
    (hold,) = records(watched, answer.run, "hold.opened")
    assert "lab2" in str(hold["reasons"])


@pytest.mark.faults
def test_a_day_of_five_minutes_passes(watched: Checkout) -> None:
    seeds = {"4h": "30m", "8h": "1h", "16h": "2h", "24h": "4h"}
    watched.set(watch_scale=288, watch_look_s=3, watch_cadence=seeds, watch_live="24h")
    answer = watched.start("monitor").answer()
    assert answer.code == 0, str(answer)
    rows = {one["t"] for one in records(watched, answer.run, "judged") if one["row"]}
    assert len(rows) == 19
    assert [one["answer"] for one in records(watched, answer.run, "point")] == ["go_on"] * 3
    assert verified(watched, answer.run).code == 0
