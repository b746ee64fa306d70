"""Phase 1, asked again: the backup is there, whole, read-only, the old release's. Computed on the host with sha256sum."""

import json
from typing import Any

import pytest

from cutover.plan.plan import HostPlan


def place(wanted: HostPlan) -> str:
    """The directory of this run's backup, as its own step names it."""
    return str(next(step.args["directory"] for step in wanted.steps["backup"] if step.id == "backup.snapshot"))


def manifest(host: Any, directory: str) -> dict[str, Any]:
    """The manifest in a snapshot directory."""
    document: dict[str, Any] = json.loads(host.file(f"{directory}/manifest.json").content_string)
    return document


def listed(document: dict[str, Any]) -> dict[str, str]:
    """Every file that a manifest names, with its digest; the file of an entry that is one has no name within it."""
    return {
        f"{entry['as']}/{name}".rstrip("/"): item["sha256"]
        for entry in document["entries"].values()
        for name, item in entry.get("files", {}).items()
        if "sha256" in item
    }


def others_in(host: Any, directory: str, document: dict[str, Any]) -> list[str]:
    """Other snapshots of the run that lie in this one (each has a manifest of its own), and what the engine notes beside them."""
    ours = {entry["as"].split("/")[0] for entry in document["entries"].values()}
    nested = host.check_output("cd %s && find . -mindepth 2 -maxdepth 2 -name manifest.json -printf '%%P\n'", directory)
    hidden = host.check_output("cd %s && find . -mindepth 1 -maxdepth 1 -type d -name '.*' -printf '%%P\n'", directory)
    return sorted({path.split("/")[0] for path in (nested + "\n" + hidden).split("\n") if path} - ours)


def test_every_file_has_its_digest(host: Any, wanted: HostPlan) -> None:
    """Every file of the backup has the digest in the manifest. If not: this backup cannot be restored; prepare again."""
    directory = place(wanted)
    document = manifest(host, directory)
    files, others = listed(document), others_in(host, directory, document)
    assert files, "the manifest names no file"
    find = f"cd %s && find . {'-path %s -prune -o ' * len(others)}-type f -exec sha256sum {{}} +"
    lines = host.check_output(find, directory, *(f"./{name}" for name in others)).splitlines()
    found = {path.removeprefix("./"): digest for digest, path in (line.split("  ", 1) for line in lines)}
    assert found.keys() - {"manifest.json"} == files.keys()
    assert [name for name, digest in files.items() if found[name] != digest] == []


def test_the_files_are_the_old_releases(host: Any, wanted: HostPlan) -> None:
    """The backup holds the files that were in service at planning, and not the new release's.

    If not: the new release's files were in place before the backup.
    """
    entries = manifest(host, place(wanted))["entries"]
    brought = {step.args["path"]: step.content for step in wanted.steps["activation"] if step.content}
    for file in wanted.service.files:
        saved = entries[file.name]["files"][""]["sha256"]
        assert saved == wanted.facts[f"file-{file.name}"]["sha256"], file.path
        assert saved != brought[file.path], file.path


def test_the_backup_is_read_only(host: Any, wanted: HostPlan) -> None:
    """Nothing in the backup can be written. If not: somebody changed its modes; find out who."""
    directory = place(wanted)
    asked = "find %s -path %s -prune -o -perm /222 -not -type l -print"
    writable = host.check_output(asked, directory, f"{directory}/.restored")
    assert writable == "", f"can be written: {', '.join(writable.splitlines()[:10])}"


@pytest.mark.warn  # what is never copied is not what a release needs to come back; whoever put it there knows better
def test_nothing_was_left_out(host: Any, wanted: HostPlan) -> None:
    """The backup holds all that is in its directories. If not: a rollback does not bring back what is named; see whether it is needed."""
    left = manifest(host, place(wanted))["left_out"]
    assert left == [], f"sockets, FIFOs, devices and hard links to files of others are never copied: {', '.join(left)}"


def test_old_unit_still_runs(host: Any, wanted: HostPlan) -> None:
    """The old unit ran on through the backup, unless phase 3 has stopped it since. If not: see its journal; it was not changed."""
    if not host.file(f"{place(wanted)}/final/manifest.json").exists:
        assert host.run("systemctl is-active --quiet %s", wanted.service.old.unit).succeeded
