"""V1 as a service, V1 against V2 on the same tapes, and the deliverer."""

import hashlib
import json
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kpi.judging import judge_tape
from kpi.synthetic import as_csv, draw
from kpi.verdict import Verdict
from legacy.deliver_tapes import Deliverer
from legacy.deliver_tapes import as_csv as delivered_csv
from legacy.deliver_tapes import draw as delivered_draw
from tests.kpi.conftest import V1, Running, free_port, started, v1_config, wait_for


@contextmanager
def _v1(root: Path, port: int) -> Iterator[Running]:
    config = v1_config(root, port)
    with started([sys.executable, str(V1 / "pipeline_v1.py"), "--config", str(config)], "started") as process:
        yield Running(process, config, root)


def test_v1_serves_and_v2_agrees_with_what_it_recorded(tmp_path: Path) -> None:
    port = free_port()
    with _v1(tmp_path, port) as running:
        deliverer = Deliverer(tmp_path)
        names = [deliverer.deliver(recipe, 500) for recipe in "AABB"]
        (tmp_path / "inbox" / "canary-x.csv").write_bytes(b"not for V1")
        (tmp_path / "inbox" / "bad.csv").write_bytes(b"nothing,in,it\n")
        wait_for(lambda: [path.name.partition("__")[2] for path in running.tapes()] == names)
        reason = wait_for(lambda: list((tmp_path / "rejected").glob("*__bad.csv.reason.json")))[0]
        assert "missing required columns" in json.loads(reason.read_bytes())["reason"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            assert json.load(answer)["processed"] == 4
        status, said = running.stop()
    assert status == 0, said
    assert (tmp_path / "inbox" / "canary-x.csv").exists()
    assert len((tmp_path / "audit" / "v1_audit.jsonl").read_text(encoding="utf-8").splitlines()) == 4 * 4
    for tape in (tmp_path / "done").glob("*__tape-*"):
        judged = judge_tape(tape, "fail", tmp_path / "metrics")
        assert judged.verdict is Verdict.PASS, judged.as_json()
        assert judged.comparison is not None
        assert max(entry["relative"] for entry in judged.comparison.values()) <= 1e-9


def test_v1_finishes_what_was_claimed_and_puts_duplicates_aside(tmp_path: Path) -> None:
    content = as_csv(draw("A", 20))
    digest = hashlib.sha256(content).hexdigest()
    for room, name in (("processing", f"{digest}__tape-1.csv"), ("inbox", "tape-2.csv"), ("inbox", "tape-3.csv")):
        (tmp_path / room).mkdir(exist_ok=True)
        (tmp_path / room / name).write_bytes(content)
    with _v1(tmp_path, free_port()) as running:
        wait_for((tmp_path / "rejected" / f"{digest}__tape-3.csv.duplicate-2").exists)
        assert running.stop()[0] == 0
    assert (tmp_path / "done" / f"{digest}__tape-1.csv").exists()
    assert (tmp_path / "rejected" / f"{digest}__tape-2.csv.duplicate-1.reason.json").exists()


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1 + 1e-10, Verdict.PASS), (1.0001, Verdict.WARN), (1.02, Verdict.FAIL)]
)
def test_a_v2_that_moved_a_value_is_found(tmp_path: Path, factor: float, verdict: Verdict) -> None:
    tape = tmp_path / "tape.csv"
    tape.write_bytes(as_csv(draw("A")))
    digest = hashlib.sha256(tape.read_bytes()).hexdigest()
    kpis = judge_tape(tape, "fail").evaluation.headline
    values = {name: result.value for name, result in kpis.items()}
    assert values["PAR90"] is not None
    recorded = {**values, "PAR30": 2.21, "PAR90": values["PAR90"] * factor, "HealthScore": values["PortfolioHealth"]}
    metrics = tmp_path / "v1.json"
    metrics.write_text(json.dumps({"sha256": digest, "metrics": recorded}), encoding="utf-8")
    judged = judge_tape(tape, "fail", metrics)
    named = [] if verdict is Verdict.PASS else [("tape.csv, PAR90", verdict)]
    assert judged.verdict is verdict
    assert [(issue["where"], issue["verdict"]) for issue in judged.issues] == named
    assert all(str(tape) in issue["next"] for issue in judged.issues)


def test_metrics_of_another_tape_are_not_compared(tmp_path: Path) -> None:
    tape = tmp_path / "tape.csv"
    tape.write_bytes(as_csv(draw("A")))
    metrics = tmp_path / "v1.json"
    metrics.write_text(json.dumps({"sha256": "0" * 64, "metrics": {"PAR30": 2.21}}), encoding="utf-8")
    judged = judge_tape(tape, "fail", metrics)
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert judged.problem is not None
    assert judged.problem.code == "other_tape"


@pytest.mark.parametrize("recipe", ["A", "B"])
def test_the_deliverers_tapes_are_the_recipes(recipe: str) -> None:
    assert delivered_csv(delivered_draw(recipe, 200, 42), "L", "2025-12-26") == as_csv(draw(recipe, 200))


def test_the_deliverer_goes_on_after_a_crash(tmp_path: Path) -> None:
    first = Deliverer(tmp_path)
    assert [first.deliver("A", 5), first.deliver("A", 5)] == ["tape-000001.csv", "tape-000002.csv"]
    inbox = tmp_path / "inbox"
    # Crashed after the ledger and before the rename; and, earlier in another tape, before its ledger line was whole.
    (inbox / "tape-000002.csv").rename(inbox / ".tape-000002.csv.part")
    (inbox / ".tape-000003.csv.part").write_bytes(b"half")
    with (tmp_path / "arrivals.jsonl").open("a", encoding="utf-8") as ledger:
        ledger.write('{"name": "tape-0000')
    assert Deliverer(tmp_path).deliver("A", 5) == "tape-000003.csv"
    assert sorted(path.name for path in inbox.iterdir()) == ["tape-000001.csv", "tape-000002.csv", "tape-000003.csv"]
    lines = [json.loads(line) for line in (tmp_path / "arrivals.jsonl").read_text(encoding="utf-8").splitlines()]
    digests = [hashlib.sha256((inbox / line["name"]).read_bytes()).hexdigest() for line in lines]
    assert [line["sha256"] for line in lines] == digests


def test_v1_is_as_it_was() -> None:
    """It is what the old unit runs: never edited. A change here is a change of what everything is compared with."""
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in V1.iterdir() if path.is_file()} == {
        "pipeline.yml": "934a2a35e9318cb4fdd670b8e28baa45aa629b5294ba3f5a4b83e476f55caaa7",
        "pipeline_v1.py": "97793a4b02e0045d44dfebd2c1b789c9080a93b634682cbd749d6be5b3834ddc",
    }
