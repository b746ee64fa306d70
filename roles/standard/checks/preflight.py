"""Phase 0, asked again and in another way: the old release is in service, from the planned files."""

import json
from typing import Any

from cutover.plan.plan import HostPlan


def test_old_unit_runs_and_is_enabled(host: Any, wanted: HostPlan) -> None:
    """The old unit runs and would come back after a reboot. If not: bring it into service before anything else."""
    unit = wanted.service.old.unit
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


def test_old_unit_works_from_the_files(host: Any, wanted: HostPlan) -> None:
    """The old unit was started with the planned files, where its command line names files at all, and its user can read them.

    If not: correct `files` in service.yml.
    """
    process, user = 'python3 -I -S -c %s "$(systemctl show -p MainPID --value %s)" %s', wanted.service.user
    for file in wanted.service.files:
        leads_to, named = json.loads(host.check_output(process, NAMED, wanted.service.old.unit, file.path))
        assert not named or leads_to in named, f"started with {', '.join(named)}, expected {file.path}"
        with host.sudo(user):
            readable = host.run("test -r %s", file.path)
        assert readable.succeeded, f"{user} cannot read {file.path}"


def test_new_unit_is_not_running(host: Any, wanted: HostPlan) -> None:
    """No process of the new unit runs. If not: roll back what another run left before a new cutover."""
    unit = wanted.service.new.unit
    assert host.check_output("systemctl show -p MainPID --value %s", unit) == "0", f"{unit} has a main process"


def test_files_are_as_planned_with(host: Any, wanted: HostPlan) -> None:
    """The files in service are byte for byte what was planned with. If not: somebody is at work on this host; plan again."""
    for file in wanted.service.files:
        assert host.file(file.path).sha256sum == wanted.facts[f"file-{file.name}"]["sha256"], file.path
