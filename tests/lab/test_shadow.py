"""`shadow`: V1 and V2 really run on each host's own tapes, before the cutover by the staged release and after it by the one in service."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet import fresh_checkout
from tests.lab.support import DATA, Answer, Checkout, Hosts

pytestmark = pytest.mark.lab

FIGURES = ("PAR30", "PAR90", "CollectionRate", "PortfolioHealth")
DIFFERING = f"""
tape=$(ls {DATA}/done/*tape* | tail -1)
awk -F, -v OFS=, 'NR == 3 {{$6 = -1000}} {{print}}' "$tape" > {DATA}/done/planted.csv
"""


@pytest.fixture(scope="module")
def prepared(fleet: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """Two hosts with V1 in service and V2's release staged."""
    fleet.reset()
    checkout = fresh_checkout(tmp_path_factory.mktemp("shadow") / "checkout", fleet)
    done = checkout.yes("prepare", hosts="lab1:lab2")
    assert done.code == 0, str(done)
    yield checkout
    fleet.reset()


def judged_equal(answer: Answer) -> None:
    """Both hosts compared all figures of three tapes, and found them equal."""
    assert answer.code == 0, str(answer)
    for host in ("lab1", "lab2"):
        document = answer.document["hosts"][host]["document"]
        assert document["n"] == 3
        assert all(document["checks"][name]["values"]["compared"] == 3 for name in FIGURES)
        assert all(document["checks"][name]["values"]["largest_relative"] <= 1e-9 for name in FIGURES)
        assert document["v1"]["user"] == "abaco"


def test_before_the_cutover_the_staged_release_agrees_with_v1(prepared: Checkout, fleet: Hosts) -> None:
    answer = prepared.ask("shadow", hosts="lab1:lab2")
    judged_equal(answer)
    left = fleet.inside(
        "lab1", f"find {DATA}/metrics {DATA}/audit -name 'v2_*' -o -name 'trail*'; find /tmp -maxdepth 1 -name 'kpi-*'"
    )
    assert left == ""  # nothing was published, nothing stays
    report = next((prepared.root / ".cutover" / "shadows").glob("*/shadow_report.json"))
    assert json.loads(Path(report).read_text())["hosts"] == {"lab1": "PASS", "lab2": "PASS"}
    assert list((prepared.run_directory(answer.run) / "evidence").rglob("shadow_report.json"))
    assert "shadow: relative difference" in (prepared.run_directory(answer.run) / "report.html").read_text()


def test_a_tape_that_they_take_differently_is_found(prepared: Checkout, fleet: Hosts) -> None:
    fleet.inside("lab2", f"systemctl stop lab-tapes.service; sleep 0.5; {DIFFERING}")
    answer = prepared.ask("shadow", hosts="lab1:lab2")
    fleet.inside("lab2", f"rm {DATA}/done/planted.csv; systemctl start lab-tapes.service")
    assert answer.code == 9, str(answer)
    assert answer.document["hosts"]["lab1"]["verdict"] == "PASS"
    assert {one["host"] for one in answer.errors} == {"lab2"}
    tapes = answer.document["hosts"]["lab2"]["document"]["tapes"]
    assert [tape["tape"] for tape in tapes if tape["outcome"] != "agree"] == [f"{DATA}/done/planted.csv"]


def test_after_the_cutover_v1_is_run_with_its_config_from_the_backup(prepared: Checkout) -> None:
    done = prepared.yes("cutover", "--serial", "100%", hosts="lab1:lab2")
    assert done.code == 0, str(done)
    answer = prepared.ask("shadow", hosts="lab1:lab2")
    judged_equal(answer)
    assert "pipeline_backup_" in answer.document["hosts"]["lab1"]["document"]["v1"]["config"]
