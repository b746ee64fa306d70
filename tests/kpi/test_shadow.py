"""Shadow mode: V1 really run beside V2 on the same frozen tape; what differs is found, KPI by KPI; V1 found by its unit and the backup."""

import json
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kpi.cli import main
from kpi.findings import UsageError
from kpi.shadow import Terms, shadow
from kpi.shadow.freezing import frozen
from kpi.shadow.unit import V1, find_v1
from kpi.synthetic import as_csv, draw
from kpi.tapes.rules import InputRules
from kpi.verdict import Verdict
from tests.checkout import ROOT
from tests.kpi.conftest import V1 as V1_HOME
from tests.kpi.conftest import write_config

pytestmark = pytest.mark.process

Document = dict[str, Any]
NEGATIVE = (3, "cash_available_usd", "-5")  # a row that V2 quarantines and V1 takes


def _v1(program: Path = V1_HOME / "pipeline_v1.py") -> V1:
    return V1(sys.executable, program, V1_HOME / "pipeline.yml")


def _tape(directory: Path, changes: Sequence[tuple[int, str, str]] = ()) -> Path:
    """A sound tape with some cells changed: (row, column, text)."""
    lines = [line.split(",") for line in as_csv(draw("A", 60)).decode().splitlines()]
    for row, column, text in changes:
        lines[row][lines[0].index(column)] = text
    path = directory / "tape.csv"
    path.write_text("".join(",".join(line) + "\n" for line in lines), encoding="utf-8")
    return path


def _shadow(tape: Path, v1: V1 | None = None) -> Document:
    return shadow([tape], Terms(v1 or _v1()))[1]


def _one(document: Document) -> Document:
    tape: Document = document["tapes"][0]
    return tape


def test_both_agree_on_the_sound_recipes_to_1e_9(tmp_path: Path) -> None:
    for recipe in "AB":
        (tmp_path / f"{recipe}.csv").write_bytes(as_csv(draw(recipe)))
    verdict, document = shadow([tmp_path / "A.csv", tmp_path / "B.csv"], Terms(_v1()))
    assert verdict is Verdict.PASS, document["issues"]
    assert {name: check["status"] for name, check in document["checks"].items()} == dict.fromkeys(
        ("running", "acceptance", "PAR30", "PAR90", "CollectionRate", "PortfolioHealth"), "PASS"
    )
    for tape in document["tapes"]:
        assert tape["outcome"] == "agree"
        assert all(kpi["relative"] <= 1e-9 for kpi in tape["kpis"].values())
        assert all(tape["ran"][side]["peak_mb"] > 5 for side in ("v1", "v2"))
    par30 = _one(document)["kpis"]["PAR30"]
    assert (par30["v1"], par30["v1_decimals"], par30["v2_as_v1_rounds"], par30["relative"]) == (2.21, 2, 2.21, 0.0)
    assert par30["v2"] == pytest.approx(2.210652, abs=1e-6)
    assert par30["relative_unrounded"] == pytest.approx(2.9e-4, rel=0.03)  # V1's rounding alone
    assert _one(document)["kpis"]["PortfolioHealth"]["v1_name"] == "HealthScore"


@pytest.mark.parametrize(
    ("factor", "verdict", "level"),
    [("1.0001", Verdict.WARN, "warn"), ("1.02", Verdict.FAIL, "critical"), ("1.06", Verdict.FAIL, "roll back")],
)
def test_a_v1_with_another_formula_is_reported_by_its_level(
    tmp_path: Path, factor: str, verdict: Verdict, level: str
) -> None:
    text = (V1_HOME / "pipeline_v1.py").read_text(encoding="utf-8")
    old = '"PAR90": late'
    assert old in text
    other = tmp_path / "other_v1.py"
    other.write_text(text.replace(old, f'"PAR90": late * {factor}'), encoding="utf-8")
    tape = _tape(tmp_path)
    document = _shadow(tape, v1=_v1(other))
    one = _one(document)
    assert (document["verdict"], one["outcome"]) == (str(verdict), "differ")
    assert (one["kpis"]["PAR90"]["level"], one["kpis"]["PAR30"]["level"]) == (level, "")
    assert one["kpis"]["PAR90"]["relative"] == pytest.approx(1 - 1 / float(factor), rel=1e-9)
    assert one["kpis"]["CollectionRate"]["relative"] <= 1e-9


def test_v1_adds_up_all_dates_and_v2_only_the_latest(tmp_path: Path) -> None:
    older = [(row, "measurement_date", "2025-11-26") for row in range(1, 31)]
    one = _one(_shadow(_tape(tmp_path, older)))
    assert (one["outcome"], one["dates"], one["as_of"]) == ("differ", 2, "2025-12-26")
    kpi = one["kpis"]["CollectionRate"]
    assert kpi["difference_unrounded"] == kpi["v2"] - kpi["v1"] != 0.0


