"""Exactly once: a crash between any two effects is finished at the next start, never doubled, never lost."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kpi import durable
from kpi import inbox as inbox_module
from kpi.audit import AuditTrail, verify
from kpi.config import PipelineConfig
from kpi.inbox import Inbox
from kpi.outputs import stem
from kpi.recipes import as_csv, draw
from tests.kpi.conftest import write_config

GOOD = as_csv(draw("A", 20), "G")
BAD = as_csv(draw("C", 20), "B")
EFFECTS = ("write_files", "move", "append", "replace_lazily")


class CrashError(BaseException):
    """The process dies here."""


def _work_off(config: PipelineConfig) -> None:
    config.paths["audit"].mkdir(exist_ok=True)
    trail = AuditTrail(config.paths["audit"], actor="test")
    try:
        inbox = Inbox(config, trail, lambda: None)
        while claimed := next(inbox.leftovers(), None):
            inbox.finish(claimed)
        while tape := inbox.next_tape():
            if claimed := inbox.claim(tape):
                inbox.finish(claimed)
    finally:
        trail.close()


def _crash_at(monkeypatch: pytest.MonkeyPatch, number: int, *, after: bool) -> list[str]:
    seen: list[str] = []

    def wrap(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def effect(*args: Any) -> Any:
            seen.append(name)
            if len(seen) == number and not after:
                raise CrashError
            result = real(*args)
            if len(seen) == number:
                raise CrashError
            return result

        return effect

    for name in EFFECTS:
        monkeypatch.setattr(durable, name, wrap(name, getattr(durable, name)))
    return seen


def _deliver(config: PipelineConfig) -> None:
    config.paths["inbox"].mkdir()
    for name, content in (("1.csv", GOOD), ("2.csv", BAD), ("3.csv", GOOD)):
        (config.paths["inbox"] / name).write_bytes(content)


def _assert_each_exactly_once(config: PipelineConfig) -> None:
    good, bad = (hashlib.sha256(content).hexdigest() for content in (GOOD, BAD))
    done = {path.name for path in config.paths["done"].iterdir() if path.is_file()}
    rejected = {path.name for path in config.paths["rejected"].iterdir() if path.is_file()}
    assert done == {f"{good}__1.csv"}
    tapes = {f"{bad}__2.csv", f"{good}__3.csv.duplicate-1"}
    assert rejected == tapes | {f"{name}.reason.json" for name in tapes}
    assert list(config.paths["inbox"].iterdir()) == list(config.paths["processing"].iterdir()) == []
    assert json.loads((config.paths["metrics"] / f"{stem(good)}.json").read_bytes())["status"] == "ok"
    assert not [path for path in config.paths["metrics"].iterdir() if path.name.startswith(durable.TEMPORARY)]
    seen = verify(config.paths["audit"])
    assert seen.problems == []
    ends = {one["details"]["sha256"] for one in seen.records if one["event"] in ("run_completed", "run_failed")}
    assert ends == {good, bad}


def test_a_crash_before_or_after_any_effect_is_finished_at_the_next_start(tmp_path: Path) -> None:
    crashes = 0
    for after in (False, True):
        for number in range(1, 100):
            root = tmp_path / f"{number}-{after}"
            root.mkdir()
            config = PipelineConfig.load(write_config(root))
            _deliver(config)
            with pytest.MonkeyPatch.context() as patch:
                effects = _crash_at(patch, number, after=after)
                try:
                    _work_off(config)
                except CrashError:
                    crashes += 1
            crashed = len(effects) >= number
            _work_off(config)
            _assert_each_exactly_once(config)
            if not crashed:
                break
    assert crashes >= 2 * 15


def test_names_that_start_with_a_dot_are_left_alone(tmp_path: Path) -> None:
    config = PipelineConfig.load(write_config(tmp_path))
    config.paths["inbox"].mkdir()
    part = config.paths["inbox"] / ".1.csv.part"
    part.write_bytes(GOOD[:100])
    _work_off(config)
    assert part.read_bytes() == GOOD[:100]
    assert not [path for path in config.paths["done"].iterdir() if path.is_file()]


def test_a_tape_changed_while_it_was_claimed_is_rejected(tmp_path: Path) -> None:
    config = PipelineConfig.load(write_config(tmp_path))
    config.paths["processing"].mkdir()
    name = f"{hashlib.sha256(GOOD).hexdigest()}__1.csv"
    (config.paths["processing"] / name).write_bytes(GOOD + b"L99,2025-12-26,1,1,1,1,0,0,0,0,0\n")
    _work_off(config)
    reason = json.loads((config.paths["rejected"] / f"{name}.reason.json").read_bytes())
    assert reason["codes"] == ["content_changed"]
    assert not [path for path in config.paths["done"].iterdir() if path.is_file()]


def test_a_fault_of_ours_rejects_the_tape_with_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = PipelineConfig.load(write_config(tmp_path))
    config.paths["inbox"].mkdir()
    (config.paths["inbox"] / "1.csv").write_bytes(GOOD)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("kpi.pipeline.evaluate", broken)
    _work_off(config)
    reason = json.loads(next(config.paths["rejected"].glob("*.reason.json")).read_bytes())
    assert reason["codes"] == ["internal_error"]
    assert "planted" in reason["error"]


def test_canaries_stay_out_of_production(tmp_path: Path) -> None:
    config = PipelineConfig.load(write_config(tmp_path))
    config.paths["inbox"].mkdir()
    (config.paths["inbox"] / "canary-x.csv").write_bytes(GOOD)
    _work_off(config)
    for room in ("done", "rejected", "metrics"):
        assert not [path for path in config.paths[room].iterdir() if path.is_file()]
    digest = hashlib.sha256(GOOD).hexdigest()
    assert (config.paths["done"] / "canary" / f"canary-{digest}__canary-x.csv").read_bytes() == GOOD
    assert (config.paths["metrics"] / "canary" / f"{stem(digest)}.json").is_file()


def test_a_tape_that_may_not_be_read_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = PipelineConfig.load(write_config(tmp_path))
    config.paths["inbox"].mkdir()
    for name in ("1.csv", "2.csv"):
        (config.paths["inbox"] / name).write_bytes(GOOD)
    real = inbox_module._digest

    def refuse(path: Path) -> str:
        if path.name == "1.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(inbox_module, "_digest", refuse)
    _work_off(config)
    assert [path.name for path in config.paths["inbox"].iterdir()] == ["1.csv"]
    assert [path.name.partition("__")[2] for path in config.paths["done"].iterdir() if path.is_file()] == ["2.csv"]
    assert "tape_unreadable" in [record["event"] for record in verify(config.paths["audit"]).records]
