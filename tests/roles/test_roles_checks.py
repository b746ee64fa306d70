"""Checks of roles, asked of this machine over a backup of a run that went on: a cutover, and the way back."""

import hashlib
import json
import os
import subprocess
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from cutover.plan.plan import HostPlan
from roles.standard.checks import backup, preflight, rollback, shutdown, staging
from tests.toy import toy, toy_plan, toy_step

RUN = "20260102T030405Z-abc123"


def snapshot(place: Path, tree: str, **files: str) -> None:
    """A snapshot of one tree, with its manifest."""
    digests = {
        name: {"sha256": hashlib.sha256(text.encode()).hexdigest(), "size": len(text)} for name, text in files.items()
    }
    (place / tree).mkdir(parents=True)
    for name, text in files.items():
        (place / tree / name).write_text(text)
    entries = {"metrics": {"as": tree, "files": digests}}
    (place / "manifest.json").write_text(json.dumps({"entries": entries}))


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What systemctl says on this machine: the text of a file."""
    (tmp_path / "bin").mkdir()
    said = tmp_path / "said"
    (tmp_path / "bin/systemctl").write_text(f"#!/bin/sh\nexec cat {said}\n")
    (tmp_path / "bin/systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    said.write_text("@4102444800\n")  # V1 was started after everything that is written here
    return said


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The backup of a run after a cutover and its way back: other snapshots lie in it, and a note of what was restored."""
    place = tmp_path / "data/.rollback" / RUN
    snapshot(place, "metrics_backup", a="1", **{"manifest.json": "{}"})
    snapshot(place / "final", "metrics_backup", a="2")
    snapshot(place / "new_kept", "metrics", a="3", b="4")
    (place / ".restored").mkdir()
    (place / ".restored/final").write_text("{}")
    (tmp_path / "data/metrics").mkdir()
    (tmp_path / "data/metrics/a").write_text("2")
    return place


@pytest.fixture
def wanted(tmp_path: Path, place: Path) -> HostPlan:
    step = toy_step("backup.snapshot", kind="snapshot", args={"directory": str(place)})
    variables = {"cutover_state_dir": str(tmp_path / "state")}
    metrics = {"name": "metrics", "path": str(tmp_path / "data" / "metrics"), "on_rollback": "restore"}
    return toy_plan(service=toy(state=[metrics]), steps={"backup": (step,)}, variables=variables)


def test_a_backup_is_whole_also_where_other_snapshots_of_the_run_lie_in_it(host: Any, wanted: HostPlan) -> None:
    backup.test_every_file_has_its_digest(host, wanted)


@pytest.mark.parametrize(
    "victim", ["metrics_backup/a", "metrics_backup/extra", "extra", "metrics_backup/manifest.json"]
)
def test_a_backup_that_is_not_whole_is_seen(host: Any, wanted: HostPlan, place: Path, victim: str) -> None:
    (place / victim).write_text("changed")
    with pytest.raises(AssertionError):
        backup.test_every_file_has_its_digest(host, wanted)


def test_a_note_beside_the_backup_may_be_written_but_nothing_in_it(host: Any, wanted: HostPlan, place: Path) -> None:
    for path in (place, *place.rglob("*")):
        path.chmod(0o700 if ".restored" in path.parts or (path.is_dir() and os.geteuid()) else 0o500)
    if not os.geteuid():  # others than root cannot go on in a directory that they cannot write
        backup.test_the_backup_is_read_only(host, wanted)
    (place / "final/metrics_backup/a").chmod(0o600)
    with pytest.raises(AssertionError, match="metrics_backup/a"):
        backup.test_the_backup_is_read_only(host, wanted)


@pytest.mark.parametrize(
    ("text", "started", "restored", "lost"),
    [
        ("2", "@4102444800", True, ""),
        ("another", "@4102444800", True, "a: another than it was"),
        ("another", "@1", True, ""),  # V1 has written it since
        ("another", "", True, "a: another than it was"),  # it has not been started at all
        ("another", "@4102444800", False, ""),  # V1 ran already: the step itself has reported that it left them
        (None, "@1", False, "a: missing"),
    ],
)
def test_metrics_of_v1_that_are_others_than_they_were_are_seen(
    host: Any, wanted: HostPlan, systemctl: Path, text: str | None, started: str, restored: bool, lost: str
) -> None:
    systemctl.write_text(f"{started}\n")
    place, file = Path(rollback.place(wanted)), Path(wanted.service.state[0].path) / "a"
    file.unlink() if text is None else file.write_text(text)
    if not restored:
        (place / ".restored/final").unlink()
    with pytest.raises(AssertionError, match=lost) if lost else nullcontext():
        rollback.test_the_state_is_there(host, wanted)


@pytest.mark.parametrize("what", ["link", "fifo", "hole"])
def test_what_the_service_put_in_the_place_of_its_metrics_is_not_read(
    host: Any, wanted: HostPlan, systemctl: Path, what: str
) -> None:
    systemctl.write_text("inf\n")
    file = Path(wanted.service.state[0].path) / "a"
    file.unlink()
    if what == "link":
        file.symlink_to("/dev/zero")
    elif what == "fifo":
        os.mkfifo(file)
    else:
        file.touch()
        os.truncate(file, 1 << 40)
    with pytest.raises(AssertionError, match=r"a: (another than it was|a link)"):
        rollback.test_the_state_is_there(host, wanted)