@pytest.mark.parametrize(
    ("change", "reason", "par30"),
    [
        (NEGATIVE, "quarantined_rows", "INCONCLUSIVE"),
        ((3, "loan_id", "ana@example.com"), "personal_data", "INCONCLUSIVE"),
        ((8, "loan_id", "L2"), "duplicated_loans", "PASS"),
    ],
)
def test_a_tape_that_only_v1_accepts_has_a_verdict_of_its_own(
    tmp_path: Path, change: tuple[int, str, str], reason: str, par30: str
) -> None:
    document = _shadow(_tape(tmp_path, [change]))
    one = _one(document)
    assert (document["verdict"], one["outcome"]) == ("FAIL", "only V1 accepts it")
    assert reason in one["v2_refuses"]
    assert one["v1_refuses"] == ""
    assert document["checks"]["acceptance"]["status"] == "FAIL"
    assert document["checks"]["PAR30"]["status"] == par30  # INCONCLUSIVE where nothing was compared
    assert "example.com" not in json.dumps(document)


def test_a_tape_that_only_v2_accepts_is_inconclusive_with_v1s_reason(tmp_path: Path) -> None:
    document = _shadow(_tape(tmp_path, [(4, "total_receivable_usd", "")]))
    one = _one(document)
    assert (document["verdict"], one["outcome"]) == ("INCONCLUSIVE", "only V2 accepts it")
    assert "null or negative" in one["v1_refuses"]
    assert one["v2_refuses"] == ""


def test_what_both_refuse_does_not_pass(tmp_path: Path) -> None:
    tape = tmp_path / "header.csv"
    tape.write_bytes(as_csv(draw("A")).partition(b"\n")[0] + b"\n")
    document = _shadow(tape)
    assert (document["verdict"], _one(document)["outcome"]) == ("INCONCLUSIVE", "both refuse it")


def test_the_word_nan_makes_v1s_value_nan_which_fails(tmp_path: Path) -> None:
    document = _shadow(_tape(tmp_path, [(2, "cash_available_usd", "nan")]))
    one = _one(document)
    assert document["verdict"] == "FAIL"
    assert "not a number" in one["kpis"]["CollectionRate"]["reason"]
    json.dumps(document, allow_nan=False)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("import sys; sys.exit('no such module')", "no such module"),
        ("print('not a document')", "no JSON document"),
        ("import time; time.sleep(60)", "was ended after"),
        ("print('{}')", "neither metrics nor an error"),
    ],
)
def test_a_v1_that_does_not_run_is_an_error_of_the_judging(tmp_path: Path, body: str, found: str) -> None:
    program = tmp_path / "broken_v1.py"
    program.write_text(body + "\n", encoding="utf-8")
    verdict, document = shadow([_tape(tmp_path)], Terms(_v1(program), timeout=3.0))
    assert verdict is Verdict.ERROR
    assert found in document["checks"]["running"]["issues"][0]["found"]


def test_a_v2_that_does_not_run_is_an_error_with_its_own_message(tmp_path: Path) -> None:
    verdict, document = shadow([_tape(tmp_path)], Terms(_v1(), v2_config=tmp_path / "no-such.yml"))
    assert verdict is Verdict.ERROR
    assert "no-such.yml" in document["checks"]["running"]["issues"][0]["found"]


def test_a_v1_that_writes_beside_the_tape_or_into_it_is_found(tmp_path: Path) -> None:
    program = tmp_path / "writing_v1.py"
    program.write_text(
        "import os, pathlib, sys\n"
        "tape = pathlib.Path(sys.argv[-1])\n"
        "tape.parent.chmod(0o755); tape.chmod(0o644)\n"
        "tape.write_bytes(tape.read_bytes() + b'x')\n"
        'print(\'{"version": "0", "metrics": {}}\')\n',
        encoding="utf-8",
    )
    tape = _tape(tmp_path)
    before = tape.read_bytes()
    verdict, document = shadow([tape], Terms(_v1(program)))
    assert verdict is Verdict.ERROR
    assert any("after v1" in issue["found"] for issue in document["issues"])
    assert tape.read_bytes() == before  # only its frozen copy could be reached


def test_nothing_stays_and_nothing_is_published(tmp_path: Path) -> None:
    root, scratch = tmp_path / "root", tmp_path / "scratch"
    for name in ("done", "audit", "metrics"):
        (root / name).mkdir(parents=True)
    scratch.mkdir()
    tape = _tape(root / "done")
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    shadow([tape], Terms(_v1(), scratch=scratch))
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert list(scratch.iterdir()) == []


