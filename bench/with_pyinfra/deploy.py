# ruff: noqa: INP001 - pyinfra runs it as a file
"""The eleven operations with pyinfra: facts for what is asked, its own operations where it has them."""

from pathlib import Path

from pyinfra import config, host
from pyinfra.facts.files import File
from pyinfra.facts.server import Command
from pyinfra.facts.systemd import SystemdStatus
from pyinfra.operations import files, server, systemd

config.SUDO = True
TOY = Path(host.data.toy)
KNOWN = {"toy_host": host.name, "toy_mark": host.data.mark}

if not host.get_fact(SystemdStatus, services=["toy-v1"]).get("toy-v1.service"):
    raise RuntimeError("toy-v1 is not active")
host.get_fact(Command, command="python3 --version")
if not host.get_fact(File, path="/etc/toy/config.json"):
    raise RuntimeError("there is no config")

files.directory(name="directory", path="/var/lib/toy/backup")
files.copy(name="backup", src="/etc/toy/config.json", dest="/var/lib/toy/backup")
files.template(
    name="unit", src=str(TOY / "toy-v2.service.j2"), dest="/etc/systemd/system/toy-v2.service", mode="644", **KNOWN
)
systemd.service(name="stop V1", service="toy-v1", running=False)
files.template(name="config", src=str(TOY / "config.json.j2"), dest="/etc/toy/config.json", mode="644", **KNOWN)
systemd.service(name="start V2", service="toy-v2", running=True, daemon_reload=True)
server.shell(name="probe V2", commands=["systemctl is-active toy-v2"])
server.shell(name="wait for HTTP", commands=[(TOY / "wait.bash").read_text()], _shell_executable="bash")
