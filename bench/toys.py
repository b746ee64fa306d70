"""The toy pair of services on the hosts: installed, put back to where V1 is in service, and looked at after a contender has finished."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.ground import Ground
from cutover.core.errors import Problem, Refused

TOY = Path(__file__).parent / "toy"
OLD = '{"version": 1}\n'
AT_ONCE = 4  # hosts looked after at the same time: none of this is measured

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


def install(ground: Ground) -> None:
    """Put the toy service's code and V1's unit on every host."""
    script = INSTALL.format(server=(TOY / "server.py").read_text(), unit=(TOY / "toy-v1.service").read_text())
    _on_all(ground.names, lambda name: ground.root_shell(name, script))


def reset(ground: Ground) -> None:
    """V1 in service with its own config, no trace of V2 or of a contender."""
    _on_all(ground.names, lambda name: ground.root_shell(name, RESET.format(old=OLD)))


def require_done(ground: Ground, contender: str, mark: str) -> None:
    """Ask every host whether the work of this one run was really done; Refused with everything that was not."""
    shown = dict(zip(ground.names, _on_all(ground.names, lambda name: ground.root_shell(name, SHOW)), strict=True))
    problems = [problem for name, text in shown.items() for problem in misses(name, contender, mark, json.loads(text))]
    if problems:
        raise Refused(problems)


def misses(host: str, contender: str, mark: str, seen: dict[str, object]) -> list[Problem]:
    """What on a host is not as the eleven operations should have left it."""
    config = _rendered("config.json.j2", host, mark)
    wanted = {
        "V1": "inactive", "V2": "active", "unit": _rendered("toy-v2.service.j2", host, mark),
        "config": config, "backups": [OLD], "answer": config,
    }  # fmt: skip
    return [
        Problem(
            host=host,
            path=what,
            found=f"{contender} left {seen.get(what)!r}, not {value!r}",
            next="correct this contender's job in bench/",
        )
        for what, value in wanted.items()
        if seen.get(what) != value
    ]


def _rendered(template: str, host: str, mark: str) -> str:
    return (TOY / template).read_text().replace("{{ toy_host }}", host).replace("{{ toy_mark }}", mark)


def _on_all(names: Sequence[str], work: Callable[[str], str]) -> list[str]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(work, names))
