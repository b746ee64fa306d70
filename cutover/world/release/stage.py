"""Put the release's own files together: code, tests and launchers."""

import shutil
from pathlib import Path

from cutover.words.errors import Problem, UsageError
from cutover.world.release.spec import ReleaseSpec

RUN_TESTS = Path(__file__).parents[2] / "hostside" / "run_tests.py"

# -S and -P: only the standard library and the release are on the path; no Debian package of the host, no user's
# directory and not the current one can stand in for a locked dependency. The real path is resolved: a running process
# stays in its release when a symlink to it moves on.
LAUNCHER = """\
#!/bin/sh
# {does}
release=$(readlink -f "$0") || exit 1
release=${{release%/bin/*}}
unset PYTHONHOME PYTHONOPTIMIZE PYTHONINSPECT
export PYTHONNOUSERSITE=1 PYTHONPATH="{path}"{environment}
exec {interpreter} -S -P {run} "$@"
"""


def stage(spec: ReleaseSpec, root: Path) -> Path:
    """Copy code and tests below `root` and write bin/; caches, compiled and dot files stay behind."""
    unwanted = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    for source, target in [(spec.tests, "tests"), *((path, f"app/{name}") for name, path in spec.code.items())]:
        _refuse_links(source)
        shutil.copytree(source, root / target, ignore=unwanted, copy_function=shutil.copyfile)
    (root / "bin").mkdir()
    shutil.copyfile(RUN_TESTS, root / "bin" / "run_tests.py")
    for command, module in spec.launchers.items():
        does = f"Runs {module} of the release that this file is in."
        _launcher(root / "bin" / command, spec, does, "$release/app:$release/site", f"-m {module}")
    does = "Runs the tests of the release that this file is in, prints one JSON document, writes nothing into it."
    path, run = "$release/app:$release/site:$release/testing", '-B "$release/bin/run_tests.py" "$release/tests"'
    _launcher(root / "bin" / "run-tests", spec, does, path, run)
    return root


def _launcher(path: Path, spec: ReleaseSpec, does: str, python_path: str, run: str) -> None:
    environment = "".join(f" {name}={value}" for name, value in spec.environment.items())
    text = LAUNCHER.format(does=does, path=python_path, environment=environment, interpreter=spec.interpreter, run=run)
    path.write_text(text)
    path.chmod(0o755)


def _refuse_links(root: Path) -> None:
    links = [path for path in sorted(root.rglob("*")) if path.is_symlink()]
    if links:
        found, fix = "is a symlink; a release holds only files", "put the file itself there"
        raise UsageError(Problem(found, fix, path=str(path)) for path in links)
