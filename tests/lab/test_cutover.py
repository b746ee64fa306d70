"""From V1 to V2 on three real hosts and back from another machine, as a user does it; the hosts are asked over plain ssh."""

import json
from pathlib import Path

import pytest

from cutover.journal.journal import read
from tests.fleet import fresh_checkout
from tests.lab.support import CHECKS, CONFIG, DATA, STATE, V1, V2, Answer, Checkout, Hosts

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, fleet: Hosts) -> Checkout:
    """The machine that the cutover is run from."""
    return fresh_checkout(tmp_path_factory.mktemp("first") / "checkout", fleet)


@pytest.fixture(scope="module")
def before(fleet: Hosts) -> dict[str, object]:
    """What the hosts were like with V1 in service."""
    fleet.reset()
    return fleet.fingerprint()


@pytest.fixture(scope="module")
def done(before: dict[str, object], machine: Checkout) -> Answer:
    """A full cutover of all hosts."""
    assert before
    return machine.yes("cutover")


@pytest.fixture(scope="module")
def back(done: Answer, fleet: Hosts, tmp_path_factory: pytest.TempPathFactory) -> tuple[Answer, Checkout]:
    """Then a rollback, from another machine: a checkout that has never seen the run, with the same inventory."""
    assert done.code == 0
    other = fresh_checkout(tmp_path_factory.mktemp("second") / "checkout", fleet)
    return other.yes("rollback", "--reason", "a rehearsal"), other


def test_a_full_cutover_ends_with_exit_0_and_says_so_for_each_host(done: Answer, fleet: Hosts) -> None:
    assert done.code == 0, str(done)
    assert done.errors == []
    assert sorted(done.document["hosts"]) == sorted(fleet.names)
    assert done.document["schema"] == 1
    assert done.document["started_at"] < done.document["finished_at"]
    shown = [done.output.index(words) for words in (done.document["fingerprint"], "approved", "confirmed")]
    assert shown == sorted(shown)  # the plan before the question, each record while it goes
    files = {name: Path(file) for name, file in done.document["files"].items()}
    assert {"report", "log"} <= {name for name, file in files.items() if file.is_file()} == set(files)


def test_after_it_v2_is_active_and_enabled_and_v1_is_not(done: Answer, fleet: Hosts) -> None:
    assert done.code == 0, str(done)
    for name in fleet.names:
        seen = fleet.ssh(name, f"systemctl is-active {V2} {V1}; systemctl is-enabled {V2} {V1}").split()
        assert seen == ["active", "inactive", "enabled", "disabled"], name
        current = fleet.ssh(name, "readlink /opt/abaco/current").strip()
        assert json.loads(fleet.ssh(name, f"sudo cat {current}/manifest.json"))["id"] in current
        asks = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8001/healthz').read().decode())"
        health = json.loads(fleet.ssh(name, f'python3 -c "{asks}"'))
        assert health["ready"] is True
        assert current.endswith(health["release"])


def test_the_config_in_place_is_the_one_of_the_plan(done: Answer, machine: Checkout, fleet: Hosts) -> None:
    plan = json.loads((machine.run_directory(done.run) / "plan.json").read_text())
    for name in fleet.names:
        config = json.loads(fleet.ssh(name, f"sudo cat {CONFIG}"))
        assert (config["version"], config["environment"], config["release"]) == ("2.0", "lab", plan["release"]["id"])
        planned = next(
            step["desired"]["sha256"]
            for step in plan["hosts"][name]["steps"]["activation"]
            if step["id"] == "activation.file-config"
        )
        assert fleet.ssh(name, f"sudo sha256sum {CONFIG}").split()[0] == planned


def test_the_backup_of_the_run_is_read_only_with_a_true_manifest(
    done: Answer, before: dict[str, dict[str, list[object]]], fleet: Hosts
) -> None:
    for name in fleet.names:
        place = f"{STATE}/.rollback/{done.run}"
        assert fleet.ssh(name, f"sudo find {place} -perm /222 -not -type l") == ""
        manifest = json.loads(fleet.ssh(name, f"sudo cat {place}/manifest.json"))
        lines = fleet.ssh(
            name, f"sudo sh -c 'cd {place} && find . -path ./final -prune -o -type f -exec sha256sum {{}} +'"
        ).splitlines()
        found = {path.removeprefix("./"): digest for digest, path in (line.split("  ", 1) for line in lines)}
        listed = {
            f"{entry['as']}/{file}".rstrip("/"): said["sha256"]
            for entry in manifest["entries"].values()
            for file, said in entry.get("files", {}).items()
            if "sha256" in said
        }
        assert found.keys() - {"manifest.json"} == listed.keys()
        assert {file: found[file] for file in listed} == listed
        names = " ".join(found)
        assert "pipeline_backup_" in names
        assert "metrics_backup/" in names
        assert "v1_status_before.log" in names
        config = before[name][CONFIG]
        assert manifest["entries"]["config"]["files"][""]["sha256"] == config[-1]


