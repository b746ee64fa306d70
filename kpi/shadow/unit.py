"""Where V1 is on this host: its unit says the interpreter, the program, the config and the user that it runs as."""

import os
import pwd
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from kpi.config import PipelineConfig
from kpi.findings import Finding, UsageError

UNIT = "abaco-pipeline-v1.service"
PLACES = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")
PYTHON = "/usr/bin/python3"
CONFIG = Path("/etc/abaco/pipeline.yml")
BACKUP = "*/pipeline_backup_*.yml"


@dataclass(frozen=True)
class V1:
    """How V1 is run: as its unit does, but for one tape."""

    python: str
    program: Path
    config: Path
    user: str = ""
    kept: bytes | None = None  # the config, where it is a backup's, which root alone may read

    @property
    def settings(self) -> bytes:
        """What the config holds; but for a backup's, read as whoever we are by now."""
        return self.config.read_bytes() if self.kept is None else self.kept

    def argv(self, tape: Path, config: Path) -> list[str]:
        """Its own command line for one tape; it prints JSON and writes nothing."""
        return [self.python, "-B", str(self.program), "--config", str(config), "--once", str(tape)]


def find_v1(program: Path | None, config: Path | None, python: str, unit: str, backups: Path) -> V1:
    """V1 as the options say; what they leave open, as its unit says. Its config may lie in the cutover's backups."""
    found = V1(python or PYTHON, program, CONFIG) if program else _from_unit(unit)
    found = replace(found, python=python or found.python, config=config or found.config)
    if config is None and _is_v2s(found.config):
        backup = _newest_backup(found.config, backups)
        found = replace(found, config=backup, kept=backup.read_bytes())
    step = "name V1's program with --v1 and its config with --v1-config"
    problems = [
        Finding("no_v1", str(path), f"V1's {what} is not there or may not be read", step)
        for what, path in (("program", found.program), ("config", found.config))
        if not _readable(path)
    ]
    if problems:
        raise UsageError(problems)
    return found


def become(user: str) -> None:
    """Go on as V1's own user, for good, where we are root and its unit names one."""
    if user and os.geteuid() == 0:
        known = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(known.pw_gid)
        os.setuid(known.pw_uid)


def _from_unit(unit: str) -> V1:
    path = Path(unit) if "/" in unit else next((one for place in PLACES if (one := Path(place, unit)).is_file()), None)
    if path is None or not path.is_file():
        step = "name V1's program with --v1, or its unit with --v1-unit"
        raise UsageError(Finding("no_v1", unit, f"no such unit in {', '.join(PLACES)}", step))
    said = _settings(path)
    argv = shlex.split(said.get("ExecStart", ""))
    argv[:1] = [word.lstrip("@-:+!") for word in argv[:1]]
    programs = [word for word in argv[1:] if word.endswith(".py")]
    if not programs:
        step = "name V1's program with --v1"
        raise UsageError(Finding("no_v1", str(path), f"ExecStart={' '.join(argv) or '(none)'} runs no .py file", step))
    named = argv[argv.index("--config") + 1 :] if "--config" in argv else []
    return V1(argv[0], Path(programs[0]), Path(named[0]) if named else CONFIG, said.get("User", ""))


def _settings(unit: Path) -> dict[str, str]:
    """The last value of each setting, drop-ins included; an empty one takes back what was said before."""
    drop_ins = sorted(Path(f"{unit}.d").glob("*.conf"))
    return {name: value for path in (unit, *drop_ins) for name, value in _lines(path)}


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        name, is_setting, value = line.strip().partition("=")
        if is_setting and not name.startswith(("#", ";")):
            yield name.strip(), value.strip()


def _is_v2s(config: Path) -> bool:
    """Whether V2's config has replaced V1's: then the cutover's backup has V1's."""
    if not _readable(config):
        return False
    try:
        PipelineConfig.load(config)
    except UsageError:
        return False
    return True


def _newest_backup(config: Path, backups: Path) -> Path:
    found = sorted(backups.glob(BACKUP), key=lambda path: path.name)
    if not found:
        words = f"this is V2's config, and no backup of V1's can be read in {backups}/{BACKUP}"
        raise UsageError(Finding("no_v1", str(config), words, "name V1's config with --v1-config, or run this as root"))
    return found[-1]


def _readable(path: Path) -> bool:
    try:
        with path.open("rb"):
            return True
    except OSError:
        return False