@pytest.mark.parametrize(
    ("said", "gone"),
    [
        ("LoadState=loaded\nMainPID=0\nUnitFileState=disabled\n", True),
        ("LoadState=not-found\nMainPID=0\nUnitFileState=\n", True),
        ("LoadState=loaded\nMainPID=0\nUnitFileState=\n", False),
        ("LoadState=loaded\nMainPID=0\nUnitFileState=enabled\n", False),
        ("LoadState=loaded\nMainPID=7\nUnitFileState=disabled\n", False),
    ],
)
def test_v2_is_gone_only_where_systemd_says_so(
    host: Any, wanted: HostPlan, systemctl: Path, said: str, gone: bool
) -> None:
    systemctl.write_text(said)
    with nullcontext() if gone else pytest.raises(AssertionError):
        rollback.test_new_unit_has_ended(host, wanted)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(
    ("argument", "well"),
    [
        ("--config={config}", True), ("../etc/pipeline.yml", True), ("{link}", True),
        ("--verbose", True),  # it names none
        ("{config}.old.yml", False), ("--config=/etc/other.yml", False),
    ],
)  # fmt: skip
def test_v1_was_started_with_the_config_that_will_be_replaced(
    host: Any, wanted: HostPlan, systemctl: Path, tmp_path: Path, argument: str, well: bool
) -> None:
    config, work = tmp_path / "etc/pipeline.yml", tmp_path / "work"
    for folder in (config.parent, work):
        folder.mkdir()
    config.write_text("")
    (tmp_path / "link.yml").symlink_to(config)
    word = argument.format(config=config, link=tmp_path / "link.yml")
    service = toy(files=[{"name": "config", "path": str(config), "template": "t.j2"}])
    with subprocess.Popen(["sh", "-c", "read nothing", "v1", word], cwd=work, stdin=subprocess.PIPE) as v1:
        systemctl.write_text(f"{v1.pid}\n")
        with nullcontext() if well else pytest.raises(AssertionError, match="started with"):
            preflight.test_old_unit_works_from_the_files(host, wanted.model_copy(update={"service": service}))
        v1.kill()


def test_where_current_was_not_a_link_it_is_reported(host: Any) -> None:
    python = {
        "kind": "python", "name": "toy", "version": "2", "code": {}, "tests": "t", "runtime_lock": "r", "testing_lock": "t",
        "launchers": {}, "into": "/opt/abaco/releases", "current": "/opt/abaco/current",
    }  # fmt: skip
    planned = toy_plan(service=toy(artifact=python), facts={"current": {"type": "absent"}})
    with pytest.raises(AssertionError, match="/opt/abaco/current was absent at planning, expected a link"):
        shutdown.test_no_process_of_the_old_release_is_left(host, planned)


class TestRelease:
    """The release of a host, as `prepare` left it, and as something changed it since."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = tmp_path / "release"
        files = {"app/kpi.py": "VERSION = 2\n", "bin/kpi": "#!/bin/sh\n"}
        compiled = {"app/__pycache__/kpi.cpython-311.pyc": "compiled"}
        for name, text in (files | compiled).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        content = {"name": "n", "version": "2.0.0", "python": "3.11", "machine": "x86_64", "files": digests(files)}
        made = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
        (root / "manifest.json").write_text(json.dumps(content | {"id": f"2.0.0-{made}"}))
        (root / "byte_code.json").write_text(json.dumps(digests(compiled)))
        return root

    @pytest.fixture
    def prepared(self, root: Path) -> HostPlan:
        for path in (root, *root.rglob("*")):
            path.chmod(0o555)
        args, made = {"path": str(root)}, json.loads((root / "manifest.json").read_text())["id"]
        step = toy_step("staging.release", kind="release", args=args, desired={"id": made})
        return toy_plan(steps={"staging": (step,)})

    def test_as_it_was_built_it_passes(self, host: Any, prepared: HostPlan) -> None:
        staging.test_the_release_is_the_planned_one(host, prepared)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can write what is read-only")
    @pytest.mark.parametrize("victim", ["app/kpi.py", "app/__pycache__/kpi.cpython-311.pyc", "app/extra.py"])
    def test_one_file_that_was_changed_is_named(self, host: Any, prepared: HostPlan, root: Path, victim: str) -> None:
        (root / victim).write_text("changed")
        (root / victim).chmod(0o555)
        with pytest.raises(AssertionError, match=f"not as it was built: {victim}"):
            staging.test_the_release_is_the_planned_one(host, prepared)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can write what is read-only")
    def test_a_manifest_that_was_changed_with_its_file_is_seen_by_the_id(
        self, host: Any, prepared: HostPlan, root: Path
    ) -> None:
        (root / "app/kpi.py").write_text("VERSION = 3\n")
        manifest = json.loads((root / "manifest.json").read_text())
        manifest["files"] |= digests({"app/kpi.py": "VERSION = 3\n"})
        (root / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(AssertionError, match="computed"):
            staging.test_the_release_is_the_planned_one(host, prepared)

    def test_what_can_be_written_is_named(self, host: Any, prepared: HostPlan, root: Path) -> None:
        (root / "app").chmod(0o755)
        with pytest.raises(AssertionError, match="can be written"):
            staging.test_the_release_is_the_planned_one(host, prepared)


def digests(files: dict[str, str]) -> dict[str, str]:
    """The digest of each text."""
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
