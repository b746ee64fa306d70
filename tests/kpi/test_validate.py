"""The five checks on a service that really runs, with damage done to what it wrote; test_faults.py plants faults in it."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kpi.outputs import LATEST
from kpi.validation import validate
from kpi.validation.report import Report
from kpi.verdict import Verdict
from tests.kpi.conftest import Running, altered, altered_code, serving

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("live")) as running:
        running.deliver(3)
        yield running


def _found(report: Report) -> dict[str, set[str]]:
    return {check.name: codes for check in report.checks if (codes := {finding.code for _, finding in check.issues})}


def test_a_full_validation_follows_every_record(live: Running) -> None:
    report = validate(live.config, full=True)
    values = report.as_json()["checks"]["audit_trail"]["values"]
    assert (report.checks[4].status, values["followed"], values["by_digest"]) == (Verdict.PASS, values["seq"], 0)
    for room in ("inbox", "done/canary", "rejected/canary", "metrics/canary"):  # the canaries leave nothing behind
        assert [path for path in (live.root / room).iterdir() if path.is_file()] == []


def test_wrong_and_missing_outputs_are_found(live: Running) -> None:
    digest = live.tapes()[-1].name[:64]

    def falsify(content: bytes) -> bytes:
        document = json.loads(content)
        document["kpis"]["PAR30"]["value"] *= 1.000001
        return json.dumps(document).encode()

    outputs = live.root / "metrics" / f"v2_{digest[:16]}"
    with altered(outputs.with_suffix(".json"), falsify), altered(outputs.with_suffix(".csv")):
        report = validate(live.config)
    assert _found(report)["kpi_calculations"] == {"wrong_result", "output_changed", "output_missing"}
    assert report.status is Verdict.FAIL


def test_a_lost_a_doubled_and_a_late_tape_are_found(live: Running) -> None:
    oldest, *_, newest = live.tapes()
    double = live.root / "done" / f"{newest.name[:64]}__again.csv"
    shutil.copy(newest, double)
    entry = {"name": "late.csv", "sha256": hashlib.sha256(b"late").hexdigest(), "at": "2026-01-01T00:00:00Z"}
    part = live.root / "inbox" / ".late.csv.part"
    part.write_bytes(b"late")
    with (
        altered(live.root / "arrivals.jsonl", lambda lines: lines + json.dumps(entry).encode() + b"\n"),
        altered(oldest),
    ):
        report = validate(live.config)
    part.unlink()
    double.unlink()
    verdicts = {finding.code: verdict for verdict, finding in report.checks[1].issues}
    assert {code: str(verdicts[code]) for code in ("tape_lost", "tape_doubled", "tape_late")} == {
        "tape_lost": "FAIL", "tape_doubled": "FAIL", "tape_late": "WARN",
    }  # fmt: skip


def test_a_wrong_formula_does_not_even_start(tmp_path: Path) -> None:
    wrong = {"formulas/par90.py": ('numerator=("dpd_90_plus_usd",)', 'numerator=("dpd_60_90_usd",)')}
    code = altered_code(tmp_path, replaced=wrong)
    with pytest.raises(AssertionError, match="recipe A, PAR90"), serving(tmp_path, code):
        pass


def test_a_service_that_is_down_fails(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        running.deliver()
        assert running.stop()[0] == 0
        report = validate(running.config, timeout=1.0)
    found = _found(report)
    assert found["performance"] == found["error_handling"] == {"service_not_ready"}
    assert report.status is Verdict.FAIL


@pytest.mark.usefixtures("no_delivery_is_waited_for")
def test_a_service_without_a_tape_is_inconclusive_and_never_a_pass(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        report = validate(running.config)
    statuses: dict[str, Any] = {check.name: check.status for check in report.checks}
    assert (statuses["kpi_calculations"], statuses["data_integrity"]) == (Verdict.WARN, Verdict.INCONCLUSIVE)
    assert (_found(report)["kpi_calculations"], report.checks[0].values["v1_tape"]) == ({"no_delivery"}, None)
    assert report.status is Verdict.INCONCLUSIVE


def test_v1s_latest_in_the_place_of_ours_is_stale_and_is_named(live: Running) -> None:
    by_v1 = {"version": "1.0.4", "tape": "tape-of-v1.csv", "sha256": "0" * 64, "metrics": {}}
    with altered(live.root / "metrics" / LATEST, lambda _: json.dumps(by_v1).encode()):
        report = validate(live.config)
    (found,) = [finding.found for _, finding in report.checks[0].issues if finding.code == "stale_output"]
    assert "latest.json is of tape tape-of-v1.csv" in found