def test_only_its_owner_can_enter_the_copies_and_a_link_is_no_tape(tmp_path: Path) -> None:
    tape = _tape(tmp_path)
    with frozen(tape, b"version: 1\n", tmp_path) as input_:
        assert input_.change() == ""
        modes = {path.name: oct(path.stat().st_mode & 0o7777) for path in (input_.tape, input_.tape.parent)}
        assert modes == {"tape.csv": "0o400", "input": "0o500"}
        assert input_.tape.parent.parent.stat().st_mode & 0o077 == 0
    link = tmp_path / "link.csv"
    link.symlink_to(tape)
    os.mkfifo(tmp_path / "fifo.csv")
    for path, found in {link: "it is a link", tmp_path / "fifo.csv": "not a regular file"}.items():
        with pytest.raises(UsageError, match=found), frozen(path, b"", tmp_path):
            pass
    assert not list(tmp_path.glob("kpi-shadow-*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_root_becomes_v1s_user_for_good(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"")
    secret.chmod(0o600)
    script = (
        "import os, pathlib, sys; from kpi.shadow.freezing import frozen; from kpi.shadow.unit import become\n"
        "become('nobody')\n"
        "print(os.getresuid(), os.getresgid(), os.getgroups(), os.access(sys.argv[1], os.R_OK, effective_ids=True))\n"
        "try: os.setuid(0)\nexcept PermissionError: print('for good')\n"
        "with frozen(pathlib.Path(sys.argv[2]), b'', pathlib.Path(sys.argv[3])) as made:\n"
        "    for path in (made.tape, made.config, made.tape.parent / 'new', made.tape.parent.parent / 'new'):\n"
        "        try: path.open('ab').close(); print('written')\n"
        "        except PermissionError: print('refused')\n"
    )
    with tempfile.TemporaryDirectory() as place:  # where anybody may come
        Path(place).chmod(0o1777)
        tape = _tape(Path(place))
        tape.chmod(0o644)
        argv = [sys.executable, "-c", script, str(secret), str(tape), place]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        assert list(Path(place).iterdir()) == [tape]
    one = pwd.getpwnam("nobody")
    ids = f"{(one.pw_uid,) * 3} {(one.pw_gid,) * 3} [] False"
    assert done.stdout == f"{ids}\nfor good\n" + 4 * "refused\n", done.stderr


def test_a_v2_with_input_rules_reads_what_v1_reads(tmp_path: Path) -> None:
    """With the rules declared both read `$` and agree."""
    tape = _tape(tmp_path, [(5, "total_receivable_usd", "$1234567.5")])
    strict = _shadow(tape)
    assert _one(strict)["outcome"] == "only V1 accepts it"
    _, document = shadow([tape], Terms(_v1(), rules=InputRules(currency="$")))
    assert (document["verdict"], _one(document)["outcome"]) == ("PASS", "agree"), document["issues"]


# The command


def test_v1_is_found_by_its_unit_as_drop_ins_change_it_and_its_config_in_the_backup(tmp_path: Path) -> None:
    """After the cutover V2's config stands where V1's stood, and V1's is in the backup of the run."""
    program, config = V1_HOME / "pipeline_v1.py", write_config(tmp_path)
    unit, backup = tmp_path / "v1.service", tmp_path / "run-1" / "pipeline_backup_20260102T030405Z.yml"
    runs = f"{program} --config {config}\n"
    for path, text in {
        unit: f"[Service]\nUser=abaco\nExecStart=/nowhere/python {runs}",
        tmp_path / "v1.service.d" / "python.conf": f"[Service]\nUser=\nExecStart=\nExecStart=-{sys.executable} {runs}",
        backup: "version: 1\n",
    }.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert find_v1(None, None, "", str(unit), tmp_path) == V1(sys.executable, program, backup, "", b"version: 1\n")


def test_the_command_prints_the_kpis_and_ends_with_the_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tape = _tape(tmp_path, [NEGATIVE])
    files = [f"--v1={V1_HOME}/pipeline_v1.py", f"--v1-config={V1_HOME}/pipeline.yml"]
    assert main(["shadow", str(tape), *files, f"--v1-python={sys.executable}"]) == 9
    text = capsys.readouterr().out
    assert "V2 refuses: quarantined_rows" in text
    assert "PortfolioHealth (HealthScore)" in text


@pytest.mark.parametrize(("option", "found"), [("--v1", "/nowhere/v1.py"), ("--v1-unit", "no-such.service")])
def test_a_v1_that_is_not_there_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, found: str
) -> None:
    assert main(["shadow", str(_tape(tmp_path, [NEGATIVE])), option, found]) == 2
    said = capsys.readouterr().err
    assert found in said
    assert "next: " in said
