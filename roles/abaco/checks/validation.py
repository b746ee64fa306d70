"""Phase 5, asked again: V2 wrote what it must, with the values in it, and its audit trail goes on.

What the service's user can write is read as that user: root would follow its links.
"""

import json
import math
from itertools import pairwise
from typing import Any

import pytest

from cutover.plan.plan import HostPlan

KPIS = ("PAR30", "PAR90", "CollectionRate", "PortfolioHealth")

# Run on the host: status and values of the newest tapes that V2 has computed since its config was put in place, newest first.
METRICS = """
import json, pathlib, sys
metrics, since = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).stat().st_mtime
aged = [(path.stat().st_mtime, path) for path in metrics.glob("v2_*.json") if not path.name.endswith(".manifest.json")]
newest = [path for age, path in sorted(aged, reverse=True) if age > since][:20]
documents = {path.name: json.loads(path.read_bytes()) for path in newest}
values = lambda document: {name: kpi.get("value") for name, kpi in document["kpis"].items()}
print(json.dumps({name: [document["status"], values(document)] for name, document in documents.items()}))
"""

# Run on the host: the values of real tapes that V2 has run to their end since its config was put in place, by its audit trail, newest
# first. Real is what lies in done/: a tape that was delivered, or the one of V1's of which the validation sends a copy as a canary.
REAL = """
import json, os, pathlib, sys
from datetime import datetime, timezone
data, since = pathlib.Path(sys.argv[1]), os.stat(sys.argv[2]).st_mtime
since = datetime.fromtimestamp(since, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
tapes = {name.partition("__")[0]: name.partition("__")[2] for name in os.listdir(data / "done") if "__" in name}
values, ended = {}, {}
trail = [*sorted((data / "audit").glob("trail-*.jsonl"))[-1:], data / "audit/trail.jsonl"]
for line in b"\\n".join(part.read_bytes() for part in trail if part.is_file()).split(b"\\n"):
    try:
        record = json.loads(line)
    except ValueError:
        continue  # the check of the trail says what is wrong with it
    about = record["details"]
    if record["at"] >= since and record["event"] == "kpi_calculated":
        values.setdefault(about["sha256"], {})[about["kpi"]] = about["value"]
    if record["at"] >= since and record["event"] == "run_completed" and about["sha256"] in tapes:
        ended.pop(about["sha256"], None)
        ended[about["sha256"]] = tapes[about["sha256"]]
print(json.dumps([[name, values.get(key, {})] for key, name in reversed(ended.items())]))
"""

# Run on the host: the tapes that stay in a directory while we look, for up to 5 s. A tape at work is gone the next moment,
# and what comes in meanwhile does not count.
STAYING = """
import os, sys, time
tapes = lambda: {name for name in os.listdir(sys.argv[1]) if not name.startswith(".")}
staying, end = tapes(), time.monotonic() + 5
while staying and time.monotonic() < end:
    time.sleep(0.2)
    staying &= tapes()
print("\\n".join(sorted(staying)))
"""


def test_v2_wrote_all_four_values(host: Any, wanted: HostPlan) -> None:
    """The newest tape that V2 accepted, if any came, has all four KPIs as finite numbers. If not: see that tape, or why it took none."""
    data = wanted.variables["abaco_data"]
    with host.sudo(wanted.service.user):
        said = host.check_output(
            "python3 -I -S -c %s %s %s", METRICS, f"{data}/metrics", wanted.variables["abaco_config"]
        )
    computed: dict[str, tuple[str, dict[str, object]]] = json.loads(said)
    if not computed:
        waiting = staying_in(host, wanted, "inbox")
        assert waiting == "", f"V2 has written no metrics, and tapes are waiting: {waiting}"
        for name, values in real_tapes(host, wanted):
            wrong = {kpi: values.get(kpi) for kpi in KPIS if not is_finite(values.get(kpi))}
            assert wrong == {}, f"the copy of {name} has no finite number for {wrong}"
        return
    accepted = [name for name, (status, _values) in computed.items() if status == "ok"]
    assert accepted, f"V2 has accepted none of its newest tapes: {', '.join(computed)}"
    newest = accepted[0]
    values = {name: computed[newest][1].get(name) for name in KPIS}
    wrong = {name: value for name, value in values.items() if not is_finite(value)}
    assert wrong == {}, f"{newest} has no finite number for {wrong}"


@pytest.mark.warn  # a quiet host without a tape of V1's does not fail V2, but the operator must see that nothing real was checked
def test_v2_has_computed_a_real_tape(host: Any, wanted: HostPlan) -> None:
    """V2 has run a real tape, delivered or a copy of V1's. If not: see that tapes are delivered; `./invokew validate --hosts NAME`."""
    data = wanted.variables["abaco_data"]
    assert real_tapes(host, wanted), f"V2 has computed no tape of {data}/done since its config was put in place"


def real_tapes(host: Any, wanted: HostPlan) -> list[tuple[str, dict[str, object]]]:
    """Name and values of the real tapes that V2 has computed since it was put in place, newest first."""
    data, config = wanted.variables["abaco_data"], wanted.variables["abaco_config"]
    with host.sudo(wanted.service.user):
        found = json.loads(host.check_output("python3 -I -S -c %s %s %s", REAL, data, config))
    return [(name, values) for name, values in found]


def is_finite(value: object) -> bool:
    """Whether a value of a JSON document is a number that can be reckoned with: not null, not NaN, not true."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def test_the_audit_trail_has_events_of_v2(host: Any, wanted: HostPlan) -> None:
    """The audit trail's last records follow each other, and V2 has added some. If not: the audit trail was cut or edited; roll back."""
    trail = f"{wanted.variables['abaco_data']}/audit/trail.jsonl"
    with host.sudo(wanted.service.user):
        lines = host.check_output("tail -n 50 %s", trail).split("\n")  # not splitlines: a name may hold U+2028
    records = [record for record in map(parsed, lines) if record is not None]
    assert records, f"{trail} has no record"
    loose = [
        f"record {record['seq']} does not follow record {before['seq']}"
        for before, record in pairwise(records)
        if record["seq"] != before["seq"] + 1 or record["prev"] != before["hash"]
    ]
    assert loose == [], f"{trail}: {loose}"
    since = host.check_output("date -u -r %s +%%Y-%%m-%%dT%%H:%%M:%%S", wanted.variables["abaco_config"])
    assert records[-1]["at"] >= since, f"the last record is of {records[-1]['at']}, the config of {since}"


def parsed(line: str) -> Any:
    """A record of the trail, or None for a line that a crash tore: the records around it are tied to each other all the same."""
    try:
        return json.loads(line)
    except ValueError:
        return None


def test_no_tape_is_left_behind(host: Any, wanted: HostPlan) -> None:
    """No tape stays in processing. If not: V1 was stopped in the middle of a tape that V2 does not take up, or V2 hangs on it."""
    staying = staying_in(host, wanted, "processing")
    assert staying == "", f"in processing for 5 s: {staying}"


def staying_in(host: Any, wanted: HostPlan, directory: str) -> str:
    """The tapes that stay in a directory of the service, a line each."""
    with host.sudo(wanted.service.user):
        return str(
            host.check_output("python3 -I -S -c %s %s", STAYING, f"{wanted.variables['abaco_data']}/{directory}")
        )
