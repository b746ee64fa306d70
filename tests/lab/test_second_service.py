"""A second service of a few lines beside the first one: planned, cut over, watched, rolled back; the first one is not touched."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.lab.support import Checkout, Hosts

pytestmark = pytest.mark.lab

TOY = Path(__file__).parent / "toy"
STATE = "/var/lib/cutover/toy"
# The old release of the toy on a host: what an operator has set up long ago. It writes what it was started with.
BLUE = """
set -eu
mkdir -p /opt/toy /etc/toy /var/lib/toy
cat > /opt/toy/server.py <<'PYTHON'
import http.server, json, pathlib, sys
config = json.loads(pathlib.Path("/etc/toy/config.json").read_text())
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"ready": True, **config}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
pathlib.Path("/var/lib/toy", config["color"]).write_text(config["release"])
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
PYTHON
echo '{"release": "1", "color": "blue"}' > /etc/toy/config.json
cat > /etc/systemd/system/toy-blue.service <<'UNIT'
[Service]
Type=exec
ExecStart=/usr/bin/python3 /opt/toy/server.py 9000
TimeoutStopSec=5
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --now --quiet toy-blue.service
until [ -e /var/lib/toy/blue ]; do sleep 0.05; done
"""
GONE = """
systemctl disable --now --quiet toy-blue.service toy-green.service 2>/dev/null
rm -rf /opt/toy /etc/toy /var/lib/toy /var/lib/cutover/toy /etc/systemd/system/toy-*.service
systemctl daemon-reload
"""


@pytest.fixture
def toy(hosts: Hosts, checkout: Checkout) -> Any:
    """The toy's old release in service on every host, its role in the checkout; taken away afterwards."""
    shutil.copytree(TOY, checkout.root / "roles" / "toy")
    hosts.each(lambda name: hosts.inside(name, BLUE))
    yield checkout
    hosts.each(lambda name: hosts.inside(name, GONE, check=False))


def serving(hosts: Hosts, name: str) -> dict[str, str]:
    """Both units as systemd has them: active and enabled."""
    asked = "for unit in toy-blue toy-green; do systemctl show -p ActiveState,UnitFileState --value $unit | xargs; done"
    blue, green = hosts.inside(name, asked).splitlines()[:2]
    return {"blue": blue, "green": green.strip()}


def test_a_service_of_a_few_lines_goes_there_and_back(toy: Checkout, hosts: Hosts) -> None:
    with hosts.unchanged(*hosts.names):
        planned = toy.ask("plan", "--service", "toy")
        assert planned.code == 0, planned
        plan = json.loads((toy.run_directory(planned.run) / "plan.json").read_text())
        assert plan["service"] == {"name": "toy", "title": "Toy", "old": "the old release", "new": "the new release"}
        assert plan["release"]["id"].startswith("2-")

        done = toy.yes("cutover", "--run", planned.run, "--service", "toy")
        assert done.code == 0, done
        for name in hosts.names:
            assert serving(hosts, name) == {"blue": "inactive disabled", "green": "active enabled"}
            asks = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9001/health').read().decode())"
            said = json.loads(hosts.inside(name, f'python3 -c "{asks}"'))
            assert said["release"] == plan["release"]["id"]
            assert hosts.inside(name, f"ls {STATE}/.rollback") == f"{planned.run}\n"
        assert (toy.run_directory(planned.run) / "report.html").read_text().count("Toy") > 0

        assert toy.ask("status", "--service", "toy").code == 0
        assert toy.ask("verify", "--service", "toy", "--phase", "activation").code == 0
        assert toy.ask("validate", "--service", "toy").code == 0
        refused = toy.ask("shadow", "--service", "toy")
        assert (refused.code, "no comparison of both releases" in refused.errors[0]["found"]) == (2, True), refused
        watched = toy.ask("monitor", "--once", "--service", "toy")
        assert watched.code in (0, 8, 10), watched  # one sample is too little for some rules

        back = toy.yes("rollback", "--service", "toy")
        assert back.code == 0, back
        for name in hosts.names:
            units = serving(hosts, name)
            assert (units["blue"], units["green"] in ("", "inactive")) == ("active enabled", True)
            kept = hosts.inside(name, "ls /var/lib/toy; cat /etc/toy/config.json")
            assert kept == 'blue\n{"release": "1", "color": "blue"}\n'
            assert hosts.inside(name, f"ls {STATE}/.rollback/{planned.run}/new_kept/data") == "blue\ngreen\n"


@pytest.mark.usefixtures("hosts")
def test_the_run_of_one_service_does_not_hold_the_hosts_of_another(toy: Checkout) -> None:
    prepared = toy.yes("prepare", "--service", "toy", hosts="lab1")
    assert prepared.code == 0, prepared
    other, own = toy.ask("status", hosts="lab1"), toy.ask("status", "--service", "toy", hosts="lab1")
    assert other.code == 0
    assert other.document["hosts"]["lab1"]["runs"] == []
    assert own.document["hosts"]["lab1"]["runs"][0]["run"] == prepared.run
