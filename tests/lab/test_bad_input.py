"""Bad input ends before phase 3, with its own message naming host, cause and next step, and every host as it was before."""

import gzip
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab
from cutover.release.artifact import _release_id
from tests.lab.support import DATA, FAIL_A_TEST, STATE, V1, V2, Answer, Checkout, Hosts

pytestmark = pytest.mark.lab


def refused(answer: Answer, code: int, *words: str, host: str = "") -> None:
    """It ended with this code; one problem has all these words and this host, and says what to do next."""
    assert answer.code == code, str(answer)
    assert all(error["next"] for error in answer.errors), str(answer)
    meant = [
        error
        for error in answer.errors
        if error["host"] == host and all(word in json.dumps(error, ensure_ascii=False) for word in words)
    ]
    assert meant, str(answer)
    assert " ".join(meant[0]["next"].split()) in " ".join(answer.output.split())  # printed for people as well


def hosts_file(checkout: Checkout) -> Path:
    """The inventory's own file."""
    return checkout.inventory / "hosts.yml"


@pytest.fixture
def as_before(hosts: Hosts) -> Iterator[None]:
    """The test leaves a host as it was."""
    with hosts.unchanged("lab1"):
        yield


# What is wrong with the command or the files of this machine: exit 2, and no host is asked anything


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize("pattern", ["lab7", "lab:!lab"])
def test_a_pattern_that_is_unknown_or_matches_nothing(pattern: str, checkout: Checkout) -> None:
    refused(checkout.yes("cutover", hosts=pattern), 2, pattern)


@pytest.mark.usefixtures("as_before")
def test_a_host_that_is_listed_twice(checkout: Checkout) -> None:
    text = hosts_file(checkout).read_text()
    hosts_file(checkout).write_text(text.replace("        lab2:\n", "        lab1:\n"))
    refused(checkout.yes("cutover"), 2, "hosts.yml", "lab1")


@pytest.mark.usefixtures("as_before")
def test_a_yaml_error_names_its_line(checkout: Checkout) -> None:
    file = checkout.inventory / "group_vars" / "lab" / "main.yml"
    file.write_text(file.read_text() + "abaco_user: [abaco\n")
    refused(checkout.yes("cutover"), 2, "main.yml")


@pytest.mark.usefixtures("as_before")
def test_a_template_that_needs_an_undefined_variable(checkout: Checkout) -> None:
    checkout.edit(
        "roles/abaco/templates/pipeline.yml.j2",
        '"version": "2.0",',
        '"version": "2.0", "note": {{ abaco_nobody_set_this | to_json }},',
    )
    refused(checkout.yes("cutover", hosts="lab1"), 2, "pipeline.yml.j2", "abaco_nobody_set_this", host="lab1")


@pytest.mark.usefixtures("as_before")
def test_a_misspelt_variable_in_the_defaults_of_a_role(checkout: Checkout) -> None:
    checkout.edit("roles/abaco/defaults.yml", "abaco_v2_port:", "abaco_v2_prot:")
    refused(
        checkout.yes("cutover", hosts="lab1"),
        2,
        "roles/abaco",
        "abaco_v2_port",
        "did you mean abaco_v2_prot",
        host="lab1",
    )


@pytest.mark.usefixtures("as_before")
def test_an_unknown_key_in_the_defaults_of_a_role(checkout: Checkout) -> None:
    checkout.edit("roles/abaco/defaults.yml", "abaco_user: {type: user, default:", "abaco_user: {type: user, defualt:")
    refused(checkout.yes("cutover"), 2, "roles/abaco/defaults.yml", "defualt")


@pytest.mark.usefixtures("as_before")
def test_everything_that_is_wrong_is_told_at_once_and_what_an_undeclared_variable_may_mean(checkout: Checkout) -> None:
    checkout.set(abaco_v2_prot=8001, cutover_bake_s="long", abaco_v2_port=70000)
    answer = checkout.yes("cutover")
    for words in ("abaco_v2_prot", "cutover_bake_s", "abaco_v2_port"):
        assert any(words in error["path"] + error["found"] for error in answer.errors), str(answer)
    refused(answer, 2, "abaco_v2_prot", "abaco_v2_port", host="lab1")