def test_no_host_is_armed_or_held_any_more(done: Answer, machine: Checkout) -> None:
    assert done.code == 0, str(done)
    status = machine.ask("status")
    assert status.code == 0, str(status)
    for host in status.document["hosts"].values():
        assert host["revert"]["armed"] is False
        assert host["lease"]["held"] is False


def test_report_log_journal_and_validation_report_are_there(done: Answer, machine: Checkout, fleet: Hosts) -> None:
    run = machine.run_directory(done.run)
    kinds = {record.kind for record in read(run / "journal.jsonl")}
    assert kinds >= {"approved", "armed", "bake.done", "confirmed", "gate"}
    page = (run / "report.html").read_text()
    assert all(name in page for name in (*fleet.names, done.run))
    assert "http://" not in page.split("<body", 1)[0]  # self-contained: nothing is fetched
    validation = json.loads((run / "production_validation_report.json").read_text())
    assert validation["status"] in ("PASS", "WARN")
    for name in fleet.names:
        of_host = json.loads((run / "hosts" / name / "production_validation_report.json").read_text())
        assert set(of_host["checks"]) == CHECKS
        figures = of_host["checks"]["kpi_calculations"]
        assert figures["status"] == "PASS"
        v1_tape = figures["values"]["v1_tape"]  # a real one, byte for byte, through V2 in service
        assert (v1_tape["ended_in"], v1_tape["outcome"]) == ("done", "agree")
    logs = list((machine.root / "logs").glob("cutover_*.log"))
    assert len(logs) == 1
    assert "lab3" in logs[0].read_text()


def test_phase_5_saw_a_real_tape_of_each_host_and_nobody_was_warned_of_none(done: Answer, machine: Checkout) -> None:
    seen = [
        (one["host"], one["verdict"])
        for record in read(machine.run_directory(done.run) / "journal.jsonl")
        if record.kind == "checks"
        for one in record.data["findings"]
        if one["name"] == "validation.v2_has_computed_a_real_tape"
    ]
    assert sorted(seen) == [(name, "PASS") for name in ("lab1", "lab2", "lab3")]


def test_the_same_release_again_is_nothing_to_do(done: Answer, machine: Checkout, fleet: Hosts) -> None:
    assert done.code == 0, str(done)
    before = fleet.fingerprint()
    process = fleet.each(lambda name: fleet.inside(name, f"systemctl show -p InvocationID {V2}"))
    again = machine.yes("cutover")
    assert again.code == 0, str(again)
    assert "nothing to do" in again.output
    assert fleet.fingerprint() == before
    assert fleet.each(lambda name: fleet.inside(name, f"systemctl show -p InvocationID {V2}")) == process


def test_a_rollback_from_another_machine_brings_v1_back_byte_for_byte(
    back: tuple[Answer, Checkout], before: dict[str, object], fleet: Hosts
) -> None:
    answer, _ = back
    assert answer.code == 0, str(answer)
    after = fleet.fingerprint()
    for name in fleet.names:
        assert after[name] == before[name]


def test_after_it_the_last_metrics_of_v1_are_back_and_what_v2_wrote_is_kept(
    back: tuple[Answer, Checkout], done: Answer, fleet: Hosts
) -> None:
    assert back[0].code == 0, str(back[0])
    for name in fleet.names:
        place = f"{STATE}/.rollback/{done.run}"
        last, now = (
            set(fleet.ssh(name, f"sudo sh -c 'cd {each} && find . -type f -exec sha256sum {{}} +'").splitlines())
            for each in (f"{place}/final/metrics_backup", f"{DATA}/metrics")
        )
        per_tape = {line for line in last if "/v1_" in line}
        assert per_tape
        assert per_tape <= now
        kept = fleet.ssh(name, f"sudo sh -c 'ls {place}/new_kept/metrics {place}/new_kept/audit'").split()
        assert any("v2" in file or "latest" in file for file in kept), kept
        assert fleet.ssh(name, f"sudo find {place}/new_kept -perm /222 -not -type l") == ""


def test_the_rollback_leaves_an_incident_record_and_a_line_in_its_log(
    back: tuple[Answer, Checkout], done: Answer
) -> None:
    answer, other = back
    assert answer.run == done.run
    run = other.run_directory(done.run)
    incident = next(run.glob("*incident*")).read_text()
    assert "a rehearsal" in incident
    assert "lab1" in incident
    lines = (other.root / "logs" / "rollback.log").read_text().splitlines()
    assert len(lines) == 1
    assert done.run in lines[0]


def test_a_rollback_of_what_is_back_is_nothing_to_do(back: tuple[Answer, Checkout], fleet: Hosts) -> None:
    assert back[0].code == 0, str(back[0])
    with fleet.unchanged():
        again = back[1].yes("rollback")
    assert again.code == 0, str(again)
    assert "nothing to roll back" in again.output
