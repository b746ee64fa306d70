"""The runbook's order, and who may be named."""

import pytest

from cutover.plan.phases import COMMITTING, PHASES, PREPARING, ROLLBACK, phase_named


def test_six_phases_in_order_and_the_way_back() -> None:
    assert [(phase.number, phase.name) for phase in (*PHASES, ROLLBACK)] == [
        (0, "preflight"), (1, "backup"), (2, "staging"), (3, "shutdown"), (4, "activation"), (5, "validation"), (None, "rollback"),
    ]  # fmt: skip


def test_v1_is_touched_from_phase_3_on() -> None:
    assert [phase.number for phase in PREPARING] == [0, 1, 2]
    assert [phase.number for phase in COMMITTING] == [3, 4, 5]


def test_only_phases_that_lose_nothing_by_it_try_every_step() -> None:
    assert [phase.name for phase in (*PHASES, ROLLBACK) if phase.gathers] == ["preflight", "rollback"]


def test_a_phase_is_found_by_name_or_number() -> None:
    assert all(phase_named(phase.name) is phase_named(str(phase.number)) is phase for phase in PHASES)
    assert phase_named("rollback") is ROLLBACK
    for unknown in ("6", "None"):
        with pytest.raises(KeyError):
            phase_named(unknown)


def test_each_says_what_it_proves_and_what_a_no_means() -> None:
    assert all(phase.proves and phase.on_no and phase.title for phase in (*PHASES, ROLLBACK))
    assert (PHASES[3].label, ROLLBACK.label) == ("3 Graceful shutdown", "Rollback")
