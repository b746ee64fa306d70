"""The audit trail: every way to tamper with it is found, a crash is survived and recorded."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from kpi.audit import GAP, HEAD, TORN, TRAIL, AuditTrail, record_hash, verify
from kpi.findings import UsageError
from tests.kpi.trails import write

_write = partial(write, segment_bytes=1024 * 1024)  # none is sealed


def _lines(directory: Path) -> list[str]:
    return (directory / TRAIL).read_text(encoding="utf-8").splitlines()


def _rewrite(directory: Path, lines: list[str]) -> None:
    (directory / TRAIL).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _edit(lines: list[str]) -> list[str]:
    return [line.replace('"number": 2', '"number": 9') for line in lines]


def _edit_with_a_new_hash(lines: list[str]) -> list[str]:
    record = json.loads(lines[2]) | {"status": "nicer"}
    record["hash"] = record_hash(record)
    return [*lines[:2], json.dumps(record), *lines[3:]]


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (_edit, "record 3 was edited"),
        (_edit_with_a_new_hash, "record 4 does not follow record 3"),
        (lambda lines: [*lines[:2], *lines[3:]], "record 4 does not follow record 2"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "record 3 does not follow record 1"),
        (lambda lines: lines[:-1], "the trail was cut"),
        (lambda _: [], "the trail was cut"),
        (lambda lines: [*lines[:2], "scribble", *lines[2:]], "is not a record"),
        (lambda lines: [*lines, lines[-1]], "record 5 does not follow record 5"),
    ],
)
def test_tampering_is_found(tmp_path: Path, tamper: Callable[[list[str]], list[str]], found: str) -> None:
    _write(tmp_path, 5)
    _rewrite(tmp_path, tamper(_lines(tmp_path)))
    assert any(found in problem.found for problem in verify(tmp_path).problems)


def test_a_missing_head_is_found(tmp_path: Path) -> None:
    _write(tmp_path, 5)
    (tmp_path / HEAD).unlink()
    assert [problem.where for problem in verify(tmp_path).problems] == [HEAD]


def test_a_cut_trail_stays_found_after_a_restart(tmp_path: Path) -> None:
    _write(tmp_path, 5)
    _rewrite(tmp_path, _lines(tmp_path)[:3])
    _write(tmp_path, 1)
    seen = verify(tmp_path)
    assert [record["event"] for record in seen.records][3] == GAP
    assert any("an earlier break" in problem.found for problem in seen.problems)


@pytest.mark.parametrize("cut", [1, 2, 40, 200])
def test_a_torn_line_is_tolerated_and_recorded(tmp_path: Path, cut: int) -> None:
    _write(tmp_path, 5)
    trail = tmp_path / TRAIL
    whole = trail.read_bytes()
    head = (tmp_path / HEAD).read_bytes()
    _write(tmp_path, 1)
    longer = trail.read_bytes()
    trail.write_bytes(longer[: max(len(whole) + 1, len(longer) - cut)])
    (tmp_path / HEAD).write_bytes(head)
    _write(tmp_path, 1)
    seen = verify(tmp_path)
    assert seen.problems == []
    events = [record["event"] for record in seen.records[5:]]
    assert events == (["something", "something"] if cut == 1 else [TORN, "something"])


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path, actor="test")
    with pytest.raises(UsageError) as error:
        AuditTrail(tmp_path, actor="test")
    trail.close()
    assert error.value.findings[0].code == "audit_locked"
