"""Plans that change nothing, plans that are applied later, batches, and what must be confirmed by a person."""

import json
import os
import re

import pytest

from tests.lab.support import CONFIG, DATA, STATE, V1, V2, Checkout, Hosts, journal

pytestmark = pytest.mark.lab

# Everything on a host's own file system but for the host's log: a look must leave nothing behind.
NEWER = "find / -xdev -newer /run/before -not -path '/var/log*' -not -path /run"


@pytest.mark.parametrize("command", [("plan",), ("plan", "--diff"), ("cutover", "--check", "--diff"), ("status",)])
def test_looking_changes_nothing_at_all_on_a_host(command: tuple[str, ...], hosts: Hosts, checkout: Checkout) -> None:
    hosts.quiet("lab1")
    hosts.inside("lab1", "touch /run/before")
    with hosts.unchanged("lab1"):
        answer = checkout.ask(*command, hosts="lab1")
    assert answer.code == 0, str(answer)
    assert hosts.inside("lab1", NEWER) == ""


@pytest.mark.usefixtures("hosts")
def test_the_plan_shows_phases_commands_and_the_config_as_a_diff(checkout: Checkout) -> None:
    answer = checkout.ask("plan", "--diff", hosts="lab1")
    assert answer.code == 0, str(answer)
    for words in ("Backup and snapshots", f"stop and disable {V1}", f"start and enable {V2}", CONFIG, answer.run):
        assert words in answer.output, words
    plan = json.loads((checkout.run_directory(answer.run) / "plan.json").read_text())
    assert plan["fingerprint"] in answer.output
    assert re.search(r'\+ +"release": "' + re.escape(plan["release"]["id"]), answer.output), answer.output


def test_without_a_terminal_and_without_yes_nothing_is_done(hosts: Hosts, checkout: Checkout) -> None:
    with hosts.unchanged("lab1"):
        answer = checkout.ask("cutover", hosts="lab1")
    assert answer.code == 2, str(answer)
    assert "--yes" in answer.errors[0]["next"]
    assert hosts.inside("lab1", "ls /var/lib/cutover 2>&1", check=False).strip().endswith("No such file or directory")


def test_prepare_then_cutover_of_that_run_by_batches(hosts: Hosts, checkout: Checkout) -> None:
    with hosts.unchanged():
        prepared = checkout.yes("prepare", "--serial", "1,50%,100%")
    assert prepared.code == 0, str(prepared)
    done = checkout.yes("cutover", "--run", prepared.run)
    assert done.code == 0, str(done)
    assert done.run == prepared.run
    started = [record["data"]["hosts"] for record in journal(checkout, done.run) if record["kind"] == "batch.started"]
    assert started == [["lab1"], ["lab2"], ["lab3"]]
    for name in hosts.names:
        assert hosts.ssh(name, f"systemctl is-active {V2}") == "active\n"
    _given_again_it_changes_nothing(hosts, checkout, done.run)
    _taken_back_on_one_host_the_others_are_named(hosts, checkout, done.run)


def _given_again_it_changes_nothing(hosts: Hosts, checkout: Checkout, run: str) -> None:
    written = [checkout.run_directory(run) / name for name in ("journal.jsonl", "report.html")]
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in written]
    with hosts.unchanged():
        again = checkout.yes("cutover", "--run", run)
    assert again.code == 0, str(again)
    assert "nothing to do" in again.output
    assert {host["version"] for host in again.document["hosts"].values()} == {"V2"}
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in written] == before
    hosts.inside("lab2", f"systemctl disable {V2}")
    refused = checkout.yes("cutover", "--run", run)
    assert refused.code == 3, str(refused)
    assert {error["host"] for error in refused.errors} == {"lab2"}
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in written] == before


def _taken_back_on_one_host_the_others_are_named(hosts: Hosts, checkout: Checkout, run: str) -> None:
    part = checkout.yes("rollback", "--limit", "lab1")
    assert part.code == 5, str(part)
    assert {error["host"] for error in part.errors} == {"lab2", "lab3"}
    assert all("stays on V2" in error["found"] for error in part.errors)
    on_v1 = [hosts.ssh(name, f"systemctl is-active {V1}; true").strip() for name in hosts.names]
    assert on_v1 == ["active", "inactive", "inactive"]
    assert "lab2" in next(checkout.run_directory(run).glob("incident*.md")).read_text()
    rest = checkout.yes("rollback", "--run", run)
    assert rest.code == 0, str(rest)


def test_an_inventory_that_changed_since_the_plan_is_wrong_usage_and_named(hosts: Hosts, checkout: Checkout) -> None:
    planned = checkout.ask("plan", hosts="lab1")
    checkout.set(cutover_bake_s=2)
    with hosts.unchanged("lab1"):
        answer = checkout.yes("cutover", "--run", planned.run, hosts="lab1")
    assert answer.code == 2, str(answer)
    assert [(error["host"], error["path"]) for error in answer.errors] == [("lab1", "cutover_bake_s")]
    assert "plan again" in answer.errors[0]["next"]


