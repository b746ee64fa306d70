"""The config's `input` section: how tapes are written, as the pipeline is configured, and its errors all at once."""

import json
from pathlib import Path
from typing import Any

import pytest

from kpi.audit import AuditTrail
from kpi.config import PipelineConfig
from kpi.findings import UsageError
from kpi.inbox import Inbox
from kpi.synthetic import as_csv, draw
from tests.kpi.conftest import write_config


def _config(root: Path, section: dict[str, Any]) -> PipelineConfig:
    return PipelineConfig.load(write_config(root, input=section))


def test_all_errors_come_at_once(tmp_path: Path) -> None:
    section = {"separator": "x", "currency": "EUR", "expansion_ratio": 0, "colour": 1}
    with pytest.raises(UsageError) as error:
        _config(tmp_path, section)
    where = {finding.where.rpartition(": ")[2] for finding in error.value.findings}
    assert where == {"input.separator", "input.currency", "input.expansion_ratio", "input.colour"}


@pytest.mark.parametrize(
    "section", [{"decimal": ","}, {"thousands": "."}, {"separator": ";", "decimal": ",", "thousands": ","}]
)
def test_signs_that_cannot_be_told_apart_are_refused(tmp_path: Path, section: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as error:
        _config(tmp_path, section)
    assert "the same as input.decimal" in error.value.findings[0].found


def test_the_service_reads_by_the_rules_of_its_config(tmp_path: Path) -> None:
    config = _config(tmp_path, {"separator": ";", "decimal": ","})
    config.paths["audit"].mkdir()
    trail = AuditTrail(config.paths["audit"], actor="test")
    inbox = Inbox(config, trail, lambda: None)
    european = as_csv(draw("A")).replace(b",", b";").replace(b".", b",")
    kinds = {}
    for name, content in (("european.csv", european), ("strict.csv", as_csv(draw("A")))):
        (config.paths["inbox"] / name).write_bytes(content)
        claimed = inbox.claim(config.paths["inbox"] / name)
        assert claimed is not None
        outcome = inbox.finish(claimed)
        assert outcome.run is not None
        kinds[name] = (outcome.kind, [finding["code"] for finding in outcome.run.record["findings"]])
    trail.close()
    assert kinds == {"european.csv": ("processed", []), "strict.csv": ("rejected", ["wrong_separator"])}
    written = json.loads((config.paths["metrics"] / "latest.json").read_bytes())
    assert f"{written['kpis']['PAR30']['value']:.6f}" == "2.210652"
    assert written["tape"]["loans"] == {"checked": 1000, "without_id": 0, "repeated": 0}
    assert written["tape"]["dates"] == ["2025-12-26"]
    assert written["ageing"]["2025-12-26"]["90+"]["rows"] == 1000
