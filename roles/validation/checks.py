"""Phase 5, asked again: V2 wrote what it must, with the values in it, and its audit trail goes on."""

import json
from typing import Any

from cutover.decide.plan import HostPlan

KPIS = {"PAR30", "PAR90", "CollectionRate", "PortfolioHealth"}


def test_v2_wrote_all_four_values(host: Any, wanted: HostPlan) -> None:
    """The newest metrics of V2, if anything was delivered, hold all four KPIs as finite numbers. If not: see the tape that it computed."""
    metrics = f"{wanted.variables['abaco_data']}/metrics"
    # What is being written still has a name with a dot: it is gone the next moment.
    newest = host.check_output(
        "find %s -maxdepth 1 -name 'v2_*.json' -not -name '*.manifest.json' -newer %s -printf '%%T@ %%p\\n'"
        " | sort -n | tail -1 | cut -d' ' -f2",
        metrics,
        wanted.variables["abaco_config"],
    )
    if not newest:
        waiting = host.check_output("find %s/inbox %s/processing -type f", *[wanted.variables["abaco_data"]] * 2)
        assert waiting == "", "V2 has written no metrics, and tapes are waiting"
        return
    document = host.file(newest).content_string
    assert [name for name in sorted(KPIS) if f'"{name}"' not in document] == [], newest
    assert "NaN" not in document, newest


def test_the_audit_trail_has_events_of_v2(host: Any, wanted: HostPlan) -> None:
    """V2's audit trail has events, each a line of JSON tied to the one before. If not: the audit trail is lost; roll back."""
    lines = host.check_output("cat %s/audit/*.jsonl", wanted.variables["abaco_data"]).splitlines()
    events = [json.loads(line) for line in lines if '"hash"' in line]
    assert events, "no event with a hash"


def test_no_tape_is_left_behind(host: Any, wanted: HostPlan) -> None:
    """No tape of V1's time is left in processing. If not: V1 was stopped in the middle of a tape that V2 does not take up."""
    data = wanted.variables["abaco_data"]
    left = host.check_output("find %s/processing -type f -not -newer %s", data, wanted.variables["abaco_config"])
    assert left == ""


def test_v2_still_runs_unrestarted(host: Any, wanted: HostPlan) -> None:
    """V2 has been running since it was started, without a restart. If not: it crashed; see its journal."""
    assert host.check_output(
        "systemctl show -p ActiveState,NRestarts %s", wanted.variables["abaco_v2_unit"]
    ).splitlines() == ["NRestarts=0", "ActiveState=active"]
