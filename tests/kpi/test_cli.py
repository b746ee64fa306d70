"""The command line: one document on stdout, exit status by verdict, errors that name cause and next step."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kpi.cli import main
from kpi.config import PipelineConfig
from kpi.pipeline import Delivery, run_tape
from kpi.synthetic import as_csv, draw
from tests.checkout import ROOT
from tests.kpi.conftest import write_config


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
    status = main(arguments)
    said = capsys.readouterr()
    return status, json.loads(said.out) if "--json" in arguments else said.out, said.err


@pytest.fixture
def tapes(tmp_path: Path) -> dict[str, str]:
    paths = {}
    for recipe in "ABC":
        path = tmp_path / f"{recipe}.csv"
        path.write_bytes(as_csv(draw(recipe)))
        paths[recipe] = str(path)
    return paths


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_compute_for_people(capsys: pytest.CaptureFixture[str], tapes: dict[str, str]) -> None:
    status, text, _ = _run(capsys, "compute", tapes["C"])
    assert status == 9
    assert "PAR30 373.03 % is outside 0-100 %" in text


def test_judge_ends_with_the_worst(capsys: pytest.CaptureFixture[str], tapes: dict[str, str]) -> None:
    assert _run(capsys, "judge", tapes["A"], tapes["B"], "--json")[0] == 0
    status, document, _ = _run(capsys, "judge", *tapes.values(), "--json")
    assert (status, document["verdict"], document["n"]) == (9, "FAIL", 3)
    assert [tape["verdict"] for tape in document["tapes"]] == ["PASS", "PASS", "FAIL"]
    out_of_range = next(issue for issue in document["issues"] if "PAR30" in issue["where"])
    assert out_of_range["where"].startswith("C.csv, ")
    assert (out_of_range["verdict"], "373.03" in out_of_range["found"]) == ("FAIL", True)


def test_judge_names_a_committed_tape_as_it_was_delivered(
    capsys: pytest.CaptureFixture[str], tapes: dict[str, str], tmp_path: Path
) -> None:
    done = tmp_path / "done"
    done.mkdir()
    for recipe in "AC":
        shutil.copy(tapes[recipe], done / f"{digest(tapes[recipe])}__{recipe}.csv")
    (tmp_path / "v1").mkdir()
    status, document, _ = _run(capsys, "judge", str(done), "--against", str(tmp_path / "v1"), "--json")
    assert status == 9
    assert {issue["where"].partition(",")[0] for issue in document["issues"]} == {"A.csv", "C.csv"}
    assert {"out_of_range", "no_v1_metrics"} <= {issue["code"] for issue in document["issues"]}


def test_judging_no_tape_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, document, _ = _run(capsys, "judge", str(tmp_path), "--json")
    assert (status, [issue["code"] for issue in document["issues"]]) == (10, ["no_tapes"])
    assert str(tmp_path) in document["issues"][0]["where"]


def test_a_usage_error_gives_its_issues_too(capsys: pytest.CaptureFixture[str]) -> None:
    status, document, _ = _run(capsys, "validate", "--config", "/nowhere/pipeline.yml", "--json")
    assert (status, document["status"]) == (2, "ERROR")
    assert all(issue["verdict"] == "ERROR" and issue["next"] for issue in document["issues"])
    assert "/nowhere/pipeline.yml" in document["issues"][0]["where"]


@pytest.mark.parametrize("given", ["NaN", "Infinity", '"2.21"', "true", "null"])
def test_judge_takes_only_numbers_of_v1_for_numbers(
    capsys: pytest.CaptureFixture[str], tapes: dict[str, str], tmp_path: Path, given: str
) -> None:
    others = '"PAR90": 0.31938261, "CollectionRate": 11.9732998, "HealthScore": 10.0'
    recorded = f'{{"sha256": "{digest(tapes["A"])}", "metrics": {{"PAR30": {given}, {others}}}}}'
    (tmp_path / "v1.json").write_text(recorded)
    status, document, _ = _run(capsys, "judge", tapes["A"], "--against", str(tmp_path / "v1.json"), "--json")
    entry = document["tapes"][0]["against_v1"]["PAR30"]
    assert (entry["v1"], entry["verdict"], entry["reason"]) == (None, "INCONCLUSIVE", "V1 recorded no number")
    assert status == 10


def test_health_passes_for_this_code_and_tells_all_errors_of_a_config(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    good = write_config(tmp_path)
    status, document, _ = _run(capsys, "health", "--config", str(good), "--json")
    assert (status, document["verdict"], list(document["probes"])) == (0, "PASS", ["engine", "orchestrator", "config"])
    bad = tmp_path / "bad.yml"
    bad.write_text(json.dumps({**json.loads(good.read_text()), "outputs": ["csv"], "realease": "x"}), encoding="utf-8")
    status, document, _ = _run(capsys, "health", "config", "--config", str(bad), "--json")
    assert status == 9
    errors = document["issues"]
    assert [error["where"].rpartition(": ")[2] for error in errors] == ["realease", "outputs"]
    assert all(error["next"] for error in errors)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("compute", "/nowhere/tape.csv"), "cannot be read"),
        (("health", "engin"), "no probe engin"),
        (("log-review", "--since", "yesterday"), "yesterday"),
        (("log-review", "--since", "2026-01-01T00:00:00"), "no time zone"),
    ],
)
def test_usage_errors_end_with_2(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str) -> None:
    status, _, error = _run(capsys, *arguments)
    assert status == 2
    assert said in error
    assert "next: " in error


def test_compute_reads_by_declared_rules(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tape = tmp_path / "semicolons.csv"
    tape.write_bytes(as_csv(draw("A")).replace(b",", b";").replace(b".", b","))
    status, document, _ = _run(capsys, "compute", str(tape), "--json")
    assert (status, document["findings"][0]["code"]) == (9, "wrong_separator")
    declared = ("--input", "separator=;", "--input", "decimal=,")
    status, document, _ = _run(capsys, "compute", str(tape), *declared, "--json")
    assert (status, f"{document['kpis']['PAR30']['value']:.6f}") == (0, "2.210652")
    assert _run(capsys, "judge", str(tape), *declared, "--json")[0] == 0


def test_input_rules_that_make_no_sense_are_told_all_at_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = [f"--input={rule}" for rule in ("separator=x", "colour=red", "decimal", "expansion_ratio=much")]
    status, _, said = _run(capsys, "compute", str(tmp_path / "tape.csv"), *arguments)
    assert status == 2
    assert all(found in said for found in ("input.separator", "input.colour", "'decimal'", "input.expansion_ratio"))
    assert said.count("next: ") >= 4


@pytest.mark.parametrize("rules", [["decimal=,"], ["thousands=."], ["separator=;", "decimal=,", "thousands=,"]])
def test_signs_that_cannot_be_told_apart_are_refused(capsys: pytest.CaptureFixture[str], rules: list[str]) -> None:
    status, _, said = _run(capsys, "compute", "tape.csv", *(f"--input={rule}" for rule in rules))
    assert (status, "the same as input.decimal" in said) == (2, True)


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("kpi.service", {"pandas", "jinja2", "yaml"}),
        ("kpi.logreview", {"numpy", "pandas", "pyarrow"}),
        ("kpi.snapshot", {"numpy", "pandas", "pyarrow", "urllib.request"}),
    ],
)
def test_what_runs_often_imports_nothing_heavy(module: str, heavy: set[str]) -> None:
    code = f"import sys, {module}; print({heavy} & sys.modules.keys())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert said.strip() == "set()"


def test_series_over_what_the_service_accepted(capsys: pytest.CaptureFixture[str], config: PipelineConfig) -> None:
    assert _run(capsys, "series", "--config", config.source, "--json")[0] == 10  # not one date: nothing was seen
    for day in ("2025-12-24", "2025-12-26"):
        delivery = Delivery(f"{day}.csv", as_csv(draw("A", 50), measured_on=day))
        run_tape(config, delivery, config.paths["metrics"])
    status, document, _ = _run(capsys, "series", "--config", config.source, "--json")
    assert (status, document["dates"], document["gaps"]["daily"][0]["from"]) == (0, 2, "2025-12-25")
    assert "no tape from 2025-12-25 to 2025-12-25" in _run(capsys, "series", "--config", config.source)[1]


def test_compute_takes_policy_and_rules_from_a_named_config(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tape = tmp_path / "tape.csv"
    first, second, rest = as_csv(draw("A")).decode().split("\n", 2)
    cells = second.split(",")
    tape.write_text("\n".join([first, ",".join([*cells[:-1], "-1"]), rest]), encoding="utf-8")
    config = str(write_config(tmp_path, quarantine={"policy": "continue"}))
    assert _run(capsys, "compute", str(tape), "--json")[0] == 9
    assert _run(capsys, "compute", str(tape), "--config", config, "--json")[0] == 0
    assert _run(capsys, "compute", str(tape), "--config", config, "--quarantine", "fail", "--json")[0] == 9


def test_generate_writes_the_recipe(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "tape.csv"
    assert main(["generate", "B", "--rows", "7", "--seed", "1", "--out", str(out)]) == 0
    assert out.read_bytes() == as_csv(draw("B", 7, 1))
    assert capsys.readouterr().out == ""


def test_keys_given_twice_and_broken_json_are_usage_errors(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for text, said in (('{"version": "2.0", "version": "2.0"}', "given twice"), ('{"version": ', "line 1, column")):
        path = tmp_path / "pipeline.yml"
        path.write_text(text, encoding="utf-8")
        status, _, error = _run(capsys, "validate", "--config", str(path))
        assert status == 2
        assert said in error
