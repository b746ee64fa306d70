"""Phase 5, asked again: the new unit is in service, and has been since it was started."""

from typing import Any

from cutover.plan.plan import HostPlan


def test_new_unit_still_runs_unrestarted(host: Any, wanted: HostPlan) -> None:
    """The new unit has been running since it was started, without a restart. If not: it crashed; see its journal."""
    shown = host.check_output("systemctl show -p ActiveState,NRestarts %s", wanted.service.new.unit)
    assert sorted(shown.splitlines()) == ["ActiveState=active", "NRestarts=0"]
