"""The plan: a frozen value whose fingerprint covers everything in it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from cutover.core.errors import UsageError
from cutover.core.step import Step
from cutover.plan.plan import Change, FileDiff, HostPlan, Plan, PlannedFile, ReleasePlan, ServicePlan, batches, load
from tests.full_disk import full
from tests.toy import toy

TOY = toy(  # what it leaves out is read back as well
    files=[{"name": "app", "path": "/etc/app.conf", "template": "app.conf.j2"}],
    state=[{"name": "data", "path": "/var/lib/app", "on_rollback": "keep"}],
)


def a_plan() -> Plan:
    step = Step(
        id="backup.place",
        kind="directory",
        words="make it",
        args={"path": "/x"},
        desired={"mode": "0700"},
        needs=("a",),
    )
    host = HostPlan(
        service=TOY, name="web1", address="198.18.0.1", variables={"abaco_data": "/var/lib/abaco"},
        facts={"host": {"python": "3.11.2", "odd": [None, 1e300, 0.1, "é\u2028"]}},
        steps={"backup": (step,)}, changes=(Change(step="backup.place", differences=("mode is unknown",)),),
        diffs=(FileDiff(path="/etc/x", against="nothing", lines="+x", keys=("k",)),),
    )  # fmt: skip
    return Plan(
        service=ServicePlan(name="toy", title="Toy", old="V1", new="V2"),
        run="20260102T030405Z-abc123", stamp="20260102T030405Z", created_at="2026-01-02T03:04:05.000Z", created_by="me@here",
        environment="lab",
        pattern="lab", batches=(("web1",),), release=ReleasePlan(id="r1", sha256="0" * 64, artifact="r1.tar.gz", size=1),
        hosts={"web1": host},
        files={"0" * 64: PlannedFile(text="x", masked=False)},
    )  # fmt: skip


def leaves(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in a document."""
    if isinstance(document, dict) and document:
        for key, value in document.items():
            yield from leaves(value, (*path, key))
    elif isinstance(document, list) and document:
        for number, value in enumerate(document):
            yield from leaves(value, (*path, number))
    else:
        yield path


LEAVES = sorted(map(str, leaves(a_plan().model_dump(mode="json"))))


def edited(document: Any, path: tuple[Any, ...]) -> None:
    """Change one value a little, keeping its type."""
    place = document
    for key in path[:-1]:
        place = place[key]
    value = place[path[-1]]
    if isinstance(value, bool):
        place[path[-1]] = not value
    elif isinstance(value, int):
        place[path[-1]] = value + 1
    elif value == "FAIL":
        place[path[-1]] = "WARN"
    else:
        place[path[-1]] = f"{value}x"


def test_a_plan_is_read_back_as_it_was_saved(tmp_path: Path) -> None:
    plan = a_plan()
    plan.save(tmp_path / "plan.json")
    assert load(tmp_path / "plan.json") == plan
    assert load(tmp_path / "plan.json").fingerprint == plan.fingerprint
    assert (tmp_path / "plan.json").stat().st_mode & 0o777 == 0o400


def test_a_plan_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    a_plan().save(path)
    before = path.stat().st_ino
    a_plan().save(path)  # the same again is no harm
    with pytest.raises(UsageError, match="another plan is there"):
        a_plan().model_copy(update={"environment": "production"}).save(path)
    assert (load(path), path.stat().st_ino) == (a_plan(), before)
    assert [each.name for each in tmp_path.iterdir()] == ["plan.json"]


def test_half_a_plan_is_never_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        a_plan().save(tmp_path / "plan.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("leaf", LEAVES)
def test_the_fingerprint_covers_every_value_and_an_edited_plan_is_refused(tmp_path: Path, leaf: str) -> None:
    path = tmp_path / "plan.json"
    a_plan().save(path)
    document = json.loads(path.read_text())
    edited(document, next(way for way in leaves(a_plan().model_dump(mode="json")) if str(way) == leaf))
    path.chmod(0o600)
    path.write_text(json.dumps(document))
    with pytest.raises(UsageError) as refused:
        load(path)
    assert refused.value.problems[0].path == str(path)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "5", "null", "{}", '{"fingerprint": "x"}', '{"fingerprint": "x", "more": 1}', "\x00"]
)
def test_what_is_no_plan_or_not_there_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "plan.json").write_text(content)
    for name in ("plan.json", "none.json"):
        with pytest.raises(UsageError, match="not a plan"):
            load(tmp_path / name)


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    a_plan().save(tmp_path / "plan.json")
    document = json.loads((tmp_path / "plan.json").read_text()) | {"more": 1}
    (tmp_path / "other.json").write_text(json.dumps(document))
    with pytest.raises(UsageError, match="more"):
        load(tmp_path / "other.json")


@pytest.mark.parametrize(
    ("total", "serial", "sizes"),
    [
        (1, "1,100%", [1]), (3, "1,100%", [1, 2]), (10, "1,50%,100%", [1, 5, 4]), (10, "3", [3, 3, 3, 1]), (10, "1,2", [1, 2, 2, 2, 2, 1]),
        (3, "10%", [1, 1, 1]), (5, "50%", [2, 2, 1]), (0, "1", []), (2, "100", [2]), (7, " 1 , 30% ", [1, 2, 2, 2]),
    ],
)  # fmt: skip
def test_batches_are_as_ansibles_serial(total: int, serial: str, sizes: list[int]) -> None:
    assert [len(batch) for batch in batches([f"h{n}" for n in range(total)], serial)] == sizes


SIZES = some.one_of(some.integers(1, 200).map(str), some.integers(1, 100).map("{}%".format))


@given(some.integers(0, 200), some.lists(SIZES, min_size=1, max_size=4).map(",".join))
def test_every_host_is_in_one_batch_in_order(total: int, serial: str) -> None:
    hosts = [f"h{n}" for n in range(total)]
    split = batches(hosts, serial)
    assert [host for batch in split for host in batch] == hosts
    assert all(split)


@pytest.mark.parametrize("serial", ["", "0", "-1", "0%", "101%", "1.5", "half", "1,,2", "%", "²", "1%%", "1 2"])
def test_a_serial_that_means_nothing_is_refused(serial: str) -> None:
    with pytest.raises(UsageError, match="1,50%,100%"):
        batches(["a", "b"], serial)
