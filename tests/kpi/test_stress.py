"""Stress: the real service under a stream of tapes; a planted leak, error, loss or doubling must be found."""

import json
import os
import signal
import subprocess
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from kpi.cli import main
from kpi.stress import Load
from kpi.stress.load import DONE, DUPLICATE, REJECTED, deliveries
from kpi.stress.memory import MemorySample, judge
from kpi.verdict import Verdict
from tests.checkout import ROOT
from tests.kpi.conftest import altered_code, kpi_command, run_kpi, wait_for
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.process

Document = dict[str, Any]
LIMIT = "500"  # MB in 10 000 tapes
ON_MOVE = """

_move_as_it_is = move


def move(source: Path, target: Path) -> None:
"""
LEAK = "    _KEPT.append(os.urandom(300_000))\n    _move_as_it_is(source, target)\n\n\n_KEPT: list[bytes] = []\n"
# One sound tape is lost, and one ends twice.
LOSS_AND_TWICE = """
    if target.parent.name == "done" and "stress-00000031" in target.name:
        source.unlink()
        return
    _move_as_it_is(source, target)
    if target.parent.name == "done" and "stress-00000037" in target.name:
        (target.parent.parent / "rejected" / target.name).write_bytes(b"")
"""
DEATH = (
    '    if "stress-00000031" in target.name and target.parent.name == "done":\n'
    '        raise ValueError("planted")\n    _move_as_it_is(source, target)\n'
)
# The events of one tape never reach the trail, as when a write were swallowed.
SILENCE = """

_append_as_it_is = append


def append(descriptor: int, content: bytes) -> None:
    if b"stress-00000034" not in content:
        _append_as_it_is(descriptor, content)
"""
REFUSAL = """

_judge_header_as_it_is = judge_header


def judge_header(source: str, names: Sequence[str]) -> list[Finding]:
    if "stress-00000033" in source:
        raise ValueError("planted")
    return _judge_header_as_it_is(source, names)
"""


def _release(place: Path, added: dict[str, str] | None = None) -> Path:
    """A release with limits of latency that no busy test machine reaches, and with faults in it."""
    limits = ('"warn": 100, "critical": 500,', '"warn": 20000, "critical": 30000,')
    return altered_code(place, added, {"example_config.json": limits})


def _stress(code: Path, *options: str) -> tuple[int, Document]:
    done = run_kpi("stress", "--json", "--rows", "40", "--sample-every", "0.03", *options, code=code)
    assert done.stdout, done.stderr
    document: Document = json.loads(done.stdout)
    return done.returncode, document


def _statuses(document: Document) -> dict[str, str]:
    return {name: check["status"] for name, check in document["checks"].items()}


def test_a_sound_release_passes_with_all_figures(tmp_path: Path) -> None:
    """The limit is far above what a young process takes until it is warm, and far below the planted leak."""
    root = tmp_path / "root"
    code, document = _stress(_release(tmp_path), "--iterations", "400", "--growth-limit", LIMIT, "--root", str(root))
    assert (code, document["verdict"]) == (0, "PASS"), document["issues"]
    assert _statuses(document) == dict.fromkeys(("errors", "tapes", "audit_trail", "latency", "memory"), "PASS")
    assert document["iterations"] == 400
    ended = document["checks"]["tapes"]["values"]["ended"]
    assert sum(ended.values()) == 400
    assert all(ended[end] > 0 for end in (DONE, REJECTED, DUPLICATE))
    latency = document["checks"]["latency"]["values"]["pipeline_ms"]
    assert 0.0 < latency["p50"] <= latency["p95"] <= latency["p99"] <= latency["max"]
    memory = document["checks"]["memory"]["values"]
    assert memory["first_quarter_median_mb"] > 10.0
    assert memory["peak_mb"] >= memory["last_quarter_median_mb"]
    assert len(memory["over_time"]) > 10
    assert document["checks"]["audit_trail"]["n"] > 4 * 350
    assert len(list((root / "done").glob("*__stress-*"))) == ended[DONE]


def test_a_leak_is_found_as_memory(tmp_path: Path) -> None:
    code = _release(tmp_path, {"durable.py": ON_MOVE + LEAK})
    status, document = _stress(code, "--iterations", "250", "--growth-limit", LIMIT)
    assert status == 9
    others = dict.fromkeys(("errors", "tapes", "audit_trail", "latency"), "PASS")
    assert _statuses(document) == {**others, "memory": "FAIL"}
    assert document["checks"]["memory"]["values"]["mb_per_10000_tapes"] > 1500.0