def test_what_drifted_since_the_plan_stops_the_run_and_is_named(hosts: Hosts, checkout: Checkout) -> None:
    planned = checkout.ask("plan", hosts="lab1")
    assert planned.code == 0, str(planned)
    hosts.inside("lab1", f"echo '# somebody was here' >> {CONFIG}")
    with hosts.unchanged("lab1"):
        answer = checkout.yes("cutover", "--run", planned.run, hosts="lab1")
    assert answer.code == 3, str(answer)
    drifted = next(error for error in answer.errors if "since-plan.file-config" in error["path"])
    assert drifted["host"] == "lab1"
    assert "sha256" in drifted["found"]
    assert "plan again" in drifted["next"]


@pytest.mark.parametrize(
    ("meanwhile", "path", "found"),
    [
        (
            "for f in /opt/abaco/releases/2*/app/kpi/engine.py; do chmod u+w $f; echo >> $f; chmod a-w $f; done",
            "the_release_is_the_planned_one",
            "app/kpi/engine.py",
        ),
        (
            f"d=/etc/systemd/system/{V1}.d; mkdir $d; printf '[Service]\\nNice=5\\n' > $d/a.conf; systemctl daemon-reload",
            "since-plan.old",
            "files_sha256",
        ),
    ],
    ids=["release", "drop-in"],
)
def test_what_was_changed_between_prepare_and_cutover_stops_the_run_and_is_named(
    meanwhile: str, path: str, found: str, hosts: Hosts, checkout: Checkout
) -> None:
    prepared = checkout.yes("prepare", hosts="lab1")
    assert prepared.code == 0, str(prepared)
    process = hosts.v1_process("lab1")
    hosts.inside("lab1", meanwhile)
    try:
        with hosts.unchanged("lab1"):
            answer = checkout.yes("cutover", "--run", prepared.run, hosts="lab1")
    finally:
        hosts.inside("lab1", "rm -r /opt/abaco/releases/2*")  # no other test may meet it
    assert answer.code == 3, str(answer)
    assert any(path in error["path"] and found in error["found"] for error in answer.errors), str(answer)
    assert hosts.v1_process("lab1") == process


def test_an_edited_plan_is_refused(hosts: Hosts, checkout: Checkout) -> None:
    planned = checkout.ask("plan", hosts="lab1")
    file = checkout.run_directory(planned.run) / "plan.json"
    file.chmod(0o600)
    file.write_text(file.read_text().replace("abaco-pipeline-v1.service", "abaco-pipeline-v0.service"))
    with hosts.unchanged("lab1"):
        answer = checkout.yes("cutover", "--run", planned.run, hosts="lab1")
    assert answer.code == 2, str(answer)
    assert "edited" in answer.errors[0]["found"]


def test_what_a_rollback_would_do_is_shown_and_then_done_without_naming_anything(
    hosts: Hosts, checkout: Checkout
) -> None:
    done = checkout.yes("cutover", hosts="lab1")
    assert done.code == 0, str(done)
    assert done.document["fingerprint"] in (checkout.run_directory(done.run) / "plan.json").read_text()
    hosts.inside("lab1", "touch /run/before")
    ahead = checkout.bare("rollback", "--check")
    assert (ahead.code, ahead.run) == (0, done.run), str(ahead)
    said = ahead.document["hosts"]["lab1"]
    assert said["stands"] == "on V2, confirmed"
    assert any(words.startswith(f"stop and disable {V2}") for words in said["would"])
    assert f"start and enable {V1}" in said["would"]
    assert (
        hosts.inside("lab1", f"{NEWER} -not -path '{DATA}*'; find {STATE}/.rollback -newer /run/before") == ""
    )  # V2 works on
    back = checkout.bare("rollback", "--yes")  # as the end of the cutover prints it
    assert (back.code, back.run) == (0, done.run), str(back)
    assert "that of the last run here" in back.output
    assert hosts.ssh("lab1", f"systemctl is-active {V1}") == "active\n"


def test_a_backup_that_was_spoilt_is_told_before_it_is_needed(hosts: Hosts, checkout: Checkout) -> None:
    done = checkout.yes("cutover", hosts="lab1")
    assert done.code == 0, str(done)
    kept = f"{STATE}/.rollback/{done.run}"
    hosts.inside("lab1", f"f=$(ls {kept}/pipeline_backup_*); chmod u+w $f; echo >> $f")
    ahead = checkout.bare("rollback", "--check")
    assert ahead.code == 9, str(ahead)
    assert "backup.snapshot" in {error["path"] for error in ahead.errors}


def test_hosts_are_listed_pinged_and_trusted(checkout: Checkout) -> None:
    listed = checkout.ask("hosts.list", hosts="lab*:!lab2")
    assert sorted(listed.document["hosts"]) == ["lab1", "lab3"]
    pinged = checkout.ask("hosts.ping")
    assert pinged.code == 0, str(pinged)
    found = pinged.document["hosts"]["lab1"]
    assert (found["user"], found["hostname"], found["machine"]) == ("deploy", "lab1", os.uname().machine)
    assert found["python"].startswith("3.")
    pinned = checkout.inventory / "known_hosts"
    before = pinned.read_text()
    pinned.write_text("")
    refused = checkout.ask("hosts.trust")
    assert refused.code == 2, str(refused)
    assert pinned.read_text() == ""
    trusted = checkout.yes("hosts.trust")
    assert trusted.code == 0, str(trusted)
    assert sorted(pinned.read_text().split()) == sorted(before.split())
    assert checkout.ask("hosts.ping").code == 0
