"""The same eleven operations by every contender, on the same hosts in rotating order; each verified on the hosts afterwards."""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

import lab
from bench.contenders import ENVIRONMENT, TOY, Prepare, ToyFleet, contenders, write_mark
from bench.measure import BenchSample, rotated, timed
from cutover.core.errors import Problem, Refused

JOB, CPU = "eleven operations", ", controller CPU"
LAB = lab.Lab(prefix="cutlabb", network=IPv4Network("198.18.95.0/24"), state=Path("/var/lib/cutover-lab-bench"))
OLD = '{"version": 1}\n'

INSTALL = """\
mkdir -p /opt/toy /etc/toy
cat >/opt/toy/server.py <<'CODE'
{server}CODE
cat >/etc/systemd/system/toy-v1.service <<'UNIT'
{unit}UNIT
"""

# The engine's own directory goes too: every contender finds a host that it has never seen.
RESET = """\
if systemctl --quiet is-active toy-v2; then systemctl stop toy-v2; fi
rm -rf /etc/systemd/system/toy-v2.service /var/lib/toy /var/lib/cutover
printf %s '{old}' >/etc/toy/config.json
systemctl daemon-reload
systemctl start toy-v1
for _ in {{1..500}}; do
    if {{ exec 3<>/dev/tcp/127.0.0.1/8000; }} 2>/dev/null; then exit 0; fi
    sleep 0.02
done
echo 'toy-v1 does not answer' >&2
exit 1
"""

# What a host shows afterwards, as one JSON document. Python, so that nothing has to be quoted.
SHOW = """\
python3 - <<'LOOK'
import glob, json, subprocess, urllib.request
def state(unit):
    return subprocess.run(["systemctl", "is-active", unit], capture_output=True, text=True).stdout.strip()
def text(path):
    try:
        return open(path).read()
    except OSError as error:
        return str(error)
try:
    answer = urllib.request.urlopen("http://127.0.0.1:8001/", timeout=5).read().decode()
except OSError as error:
    answer = str(error)
backups = [text(path) for path in glob.glob("/var/lib/toy/backup/**/config.json", recursive=True)]
print(json.dumps({
    "V1": state("toy-v1"), "V2": state("toy-v2"), "unit": text("/etc/systemd/system/toy-v2.service"),
    "config": text("/etc/toy/config.json"), "backups": backups, "answer": answer,
}))
LOOK
"""


def measure(
    root: Path, venv: Path, sizes: Sequence[int], rounds: int, progress: Callable[[str], None]
) -> Iterator[BenchSample]:
    """Every contender on fleets of each size, once a round."""
    everyone = contenders(root, venv)
    install = INSTALL.format(server=(TOY / "server.py").read_text(), unit=(TOY / "toy-v1.service").read_text())
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="bench-") as name, _hosts(root, Path(name), size) as fleet:
            _on_all(fleet, install)
            for number in range(1, rounds + 1):
                for who in rotated(list(everyone), number - 1):
                    place = Path(name) / f"{list(everyone).index(who)}-{size}-{number}"
                    place.mkdir()
                    samples = _one(fleet, who, everyone[who], number, place)
                    progress(f"{size} hosts, round {number}: {who} {samples[0].value:.2f} s")
                    yield from samples


def _one(fleet: ToyFleet, who: str, prepare: Prepare, number: int, place: Path) -> tuple[BenchSample, BenchSample]:
    mark, size = place.name, len(fleet.hosts)
    _on_all(fleet, RESET.format(old=OLD))
    command = prepare(fleet, place, mark)
    try:
        took = timed(command.argv, cwd=command.cwd, env=command.environment)
    finally:
        command.after()
    seen = _on_all(fleet, SHOW)
    if problems := [one for host, text in seen.items() for one in wrong(host, who, mark, json.loads(text))]:
        raise Refused(problems)
    return BenchSample(JOB, size, who, number, took.wall), BenchSample(f"{JOB}{CPU}", size, who, number, took.cpu)


def wrong(host: str, who: str, mark: str, seen: dict[str, object]) -> list[Problem]:
    """What on a host is not as the eleven operations of this one run should have left it."""

    def rendered(template: str) -> str:
        return (TOY / template).read_text().replace("{{ toy_host }}", host).replace("{{ toy_mark }}", mark)

    config, unit = rendered("config.json.j2"), rendered("toy-v2.service.j2")
    expected = {"V1": "inactive", "V2": "active", "unit": unit, "config": config, "backups": [OLD], "answer": config}
    return [
        Problem(
            host=host,
            path=what,
            found=f"{who} left {seen.get(what)!r}, expected {value!r}",
            next="correct this contender's job in bench/",
        )
        for what, value in expected.items()
        if seen.get(what) != value
    ]


@contextmanager
def _hosts(root: Path, place: Path, count: int) -> Iterator[ToyFleet]:
    """Fresh hosts, and a checkout with the toy role, its templates and the standard role; removed afterwards."""
    checkout = place / "checkout"
    toy = checkout / "roles" / "toy"
    toy.mkdir(parents=True)
    for entry in (Path(__file__).parent / "with_ours" / "roles" / "toy").iterdir():
        (toy / entry.name).symlink_to(entry)
    (toy / "templates").symlink_to(TOY)
    (checkout / "roles" / "standard").symlink_to(root / "roles" / "standard")
    write_mark(checkout, "none")
    lab.down(lab=LAB)  # of a bench that was killed
    try:
        inventory = checkout / "inventory" / ENVIRONMENT
        yield ToyFleet(checkout, lab.up(count, inventory=inventory, group_vars={"toy_mark": "none"}, lab=LAB))
    finally:
        lab.down(lab=LAB)


def _on_all(fleet: ToyFleet, script: str) -> dict[str, str]:
    """Run a bash script as root on every host, without SSH; what it printed, by host. Refused where it fails."""

    def run(name: str) -> str:
        done = lab.exec_in(name, ["bash", "-eu"], stdin=script, timeout=60, lab=LAB)
        if done.exit_code != 0:
            found = f"{done.stderr.strip() or done.stdout.strip()} (exit status {done.exit_code})"
            raise Refused(Problem(host=name, found=found, next="see bench/toy_job.py"))
        return done.stdout

    with ThreadPoolExecutor(4) as pool:  # none of this is measured
        return dict(zip(fleet.names, pool.map(run, fleet.names), strict=True))
