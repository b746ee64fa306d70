"""How long the rest takes: by earlier runs that went through all phases, and by nothing else."""

from pathlib import Path

import pytest

from cutover.journal.journal import Journal
from cutover.journal.rundir import RunDirs
from cutover.notify.escalation import Eta
from cutover.notify.listener import earlier_runs, eta, measured
from tests.timeline.runs import Tape, failing, rolled_back, success

# A run of `success`: phases of 1 s, two batches of three phases and 3 s of watching.
TWICE = [run for run in (measured(success().records),) if run]


def test_the_rest_is_counted_from_the_first_start_of_a_phase_by_the_median_of_runs_with_as_many_batches() -> None:
    assert [eta(TWICE, phase, 2) for phase in ("preflight", "staging", "shutdown", "validation")] == [
        Eta(15, 1), Eta(13, 1), Eta(12, 1), Eta(10, 1)
    ]  # fmt: skip
    slow = measured(success().wait(100).write("confirmed", hosts=[]).records)
    assert slow is not None
    assert eta([*TWICE, *TWICE, slow], "shutdown", 2) == Eta(12, 3)
    assert eta(TWICE, "preflight", 4) is None
    assert eta([], "preflight", 2) is None


@pytest.mark.parametrize("tape", [Tape().begin(["web1"]), failing(), rolled_back(), success().write("resumed", by="x")])
def test_a_run_that_did_not_go_through_measures_nothing(tape: Tape) -> None:
    assert measured(tape.records) is None


def kept(root: Path, name: str, tape: Tape) -> Path:
    """A run directory with the journal of a tape, its times kept."""
    times = iter([record.at for record in tape.records])
    journal = Journal(root / name / "journal.jsonl", lambda: next(times))
    for record in tape.records:
        journal.write(record.kind, **record.data)
    journal.close()
    return journal.path


def test_only_runs_of_service_and_environment_with_a_whole_journal_are_measured_by(tmp_path: Path) -> None:
    kept(tmp_path, "20260101T000000Z-a", success())
    kept(tmp_path, "20260102T000000Z-b", failing())
    altered = kept(tmp_path, "20260103T000000Z-c", success())
    altered.write_text(altered.read_text().replace("web1", "web9"))
    assert earlier_runs(RunDirs(tmp_path), "stage", "abaco") == TWICE
    assert earlier_runs(RunDirs(tmp_path), "prod", "abaco") == []
    assert earlier_runs(RunDirs(tmp_path), "stage", "another") == []
    assert earlier_runs(RunDirs(tmp_path / "none"), "stage", "abaco") == []
