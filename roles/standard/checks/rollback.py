"""The way back, asked again: the old release is in service as it was, the new one has ended, and what it wrote is kept."""

import json
from typing import Any

import pytest

from cutover.agent.state_dir import revert_unit
from cutover.plan.plan import HostPlan


def place(wanted: HostPlan) -> str:
    """The directory of this run's backup."""
    return str(next(step.args["directory"] for step in wanted.steps["backup"] if step.id == "backup.snapshot"))


def test_old_unit_runs_and_is_enabled(host: Any, wanted: HostPlan) -> None:
    """The old unit runs and would come back after a reboot. If not: systemctl enable --now, then see its journal."""
    shown = host.check_output("systemctl show -p ActiveState,SubState,UnitFileState %s", wanted.service.old.unit)
    state = dict(line.split("=", 1) for line in shown.splitlines())
    assert state == {"ActiveState": "active", "SubState": "running", "UnitFileState": "enabled"}


def test_new_unit_has_ended(host: Any, wanted: HostPlan) -> None:
    """The new unit has no process and would not come back. If not: systemctl disable --now of the unit."""
    shown = host.check_output("systemctl show -p LoadState,MainPID,UnitFileState %s", wanted.service.new.unit)
    state = dict(line.split("=", 1) for line in shown.splitlines())
    assert state["MainPID"] == "0", state
    assert state["LoadState"] == "not-found" or state["UnitFileState"] == "disabled", state


def test_files_are_the_old_releases(host: Any, wanted: HostPlan) -> None:
    """The files, and the link to the release, are what they were before the cutover. If not: copy them from the run's backup by hand."""
    for file in wanted.service.files:
        assert host.file(file.path).sha256sum == wanted.facts[f"file-{file.name}"]["sha256"], file.path
    if wanted.service.current:
        assert host.check_output("readlink %s", wanted.service.current) == wanted.facts["current"]["target"]


# Run on the host: which files of a tree in a snapshot are missing, or are others than they were and not written since a time.
LOST = """
import hashlib, json, os, pathlib, stat, sys
manifest, tree, since = json.loads(pathlib.Path(sys.argv[1]).read_bytes()), pathlib.Path(sys.argv[2]), float(sys.argv[3])
def lost(path, kept):
    if not kept.keys() & {"sha256", "link"}:
        return ""  # a directory
    if not (path.is_symlink() or path.exists()):
        return "missing"
    if "sha256" not in kept or path.lstat().st_mtime >= since:
        return ""
    if path.is_symlink():
        return "a link"
    here = os.open(tree, os.O_PATH)
    for name in path.relative_to(tree).parts:  # no link is followed, and nothing is opened before it is known to be a file
        above, here = here, os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=here)
        os.close(above)
    seen, content = os.fstat(here), b""
    if stat.S_ISREG(seen.st_mode) and seen.st_size == kept["size"]:
        with open(f"/proc/self/fd/{here}", "rb") as file:
            content = file.read(kept["size"])
    os.close(here)
    return "" if hashlib.sha256(content).hexdigest() == kept["sha256"] else "another than it was"
files = manifest["entries"][sys.argv[4]]["files"]
print(json.dumps([f"{name}: {why}" for name, kept in sorted(files.items()) if (why := lost(tree / name, kept))][:10]))
"""


def test_the_state_is_there(host: Any, wanted: HostPlan) -> None:
    """The old release's last state is in place byte for byte, but for what it has written since. If not: the backup's final/ has it."""
    last = host.file(f"{place(wanted)}/final/manifest.json")
    if not last.exists:
        return  # the old unit was never proven stopped; the step itself fails where the new one was begun all the same
    asked = "systemctl show --timestamp=unix -p ExecMainStartTimestamp --value %s"
    since = host.check_output(asked, wanted.service.old.unit).removeprefix("@") or "inf"
    if not host.file(f"{place(wanted)}/.restored/final").exists:  # it ran already, and its state was left as it is
        since = "0"
    for entry in wanted.service.state:
        if entry.on_rollback == "restore":
            lost = json.loads(
                host.check_output("python3 -I -c %s %s %s %s %s", LOST, last.path, entry.path, since, entry.name)
            )
            assert lost == [], lost


@pytest.mark.warn  # the step itself fails where it failed; where the old release has written since, nothing can be done any more
def test_what_the_new_release_wrote_is_kept(host: Any, wanted: HostPlan) -> None:
    """What the new release wrote lies beside the backup, with its manifest. If not: look into its directories before more is written."""
    assert host.file(f"{place(wanted)}/new_kept/manifest.json").is_file


def test_the_host_is_not_reverting(host: Any, wanted: HostPlan) -> None:
    """The host's own revert is not at work. If not: it acts a second time; wait for it, then see `./invokew status`."""
    service = f"{revert_unit(wanted.variables['cutover_state_dir'])}.service"
    assert host.check_output("systemctl show -P ActiveState %s", service) in ("inactive", "failed")
