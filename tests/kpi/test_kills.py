"""kill -9 at random moments under a stream of tapes: each tape in done exactly once, its outputs right, the chain whole.

KPI_TEST_KILLS sets how many kills (default 8), KPI_TEST_SEED repeats a run; the seed is printed.
"""

import os
import random
import secrets
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from kpi.config import PipelineConfig
from tests.kpi.conftest import SMALL_SEGMENTS, V1, altered_code, free_port, kpi_command, v1_config, write_config
from tests.kpi.killing import (
    Storm,
    assert_each_exactly_once,
    assert_nothing_left_over,
    assert_outputs,
    assert_trail,
    recorded_outputs,
)

pytestmark = pytest.mark.process

KILLS = int(os.environ.get("KPI_TEST_KILLS", "8"))


@pytest.fixture
def dice() -> random.Random:
    seed = int(os.environ.get("KPI_TEST_SEED", secrets.randbits(32)))
    print(f"KPI_TEST_SEED={seed} KPI_TEST_KILLS={KILLS}")  # noqa: T201 - pytest shows it when the test fails
    return random.Random(seed)  # noqa: S311 - a repeatable test


def _done(config: PipelineConfig) -> list[str]:
    return [path.name.partition("__")[0] for path in config.paths["done"].iterdir() if path.is_file()]


def test_a_service_that_is_killed_loses_and_doubles_nothing(tmp_path: Path, dice: random.Random) -> None:
    # With segments so small that kills meet their rotation too.
    code, root = altered_code(tmp_path, replaced=SMALL_SEGMENTS), tmp_path / "root"
    command = kpi_command("serve", "--config", str(write_config(root)))
    storm = Storm(root, dice)
    with storm.stream():
        for _ in range(KILLS):
            storm.kill(command, "ready", code)
    storm.drain(command, "ready", code)
    config = PipelineConfig.load(root / "pipeline.yml")
    count = assert_each_exactly_once(config)
    assert_outputs(config, _done(config))
    events = Counter(record["event"] for record in assert_trail(config))
    assert_nothing_left_over(config)
    assert events["run_completed"] >= count
    assert events["segment_opened"] > 0
    assert sum(storm.kills.values()) == KILLS
    print(f"{KILLS} kills {dict(storm.kills)}, {count} tapes, {dict(events)}")  # noqa: T201 - the outcome, with -s


def test_v1_v2_and_v1_again_under_kills_share_the_tapes_without_loss(tmp_path: Path, dice: random.Random) -> None:
    code, root = altered_code(tmp_path, replaced=SMALL_SEGMENTS), tmp_path / "root"
    v2 = kpi_command("serve", "--config", str(write_config(root)))
    v1 = [v2[0], str(V1 / "pipeline_v1.py"), "--config", str(v1_config(root, free_port()))]
    config = PipelineConfig.load(root / "pipeline.yml")
    stages: list[tuple[list[str], str, Path, Callable[[], object]]] = [
        (v1, "started", root, lambda: list((root / "metrics").glob("v1_*.json"))),
        (v2, "ready", code, lambda: recorded_outputs(config)),
        (v1, "started", root, lambda: True),
    ]
    storm = Storm(root, dice)
    with storm.stream():
        for command, ready, cwd, has_done_a_tape in stages:
            for _ in range(max(2, KILLS // 5)):
                storm.kill(command, ready, cwd)
            # On a slow machine each kill could come before the first tape was done.
            storm.kill(command, ready, cwd, after=has_done_a_tape)
    storm.drain(v1, "started", root)
    assert_each_exactly_once(config)
    assert_trail(config)
    done = set(_done(config))
    begun_by_v2 = {digest for digest in done if (root / "metrics" / f"v2_{digest[:16]}.manifest.json").exists()}
    by_v1 = {digest for digest in done if (root / "metrics" / f"v1_{digest[:16]}.json").exists()}
    by_v2 = begun_by_v2 & set(recorded_outputs(config))
    assert_outputs(config, by_v2)
    assert by_v1
    assert by_v2
    # Killed between its outputs and their record, V2 leaves outputs of a tape that it has not done: V1 has done it then.
    assert begun_by_v2 - by_v2 <= by_v1
    assert by_v1 | by_v2 == done
