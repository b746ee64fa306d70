"""Shadow mode from the outside: V1 found by its unit, its config by the backup; the command, its output and its exit status."""

import json
import sys
from pathlib import Path

import pytest

from kpi.cli import main
from kpi.shadow.unit import V1, find_v1
from kpi.synthetic import as_csv, draw
from tests.checkout import ROOT
from tests.kpi.conftest import write_config

pytestmark = pytest.mark.process

OLD = ROOT / "legacy" / "abaco_v1"


def _tape(directory: Path) -> Path:
    """A tape with one negative amount, in row 3."""
    lines = as_csv(draw("A", 60)).decode().splitlines()
    cells = lines[3].split(",")
    cells[lines[0].split(",").index("cash_available_usd")] = "-5"
    lines[3] = ",".join(cells)
    path = directory / "tape.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_lab_unit_of_v1_says_where_v1_is(tmp_path: Path) -> None:
    text = (ROOT / "roles" / "abaco" / "templates" / "abaco-pipeline-v1.service.j2").read_text(encoding="utf-8")
    known = {
        "abaco_user": "abaco",
        "abaco_home": str(tmp_path),
        "lab_v1_release": "1.0.0",
        "abaco_data": "/var/lib/abaco",
    }
    known["abaco_config"] = str(tmp_path / "pipeline.yml")
    for name, value in known.items():
        text = text.replace(f"{{{{ {name} }}}}", value)
    assert "{{" not in text
    (tmp_path / "v1.service").write_text(text, encoding="utf-8")
    program = tmp_path / "releases" / "1.0.0" / "pipeline_v1.py"
    program.parent.mkdir(parents=True)
    for path in (program, tmp_path / "pipeline.yml"):
        path.write_text("version: 1\n", encoding="utf-8")
    found = find_v1(None, None, "", str(tmp_path / "v1.service"), tmp_path)
    assert found == V1("/usr/bin/python3", program, tmp_path / "pipeline.yml", "abaco")


def _unit(directory: Path, program: Path, config: Path) -> Path:
    unit = directory / "v1.service"
    unit.write_text(f"[Service]\nUser=abaco\nExecStart=/nowhere/python {program} --config {config}\n", encoding="utf-8")
    drop_in = directory / "v1.service.d"
    drop_in.mkdir()
    (drop_in / "python.conf").write_text(
        f"[Service]\nUser=\nExecStart=\nExecStart=-{sys.executable} {program} --config {config}\n", encoding="utf-8"
    )
    return unit


def test_the_command_finds_v1_by_its_unit_and_its_config_in_the_backup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the cutover V2's config stands where V1's stood, and V1's is in the backup of the run."""
    backup = tmp_path / ".rollback" / "run-1"
    backup.mkdir(parents=True)
    (backup / "pipeline_backup_20260102T030405Z.yml").write_bytes((OLD / "pipeline.yml").read_bytes())
    config = write_config(tmp_path)
    (tmp_path / "done").mkdir()
    for number in range(4):
        (tmp_path / "done" / f"{'0' * 63}{number}__tape-{number}.csv").write_bytes(as_csv(draw("B", 30, number)))
    unit = _unit(tmp_path, OLD / "pipeline_v1.py", config)
    options = ["--v1-unit", str(unit), "--config", str(config), "--newest", "2", "--json"]
    options += ["--backups", str(tmp_path / ".rollback")]
    assert main(["shadow", *options]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["n"] == 2
    assert document["v1"]["config"].endswith("pipeline_backup_20260102T030405Z.yml")
    assert (document["v1"]["python"], document["v1"]["version"]) == (sys.executable, "1.0.4")


def test_the_command_prints_the_kpis_and_ends_with_the_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tape = _tape(tmp_path)
    options = [
        "--v1",
        str(OLD / "pipeline_v1.py"),
        "--v1-config",
        str(OLD / "pipeline.yml"),
        "--v1-python",
        sys.executable,
    ]
    assert main(["shadow", str(tape), *options]) == 9
    text = capsys.readouterr().out
    assert "V2 refuses: quarantined_rows" in text
    assert "PortfolioHealth (HealthScore)" in text


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--v1", "/nowhere/v1.py"), "/nowhere/v1.py"),
        (("--v1-unit", "no-such.service"), "no-such.service"),
    ],
)
def test_a_v1_that_is_not_there_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], found: str
) -> None:
    assert main(["shadow", str(_tape(tmp_path)), *options]) == 2
    said = capsys.readouterr().err
    assert found in said
    assert "next: " in said
