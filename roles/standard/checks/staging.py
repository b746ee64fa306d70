"""Phase 2, asked again: the release lies there as it was built, and the old release goes on."""

import json
from typing import Any

from cutover.plan.plan import HostPlan


def release(wanted: HostPlan) -> Any:
    """The step that brought the release; None where the service has no artifact."""
    return next((step for step in wanted.steps["staging"] if step.kind == "release"), None)


# Run on the host: a release's id as it says it and as its content gives it, what in it is not as it was built or unpacked,
# and the first of what can be written. Done there, since a release has thousands of files.
RELEASE = """
import hashlib, json, os, stat, sys
root = sys.argv[1]
def read(name):
    with open(os.path.join(root, name), "rb") as file:
        return file.read()
manifest = json.loads(read("manifest.json"))
content = {key: manifest[key] for key in ("name", "version", "python", "machine", "files")}
computed = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
listed = manifest["files"] | json.loads(read("byte_code.json"))
known, wrong, writable = {*listed, "manifest.json", "byte_code.json"}, [], []
for folder, folders, names in os.walk(root):
    for path in (folder, *(os.path.join(folder, name) for name in (*names, *folders))):
        mode, name = os.lstat(path).st_mode, os.path.relpath(path, root)
        if not stat.S_ISLNK(mode) and mode & 0o222:
            writable.append(name)
        if not stat.S_ISDIR(mode) and name not in known and "__pycache__" not in name.split("/"):
            wrong.append(name)
for name, said in listed.items():
    plain = os.path.isfile(os.path.join(root, name)) and not os.path.islink(os.path.join(root, name))
    if not plain or hashlib.sha256(read(name)).hexdigest() != said:
        wrong.append(name)
print(json.dumps({"id": manifest["id"], "computed": manifest["version"] + "-" + computed, "files": len(listed),
                  "wrong": sorted(wrong)[:10], "writable": sorted({*writable})[:10]}))
"""


def test_the_release_is_the_planned_one(host: Any, wanted: HostPlan) -> None:
    """Every file of the release is as it was built, and none can be written. If not: remove it there, and stage it again."""
    step = release(wanted)
    if step is None:
        return  # this service has no artifact
    seen = json.loads(host.check_output("python3 -I -S -c %s %s", RELEASE, step.args["path"]))
    assert (seen["id"], seen["computed"]) == (step.desired["id"], step.desired["id"]), seen
    assert seen["files"] > 0, seen
    assert seen["wrong"] == [], f"not as it was built: {', '.join(seen['wrong'])}"
    assert seen["writable"] == [], f"can be written: {', '.join(seen['writable'])}"


def test_current_is_still_the_old_release(host: Any, wanted: HostPlan) -> None:
    """What is in service is what was in service. If not: somebody switched the release in the meantime."""
    if wanted.service.current:
        assert host.run("readlink %s", wanted.service.current).stdout.strip() == wanted.facts["current"]["target"]


def test_old_unit_still_runs(host: Any, wanted: HostPlan) -> None:
    """The old unit went on running through the staging. If not: see its journal; it was not changed."""
    assert host.run("systemctl is-active --quiet %s", wanted.service.old.unit).succeeded
