"""The pipeline from inbox to done, its config, its outputs, its audit trail."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kpi.audit import AuditTrail, verify
from kpi.config import PipelineConfig
from kpi.findings import UsageError
from kpi.inbox import Inbox, Outcome
from kpi.outputs import stem
from kpi.probes import EXAMPLE
from kpi.recipes import as_csv, draw
from kpi.release import release_id

Make = Callable[..., PipelineConfig]
TAPE = as_csv(draw("A"))
DIGEST = hashlib.sha256(TAPE).hexdigest()


@pytest.fixture
def config(make_config: Make) -> PipelineConfig:
    return make_config()


@pytest.fixture
def inbox(config: PipelineConfig) -> Iterator[Inbox]:
    config.paths["audit"].mkdir()
    trail = AuditTrail(config.paths["audit"], actor="test")
    yield Inbox(config, trail, lambda: None)
    trail.close()


def _run(config: PipelineConfig, inbox: Inbox, name: str, content: bytes) -> Outcome:
    tape = config.paths["inbox"] / name
    tape.write_bytes(content)
    claimed = inbox.claim(tape)
    assert claimed is not None
    return inbox.finish(claimed)


def _files(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if path.is_file()}


def test_a_sound_tape_ends_in_done_with_its_outputs(config: PipelineConfig, inbox: Inbox) -> None:
    assert _run(config, inbox, "tape-1.csv", TAPE).kind == "processed"
    assert _files(config.paths["done"]) == {f"{DIGEST}__tape-1.csv"}
    assert _files(config.paths["processing"]) == _files(config.paths["inbox"]) == set()
    written = json.loads((config.paths["metrics"] / f"{stem(DIGEST)}.json").read_bytes())
    assert f"{written['kpis']['PAR30']['value']:.6f}" == "2.210652"
    assert written["status"] == "ok"
    assert (config.paths["metrics"] / "latest.json").read_bytes() == (
        config.paths["metrics"] / f"{stem(DIGEST)}.json"
    ).read_bytes()


def test_the_manifest_has_the_digests_of_input_and_outputs(config: PipelineConfig, inbox: Inbox) -> None:
    _run(config, inbox, "tape-1.csv", TAPE)
    manifest = json.loads((config.paths["metrics"] / f"{stem(DIGEST)}.manifest.json").read_bytes())
    assert manifest["digests"]["input"] == DIGEST
    assert manifest["digests"]["config"] == config.digest
    for name, digest in manifest["outputs"].items():
        assert hashlib.sha256((config.paths["metrics"] / name).read_bytes()).hexdigest() == digest
    assert manifest["run_id"].split("_")[1:3] == [DIGEST[:12], config.digest[:8]]


def test_a_failed_run_is_rejected_with_its_reason_and_recorded(config: PipelineConfig, inbox: Inbox) -> None:
    bad = as_csv(draw("C"))
    assert _run(config, inbox, "bad.csv", bad).kind == "rejected"
    digest = hashlib.sha256(bad).hexdigest()
    assert _files(config.paths["rejected"]) == {f"{digest}__bad.csv", f"{digest}__bad.csv.reason.json"}
    reason = json.loads((config.paths["rejected"] / f"{digest}__bad.csv.reason.json").read_bytes())
    assert reason["codes"] == ["buckets_exceed_receivable", "out_of_range"]
    assert json.loads((config.paths["metrics"] / f"{stem(digest)}.json").read_bytes())["status"] == "failed"
    assert "latest.json" not in _files(config.paths["metrics"])


def test_the_same_content_twice_is_counted_once(config: PipelineConfig, inbox: Inbox) -> None:
    _run(config, inbox, "tape-1.csv", TAPE)
    assert _run(config, inbox, "tape-1-again.csv", TAPE).kind == "duplicate"
    assert _files(config.paths["done"]) == {f"{DIGEST}__tape-1.csv"}
    assert f"{DIGEST}__tape-1-again.csv.duplicate-1" in _files(config.paths["rejected"])


def test_the_audit_trail_tells_the_run(config: PipelineConfig, inbox: Inbox) -> None:
    _run(config, inbox, "tape-1.csv", TAPE)
    seen = verify(config.paths["audit"])
    assert seen.problems == []
    events = [record["event"] for record in seen.records]
    assert events == ["tape_ingested", "tape_transformed", *["kpi_calculated"] * 4, "outputs_written", "run_completed"]


def test_a_config_tells_all_its_errors_at_once(make_config: Make) -> None:
    with pytest.raises(UsageError) as error:
        make_config(environment="", outputs=["json", "xml"], colour="blue", http={"address": "127.0.0.1"})
    assert {finding.where for finding in error.value.findings} == {
        "test: environment",
        "test: outputs[1]",
        "test: colour",
        "test: http.port",
    }


def test_quarantine_goes_on_where_the_config_says_so(
    make_config: Make, make_tape: Callable[..., bytes], tmp_path: Path
) -> None:
    config = make_config(quarantine={"policy": "continue"})
    (tmp_path / "audit").mkdir()
    trail = AuditTrail(tmp_path / "audit", actor="test")
    outcome = _run(config, Inbox(config, trail, lambda: None), "t.csv", make_tape({}, {"cash_available_usd": -1}))
    trail.close()
    assert outcome.run is not None
    assert (outcome.kind, outcome.run.record["tape"]["quarantined"]) == ("processed", {"negative_amount": 1})
    assert outcome.run.record["kpis"]["PAR30"]["row_count"] == 1


def test_the_service_of_this_release_gets_ready_and_stops_when_told(tmp_path: Path) -> None:
    document = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    document |= {"paths": {"root": str(tmp_path)}, "http": {"address": "127.0.0.1", "port": 0}, "release": release_id()}
    config = tmp_path / "pipeline.yml"
    config.write_text(json.dumps(document), encoding="utf-8")
    path = os.pathsep.join(filter(None, sys.path))
    environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"} | {"PYTHONPATH": path}
    command = [sys.executable, "-S", "-P", "-m", "kpi", "serve", "--config", str(config)]
    with subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        said = service.stdout.readline()
        service.terminate()
        rest = service.stdout.read()
        assert service.wait(30) == 0, said + rest
    assert said.startswith("ready: "), said + rest
