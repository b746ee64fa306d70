"""Phase 4, asked again: V2's unit takes away from its process what that does not need."""

import re
from typing import Any

from cutover.plan.plan import HostPlan

MOST = 1.5  # of systemd-analyze's 0.0 (sealed off) to 10.0 (may do everything)


def test_the_unit_is_exposed_little(host: Any, wanted: HostPlan) -> None:
    """V2's unit has an exposure of at most 1.5 by `systemd-analyze security`. If not: a drop-in gives it more (systemctl cat)."""
    said = host.check_output("systemd-analyze security --no-pager %s", wanted.service.new.unit)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+) ", said)
    assert found, said[-500:]
    assert float(found[1]) <= MOST, f"exposure {found[1]}, expected at most {MOST}"