# What is wrong with reaching a host: exit 3


def test_a_host_that_cannot_be_reached(hosts: Hosts, checkout: Checkout) -> None:
    lab.cut("lab2", lab=hosts.lab)
    try:
        with hosts.unchanged():
            refused(checkout.yes("cutover"), 3, str(hosts.lab.slot(2).address), host="lab2")
    finally:
        lab.heal("lab2", lab=hosts.lab)


def test_a_host_with_another_key_than_the_pinned_one(hosts: Hosts, checkout: Checkout) -> None:
    pinned = checkout.inventory / "known_hosts"
    lines = [line.split() for line in pinned.read_text().splitlines()]
    lines[0][2], lines[1][2] = lines[1][2], lines[0][2]
    pinned.write_text("".join(" ".join(line) + "\n" for line in lines))
    with hosts.unchanged():
        answer = checkout.yes("cutover")
        refused(answer, 3, "key", host="lab1")
        refused(answer, 3, "key", host="lab2")


def test_a_host_that_is_not_pinned_at_all(hosts: Hosts, checkout: Checkout) -> None:
    (checkout.inventory / "known_hosts").write_text("")
    with hosts.unchanged("lab1"):
        refused(checkout.yes("cutover", hosts="lab1"), 3, "hosts.trust", host="lab1")


def test_a_login_without_sudo(hosts: Hosts, checkout: Checkout) -> None:
    hosts.inside("lab1", "mkdir /srv/sudoers && mv /etc/sudoers.d/* /srv/sudoers/")
    try:
        with hosts.unchanged("lab1"):
            refused(checkout.yes("cutover", hosts="lab1"), 3, "sudo", host="lab1")
    finally:
        hosts.inside("lab1", "mv /srv/sudoers/* /etc/sudoers.d/ && rmdir /srv/sudoers")


OLD_PYTHON = """#!/usr/bin/python3
import sys
sys.version_info, sys.version = (3, 8, 18), "3.8.18 (of a test)"
at = sys.argv.index("-c")
code, sys.argv = sys.argv[at + 1], ["-c", *sys.argv[at + 2 :]]
exec(code)
"""


def test_a_python_that_is_too_old(hosts: Hosts, checkout: Checkout) -> None:
    hosts.inside("lab1", f"cat > /usr/local/bin/python3.8 <<'END'\n{OLD_PYTHON}END\nchmod 755 /usr/local/bin/python3.8")
    checkout.set(ansible_python_interpreter="/usr/local/bin/python3.8")
    with hosts.unchanged("lab1"):
        refused(checkout.yes("cutover", hosts="lab1"), 3, "Python 3.8", host="lab1")


# What a host says no to in phases 0-2: exit 3, V1 goes on as it was


def test_a_disk_with_less_than_5_gb_free(hosts: Hosts, checkout: Checkout) -> None:
    lab.fill("lab1", leave_mb=3000, lab=hosts.lab)
    try:
        with hosts.unchanged("lab1"):
            refused(checkout.yes("cutover", hosts="lab1"), 3, "at least 5 GB", "free_bytes", host="lab1")
    finally:
        lab.heal("lab1", lab=hosts.lab)


def test_a_host_without_v1(hosts: Hosts, checkout: Checkout) -> None:
    hosts.inside("lab1", f"systemctl disable --now {V1} && rm /etc/systemd/system/{V1} && systemctl daemon-reload")
    with hosts.unchanged("lab1"):
        refused(checkout.yes("cutover", hosts="lab1"), 3, "preflight.old-in-service", "no V1", host="lab1")


def test_a_v1_that_does_not_run(hosts: Hosts, checkout: Checkout) -> None:
    hosts.inside("lab1", f"systemctl stop {V1}")
    with hosts.unchanged("lab1"):
        refused(checkout.yes("cutover", hosts="lab1"), 3, "preflight.old-in-service", "inactive", host="lab1")


