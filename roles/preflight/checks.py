"""Phase 0, asked again and in another way: V1 is in service on a host that a cutover can be done on."""

import json
from typing import Any

from cutover.plan.plan import HostPlan


def test_v1_runs_and_is_enabled(host: Any, wanted: HostPlan) -> None:
    """V1 runs and would come back after a reboot. If not: bring V1 into service before anything else."""
    unit = wanted.variables["abaco_v1_unit"]
    shown = host.check_output("systemctl show -p ActiveState,SubState,UnitFileState,MainPID %s", unit)
    state = dict(line.split("=", 1) for line in shown.splitlines())
    assert (state["ActiveState"], state["SubState"], state["UnitFileState"]) == ("active", "running", "enabled"), state
    assert host.file(f"/proc/{state['MainPID']}/stat").exists, f"main process {state['MainPID']} is not there"


# Run on the host: where the config leads to, and the config files that a process names on its command line, as what they lead to.
NAMED = """
import json, os, pathlib, sys
process, wanted = pathlib.Path("/proc", sys.argv[1]), os.path.realpath(sys.argv[2])
words = [word.split("=", 1)[-1] for word in (process / "cmdline").read_bytes().decode(errors="replace").split(chr(0))[1:]]
here = os.readlink(process / "cwd")
paths = {os.path.realpath(os.path.join(here, word)) for word in words if word}
kinds = (".yml", ".yaml", ".json", ".toml", ".ini", ".conf", ".cfg")
print(json.dumps([wanted, sorted(path for path in paths if path == wanted or path.endswith(kinds))]))
"""


def test_v1_works_from_the_config(host: Any, wanted: HostPlan) -> None:
    """V1 was started with abaco_config, where its command line names a config at all, and can read it. If not: set abaco_config."""
    config, user = wanted.variables["abaco_config"], wanted.variables["abaco_user"]
    process = 'python3 -I -S -c %s "$(systemctl show -p MainPID --value %s)" %s'
    leads_to, named = json.loads(host.check_output(process, NAMED, wanted.variables["abaco_v1_unit"], config))
    assert not named or leads_to in named, f"V1 was started with {', '.join(named)}, and abaco_config is {config}"
    assert host.run("setpriv --reuid=%s --regid=%s --clear-groups test -r %s", user, user, config).succeeded, (
        f"{user} cannot read {config}"
    )


def test_v2_is_not_running(host: Any, wanted: HostPlan) -> None:
    """No process of V2 runs. If not: roll the other V2 back before a new cutover."""
    unit = wanted.variables["abaco_v2_unit"]
    assert host.check_output("systemctl show -p MainPID --value %s", unit) == "0", f"{unit} has a main process"


def test_nothing_was_changed(host: Any, wanted: HostPlan) -> None:
    """V1's config is byte for byte what was planned with. If not: somebody is at work on this host; plan again."""
    config = host.file(wanted.variables["abaco_config"])
    assert config.sha256sum == wanted.facts["config"]["sha256"]


def test_the_lease_is_ours(host: Any, wanted: HostPlan) -> None:
    """The host is held by a run, under a fencing token. If not: another run took it; see `./invokew status`."""
    lease = json.loads(host.file(f"{wanted.variables['cutover_state_dir']}/lease.json").content_string)
    assert lease["token"] >= 1, lease
    assert lease["run"], lease
