"""Checks of phase 5, asked of this machine: a real tape went through V2, delivered or as the copy of one of V1's, with its values."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import testinfra

from cutover.plan.plan import HostPlan
from kpi.audit import AuditTrail, Event
from roles.abaco.checks import validation as checks
from tests.toy import TOY

V1S, OTHER = "1" * 64, "2" * 64


@pytest.fixture
def host() -> Any:
    return testinfra.get_host("local://")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A host after phase 4: a tape of V1's is done, V2's config is in place, nothing was delivered."""
    for room in ("inbox", "processing", "done/canary", "metrics", "audit"):
        (tmp_path / room).mkdir(parents=True)
    (tmp_path / "done" / f"{V1S}__tape-1.csv").touch()
    (tmp_path / "pipeline.yml").write_text("{}")
    return tmp_path


@pytest.fixture
def wanted(data: Path) -> HostPlan:
    variables = {"abaco_data": str(data), "abaco_config": str(data / "pipeline.yml")}
    return HostPlan(
        service=TOY, name="a", address="198.18.0.1", variables=variables, facts={}, steps={}, changes=(), diffs=()
    )


def ran(data: Path, digest: str, *, canary: bool, event: str = "run_completed", **values: object) -> None:
    known = {"sha256": digest, "canary": canary, "tape": "any.csv"}
    all_values = {**dict.fromkeys(checks.KPIS, 1.5), **values}
    kpis = [Event("kpi_calculated", details={**known, "kpi": kpi, "value": all_values[kpi]}) for kpi in checks.KPIS]
    trail = AuditTrail(data / "audit", "test")
    trail.record([*kpis, Event(event, details={**known, "latency_ms": {}})])
    trail.close()


def test_the_copy_of_v1s_tape_is_a_real_one_and_its_values_are_looked_at(
    host: Any, wanted: HostPlan, data: Path
) -> None:
    ran(data, V1S, canary=True)
    assert checks.real_tapes(host, wanted) == [("tape-1.csv", dict.fromkeys(checks.KPIS, 1.5))]
    checks.test_v2_has_computed_a_real_tape(host, wanted)
    checks.test_v2_wrote_all_four_values(host, wanted)


def test_a_value_of_the_copy_that_is_no_number_fails(host: Any, wanted: HostPlan, data: Path) -> None:
    ran(data, V1S, canary=True, PAR30=None, PAR90="1.5", CollectionRate=True)
    with pytest.raises(AssertionError, match=r"the copy of tape-1\.csv has no finite number") as said:
        checks.test_v2_wrote_all_four_values(host, wanted)
    assert [kpi for kpi in checks.KPIS if kpi in str(said.value)] == ["PAR30", "PAR90", "CollectionRate"]


def test_tapes_of_our_own_making_and_refused_ones_are_not_enough(host: Any, wanted: HostPlan, data: Path) -> None:
    ran(data, OTHER, canary=True)
    ran(data, V1S, canary=True, event="run_failed")
    with pytest.raises(AssertionError, match="V2 has computed no tape"):
        checks.test_v2_has_computed_a_real_tape(host, wanted)


def test_what_was_computed_before_the_config_was_put_in_place_does_not_count(
    host: Any, wanted: HostPlan, data: Path
) -> None:
    ran(data, V1S, canary=True)
    (data / "pipeline.yml").unlink()
    (data / "pipeline.yml").write_text("{}")
    with pytest.raises(AssertionError, match="V2 has computed no tape"):
        checks.test_v2_has_computed_a_real_tape(host, wanted)


def test_nothing_seen_is_a_warning_and_no_failure() -> None:
    marks = getattr(checks.test_v2_has_computed_a_real_tape, "pytestmark", [])
    assert [mark.name for mark in marks] == ["warn"]


def test_a_delivered_tape_is_judged_by_what_v2_wrote(host: Any, wanted: HostPlan, data: Path) -> None:
    ran(data, OTHER, canary=False)
    (data / "done" / f"{OTHER}__tape-2.csv").touch()
    kpis: dict[str, dict[str, object]] = {kpi: {"value": 1.5} for kpi in checks.KPIS}
    written = data / "metrics" / f"v2_{OTHER[:16]}.json"
    written.write_text(json.dumps({"status": "ok", "kpis": kpis}))
    checks.test_v2_has_computed_a_real_tape(host, wanted)
    checks.test_v2_wrote_all_four_values(host, wanted)
    written.write_text(json.dumps({"status": "ok", "kpis": kpis | {"PAR30": {"value": math.nan}}}))
    with pytest.raises(AssertionError, match="PAR30"):
        checks.test_v2_wrote_all_four_values(host, wanted)
