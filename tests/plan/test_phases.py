"""The runbook's order, and who may be named."""

import pytest

from cutover.plan.phases import COMMITTING, PHASES, PREPARING, ROLLBACK, phase_named


def test_six_phases_in_order_and_the_way_back() -> None:
    assert [(phase.number, phase.name) for phase in (*PHASES, ROLLBACK)] == [
        (0, "preflight"), (1, "backup"), (2, "staging"), (3, "shutdown"), (4, "activation"), (5, "validation"), (None, "rollback"),
    ]  # fmt: skip
    assert ([phase.number for phase in PREPARING], [phase.number for phase in COMMITTING]) == ([0, 1, 2], [3, 4, 5])
    assert [phase.name for phase in (*PHASES, ROLLBACK) if phase.gathers] == ["preflight", "rollback"]


def test_a_phase_is_found_by_name_or_number() -> None:
    assert all(phase_named(phase.name) is phase_named(str(phase.number)) is phase for phase in PHASES)
    assert phase_named("rollback") is ROLLBACK
    for unknown in ("6", "None"):
        with pytest.raises(KeyError):
            phase_named(unknown)