def test_planted_faults_fail_by_their_names(tmp_path: Path) -> None:
    code = _release(tmp_path, {"durable.py": ON_MOVE + LOSS_AND_TWICE + SILENCE, "columns.py": REFUSAL})
    status, document = _stress(code, "--iterations", "60")
    found = {name: " ".join(issue["found"] for issue in check["issues"]) for name, check in document["checks"].items()}
    failed = {name for name, ended in _statuses(document).items() if ended == "FAIL"}
    assert (status, failed) == (9, {"errors", "tapes", "audit_trail"})
    assert "internal_error" in found["errors"]
    assert all(words in found["tapes"] for words in ("1 lost: stress-00000031", "1 twice: stress-00000037"))
    assert all(words in found["audit_trail"] for words in ("no run in the trail", "does not follow"))


def test_a_service_that_ends_fails_by_its_last_words(tmp_path: Path) -> None:
    status, document = _stress(_release(tmp_path, {"durable.py": ON_MOVE + DEATH}), "--iterations", "60")
    assert (status, document["checks"]["errors"]["status"]) == (9, "FAIL")
    assert any("planted" in issue["found"] for issue in document["checks"]["errors"]["issues"]), document["issues"]


def test_a_time_ends_it_too_and_too_few_tapes_say_nothing_of_memory() -> None:
    status, document = _stress(ROOT, "--seconds", "0.5")
    assert document["iterations"] > 5
    assert (status, document["checks"]["memory"]["status"]) == (10, "INCONCLUSIVE")
    assert [document["checks"][name]["status"] for name in ("errors", "tapes")] == ["PASS", "PASS"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_takes_service_and_scratch_away(tmp_path: Path, number: signal.Signals) -> None:
    argv = kpi_command("stress", "--rows", "40", "--iterations", "100000")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    with subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: list(tmp_path.glob("kpi-stress-*/done/*__stress-*")))
            process.send_signal(number)
            assert process.wait(timeout=PATIENCE_S) == 130
            assert _served_below(tmp_path) == []
            assert list(tmp_path.iterdir()) == []
        finally:
            process.kill()  # where it failed, nobody waits for all those tapes
            for left in _served_below(tmp_path):
                os.kill(left, signal.SIGKILL)


def _served_below(directory: Path) -> list[int]:
    """The processes whose command line has this directory in it."""
    found = [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(directory) in _read(path)]
    return [int(path.parent.name) for path in found]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # a process that has ended meanwhile
        return ""


def test_the_same_seed_gives_the_same_tapes_and_no_two_are_alike() -> None:
    load = Load(rows=5, seed=3)
    first, again = (list(islice(deliveries(load), 300)) for _ in range(2))
    assert [one.content for one in first] == [one.content for one in again]
    kinds = {one.kind for one in first}
    assert kinds == {"A", "B", "C", "negative", "missing-column", "empty", "duplicate"}
    fresh = [one.key for one in first if one.ends != DUPLICATE]
    assert len(set(fresh)) == len(fresh)
    assert {one.key for one in first if one.ends == DUPLICATE} <= set(fresh)


def _samples(count: int, tapes: int, mb_per_10000: float, noise: float = 0.3) -> list[MemorySample]:
    """Samples with a saw tooth of noise over a straight line."""
    at = [tapes * number // count for number in range(count)]
    held = [45.0 + done / 10_000 * mb_per_10000 + noise * (number % 3) for number, done in enumerate(at)]
    return [MemorySample(number, done, now, max(held)) for number, (done, now) in enumerate(zip(at, held, strict=True))]


@pytest.mark.parametrize(
    ("samples", "verdict"),
    [
        (_samples(200, 45_000, 0.0), Verdict.PASS),
        (_samples(200, 45_000, 1.5), Verdict.PASS),
        (_samples(200, 45_000, 3.0), Verdict.FAIL),
        (_samples(200, 45_000, -5.0), Verdict.PASS),
        (_samples(200, 3_000, 0.0), Verdict.INCONCLUSIVE),  # 2 MB in 10 000 would not show in so few
        (_samples(200, 3_000, 500.0), Verdict.FAIL),  # but so much does
        (_samples(20, 45_000, 0.0), Verdict.INCONCLUSIVE),
        ([], Verdict.INCONCLUSIVE),
    ],
)
def test_growth_is_judged_by_slope_and_by_what_can_be_told(samples: list[MemorySample], verdict: Verdict) -> None:
    assert judge(samples, 2.0).verdict is verdict


def test_a_root_that_is_in_use_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "something").write_text("kept", encoding="utf-8")
    assert main(["stress", "--root", str(tmp_path), "--iterations", "1"]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["something"]


@pytest.mark.parametrize("option", ["--rows=0", "--iterations=0", "--seconds=-1", "--growth-limit=0"])
def test_options_that_make_no_sense_are_refused(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert main(["stress", option]) == 2
    assert option.partition("=")[0] in capsys.readouterr().err
