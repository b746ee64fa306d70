"""Phase 1, asked again: the backup is there, whole, read-only, V1's and not V2's. Computed on the host with sha256sum."""

import json
from typing import Any

from cutover.decide.plan import HostPlan


def place(wanted: HostPlan) -> str:
    """The directory of this run's backup, as its own step names it."""
    return str(next(step.args["directory"] for step in wanted.steps["backup"] if step.id == "backup.snapshot"))


def manifest(host: Any, directory: str) -> dict[str, Any]:
    """The manifest in a snapshot directory."""
    document: dict[str, Any] = json.loads(host.file(f"{directory}/manifest.json").content_string)
    return document


def listed(document: dict[str, Any]) -> dict[str, str]:
    """Every file that a manifest names, with its digest."""
    files = {entry["as"]: entry["sha256"] for entry in document["entries"].values() if "sha256" in entry}
    for entry in document["entries"].values():
        files |= {
            f"{entry['as']}/{name}": file["sha256"] for name, file in entry.get("files", {}).items() if "sha256" in file
        }
    return files


def test_every_file_has_its_digest(host: Any, wanted: HostPlan) -> None:
    """Every file of the backup has the digest in the manifest. If not: this backup is no way back; prepare again."""
    directory = place(wanted)
    files = listed(manifest(host, directory))
    assert files, "the manifest names no file"
    lines = host.check_output("cd %s && find . -type f -exec sha256sum {} +", directory).splitlines()
    found = {path.removeprefix("./"): digest for digest, path in (line.split("  ", 1) for line in lines)}
    assert found.keys() - {"manifest.json"} == files.keys()
    assert [name for name, digest in files.items() if found[name] != digest] == []


def test_the_config_is_v1s(host: Any, wanted: HostPlan) -> None:
    """The backup holds the config that V1 runs from, and it is not V2's. If not: V2 was there before the backup."""
    saved = manifest(host, place(wanted))["entries"]["config"]["sha256"]
    planned = next(step.content for step in wanted.steps["activation"] if step.id == "activation.config")
    assert saved == host.file(wanted.variables["abaco_config"]).sha256sum
    assert saved != planned


def test_the_backup_is_read_only(host: Any, wanted: HostPlan) -> None:
    """Nothing in the backup can be written. If not: somebody changed its modes; find out who."""
    writable = host.check_output("find %s -perm /222 -not -type l", place(wanted))
    assert writable == ""


def test_v1_still_runs(host: Any, wanted: HostPlan) -> None:
    """V1 went on running through the backup. If not: see its journal; nothing of it was changed."""
    unit = wanted.variables["abaco_v1_unit"]
    assert host.run("systemctl is-active --quiet %s", unit).succeeded