def test_another_v2_that_is_active_already(hosts: Hosts, checkout: Checkout) -> None:
    unit = "[Service]\nExecStart=/usr/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
    hosts.inside(
        "lab1", f"printf '{unit}' > /etc/systemd/system/{V2} && systemctl daemon-reload && systemctl start {V2}"
    )
    with hosts.unchanged("lab1"):
        refused(
            checkout.yes("cutover", hosts="lab1"), 3, "preflight.new-not-in-service", "./invokew rollback", host="lab1"
        )


def test_a_release_for_another_architecture(hosts: Hosts, checkout: Checkout, tmp_path: Path) -> None:
    artifact = tmp_path / "abaco-pipeline-other.tar.gz"
    about = {"schema": 1, "name": "abaco-pipeline", "version": "2.0.0", "python": "3.11", "machine": "aarch64"}
    manifest = {**about, "compiled": False, "dependencies": {}, "files": {}}
    content = json.dumps({**manifest, "id": _release_id(manifest)}).encode()
    with gzip.open(artifact, "wb") as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        header = tarfile.TarInfo("manifest.json")
        header.size, header.mode = len(content), 0o644
        archive.addfile(header, io.BytesIO(content))
    with hosts.unchanged("lab1"):
        refused(checkout.yes("cutover", "--release", str(artifact), hosts="lab1"), 3, "aarch64", "x86_64", host="lab1")


def test_a_test_of_the_release_that_fails(hosts: Hosts, checkout: Checkout, broken_release: str) -> None:
    hosts.inside("lab1", f"touch {DATA}/{FAIL_A_TEST}")
    with hosts.unchanged("lab1"):
        answer = checkout.yes("cutover", "--release", broken_release, hosts="lab1")
        refused(answer, 3, "staging.tests", "test_that_fails_where_the_host_says_so", "bin/run-tests", host="lab1")


def test_a_kpi_out_of_range(hosts: Hosts, checkout: Checkout, tmp_path: Path) -> None:
    hosts.inside("lab1", "systemctl stop lab-tapes.service")
    tape = tmp_path / "c.csv"
    subprocess.run([sys.executable, "-m", "kpi", "generate", "C", "--out", str(tape)], cwd=checkout.root, check=True)
    content = tape.read_text()
    done = lab.exec_in(
        "lab1",
        ["setpriv", "--reuid=abaco", "--regid=abaco", "--clear-groups", "python3", "-I", "-c", DELIVER],
        stdin=content,
        lab=hosts.lab,
    )
    assert done.exit_code == 0, done.stderr
    hosts.inside(
        "lab1",
        f"until ls {DATA}/done | grep -q tape-of-c; do sleep 0.1; done",
    )
    with hosts.unchanged("lab1"):
        answer = checkout.yes("cutover", hosts="lab1")
        refused(answer, 3, "staging.values", "tape-of-c.csv", "PAR30", "373.03", "inspect the tape", host="lab1")


DELIVER = f"""
import hashlib, json, os, sys
content = sys.stdin.read().encode()
digest = hashlib.sha256(content).hexdigest()
open("{DATA}/inbox/.tape-of-c.csv.part", "wb").write(content)
with open("{DATA}/arrivals.jsonl", "a") as ledger:
    ledger.write(json.dumps({{"name": "tape-of-c.csv", "sha256": digest, "at": "2026-01-01T00:00:00Z"}}) + "\\n")
os.rename("{DATA}/inbox/.tape-of-c.csv.part", "{DATA}/inbox/tape-of-c.csv")
"""


def test_one_host_that_says_no_keeps_all_of_them_on_v1(hosts: Hosts, checkout: Checkout) -> None:
    hosts.inside("lab3", f"systemctl stop {V1}")
    with hosts.unchanged():
        answer = checkout.yes("cutover")
        refused(answer, 3, "preflight.old-in-service", host="lab3")
    assert {error["host"] for error in answer.errors} == {"lab3"}
    for name in hosts.names:  # phase 0 came first everywhere, so there is not even a backup
        assert hosts.inside(name, f"find {STATE}/.rollback -mindepth 1", check=False) == ""
