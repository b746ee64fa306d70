"""Exactly once: a crash between any two effects is finished at the next start, never doubled, never lost."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kpi import durable
from kpi import inbox as inbox_module
from kpi.audit import AuditTrail, verify
from kpi.backoff import Backoff
from kpi.config import PipelineConfig
from kpi.inbox import Inbox
from kpi.outputs import stem
from kpi.synthetic import as_csv, draw
from kpi.tapes.content import CHUNK_BYTES
from tests.kpi.conftest import write_config
from tests.kpi.crashing import CrashError, crash_at

GOOD = as_csv(draw("A", 20), "G")
BAD = as_csv(draw("C", 20), "B")
EFFECTS = ("write_files", "move", "move_lazily", "append", "replace_lazily")


@contextmanager
def _opened(config: PipelineConfig, alive: Callable[[], None] = lambda: None) -> Iterator[Inbox]:
    config.paths["audit"].mkdir(exist_ok=True)
    trail = AuditTrail(config.paths["audit"], actor="test")
    try:
        yield Inbox(config, trail, alive)
    finally:
        trail.close()


def _work_off(config: PipelineConfig) -> None:
    with _opened(config) as inbox:
        while claimed := next(inbox.leftovers(), None):
            inbox.finish(claimed)
        while tape := inbox.next_tape():
            if claimed := inbox.claim(tape):
                inbox.finish(claimed)


def _deliver(config: PipelineConfig, tapes: dict[str, bytes]) -> None:
    for name, content in tapes.items():
        (config.paths["inbox"] / name).write_bytes(content)


def _claimed(inbox: Inbox) -> Path:
    tape = inbox.next_tape()
    assert tape is not None
    claimed = inbox.claim(tape)
    assert claimed is not None
    return claimed


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
            config.paths["inbox"].mkdir()
            _deliver(config, {"1.csv": GOOD, "2.csv": BAD, "3.csv": GOOD})
            with pytest.MonkeyPatch.context() as patch:
                effects = crash_at(patch, EFFECTS, number, after=after)
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


def test_tapes_are_read_by_the_rules_of_the_config(tmp_path: Path) -> None:
    config = PipelineConfig.load(write_config(tmp_path, input={"separator": ";", "decimal": ","}))
    config.paths["inbox"].mkdir()
    _deliver(config, {"european.csv": GOOD.replace(b",", b";").replace(b".", b","), "strict.csv": GOOD})
    _work_off(config)
    assert len(list(config.paths["done"].glob("*__european.csv"))) == 1
    (reason,) = config.paths["rejected"].glob("*__strict.csv.reason.json")
    assert json.loads(reason.read_bytes())["codes"] == ["wrong_separator"]


def test_names_that_start_with_a_dot_are_left_alone(config: PipelineConfig) -> None:
    part = config.paths["inbox"] / ".1.csv.part"
    part.write_bytes(GOOD[:100])
    _work_off(config)
    assert part.read_bytes() == GOOD[:100]
    assert not [path for path in config.paths["done"].iterdir() if path.is_file()]


def test_a_tape_changed_while_it_was_claimed_is_rejected(config: PipelineConfig) -> None:
    name = f"{hashlib.sha256(GOOD).hexdigest()}__1.csv"
    (config.paths["processing"] / name).write_bytes(GOOD + b"L99,2025-12-26,1,1,1,1,0,0,0,0,0\n")
    _work_off(config)
    reason = json.loads((config.paths["rejected"] / f"{name}.changed-1.reason.json").read_bytes())
    assert reason["codes"] == ["content_changed"]
    assert not [path for path in config.paths["done"].iterdir() if path.is_file()]
    (config.paths["inbox"] / "again.csv").write_bytes(GOOD)
    _work_off(config)
    seen = verify(config.paths["audit"])
    assert [path.name[66:] for path in config.paths["done"].iterdir() if path.is_file()] == ["again.csv"]
    kept_as = [one["details"]["kept_as"] for one in seen.records if one["event"] == "tape_changed"]
    assert kept_as == [f"{name}.changed-1"]
    record = json.loads((config.paths["metrics"] / f"{stem(name[:64])}.json").read_bytes())
    assert (record["status"], record["tape"]["name"]) == ("ok", "again.csv")


def test_canaries_stay_out_of_production(config: PipelineConfig) -> None:
    (config.paths["inbox"] / "canary-x.csv").write_bytes(GOOD)
    _work_off(config)
    for room in ("done", "rejected", "metrics"):
        assert not [path for path in config.paths[room].iterdir() if path.is_file()]
    digest = hashlib.sha256(GOOD).hexdigest()
    assert (config.paths["done"] / "canary" / f"canary-{digest}__canary-x.csv").read_bytes() == GOOD
    assert (config.paths["metrics"] / "canary" / f"{stem(digest)}.json").is_file()


def test_a_tape_that_may_not_be_read_is_no_obstacle(config: PipelineConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    _deliver(config, {"1.csv": GOOD, "2.csv": GOOD})
    real = inbox_module._digest

    def refuse(path: Path, alive: Callable[[], None]) -> str:
        if path.name == "1.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, alive)

    monkeypatch.setattr(inbox_module, "_digest", refuse)
    _work_off(config)
    assert [path.name for path in config.paths["inbox"].iterdir()] == ["1.csv"]
    assert [path.name.partition("__")[2] for path in config.paths["done"].iterdir() if path.is_file()] == ["2.csv"]
    assert "tape_unreadable" in [record["event"] for record in verify(config.paths["audit"]).records]


@pytest.mark.parametrize("room", ["done", "rejected", "metrics"])
def test_what_is_in_the_way_of_one_tape_holds_no_other(room: str, config: PipelineConfig) -> None:
    key = hashlib.sha256(GOOD).hexdigest()
    obstacle = config.paths[room] / (f"{stem(key)}.json" if room == "metrics" else f"{key}__1.csv")
    (obstacle / "some").mkdir(parents=True)
    _deliver(config, {"1.csv": GOOD, "2.csv": BAD})
    with _opened(config) as inbox:
        assert inbox.finish(_claimed(inbox)).kind == "held"
        assert list(inbox.leftovers()) == []
        assert inbox.finish(_claimed(inbox)).kind == "rejected"
        assert list(inbox.backoff.reasons()) == [f"processing/{key}__1.csv"]
        _deliver(config, {"1.csv": GOOD})  # the same again under the same name: it has to wait as well
        tape = inbox.next_tape()
        assert tape is not None
        assert (inbox.claim(tape), inbox.next_tape()) == (None, None)
        assert inbox.finish(config.paths["processing"] / f"{key}__1.csv").kind == "held"
    held = [one["details"] for one in verify(config.paths["audit"]).records if one["event"] == "tape_held"]
    assert [one["tape"] for one in held] == [f"{key}__1.csv"]  # reported once, however often it is tried
    (obstacle / "some").rmdir()
    obstacle.rmdir()
    _work_off(config)
    assert [path.name for path in config.paths["done"].iterdir() if path.is_file()] == [f"{key}__1.csv"]
    assert (config.paths["rejected"] / f"{key}__1.csv.duplicate-1").read_bytes() == GOOD


def test_a_tape_is_tried_again_after_a_while_and_told_no_longer_when_it_is_gone(tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path, actor="test")
    backoff = Backoff(trail, retry_seconds=0.0)
    tape = tmp_path / "1.csv"
    tape.touch()
    for why in ("this", "this", "that"):
        backoff.hold(tape, "tape_held", why)
    assert (backoff.holds(tape), trail.seq) == (False, 2)
    assert list(backoff.reasons().values()) == ["that"]
    tape.unlink()
    assert backoff.reasons() == {}
    trail.close()


@pytest.mark.parametrize("name", ["x" * 200 + ".csv", "a\nb.csv", os.fsdecode(b"caf\xe9.csv")])
def test_a_name_that_cannot_be_kept_stays_where_it_is(name: str, config: PipelineConfig) -> None:
    _deliver(config, {name: GOOD, "z.csv": BAD})
    _work_off(config)
    assert [path.name for path in config.paths["inbox"].iterdir()] == [name]
    assert [path.name[66:] for path in config.paths["rejected"].glob("*.csv")] == ["z.csv"]
    unreadable = [one["details"] for one in verify(config.paths["audit"]).records if one["event"] == "tape_unreadable"]
    assert ["its name has" in one["reason"] for one in unreadable] == [True]


def test_a_large_tape_is_claimed_with_signs_of_life(config: PipelineConfig) -> None:
    signs: list[int] = []
    _deliver(config, {"1.csv": bytes(5 << 20)})
    with _opened(config, lambda: signs.append(1)) as inbox:
        assert inbox.claim(config.paths["inbox"] / "1.csv")
    assert len(signs) == -(-(5 << 20) // CHUNK_BYTES) > 1
