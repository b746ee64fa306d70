"""What befalls a service under watch: done on real hosts from behind, through nothing that is tested."""

from tests.lab.support import DATA, V2, Hosts

# Delivers as the lab's deliverer does, but tapes of its own: of each good one it makes what is wanted, and notes it in the ledger.
DELIVER = """
import hashlib, json, os, pathlib, sys, time
data, kind, count, pause = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
done = sorted(data.joinpath("done").glob("*tape-*"), key=lambda path: path.stat().st_mtime)
lines = done[-1].read_text().splitlines()
cash = lines[0].split(",").index("cash_available_usd")

def tape(number):
    if kind == "bad":
        return "\\n".join(["measurement_date,nothing", f"2025-12-26,{number}"]) + "\\n"
    factor = 1.0 + 0.02 * number  # drift: each tape collects a little more than the one before
    rows = [line.split(",") for line in lines[1:]]
    for at, row in enumerate(rows):
        row[0 if lines[0].startswith("loan_id") else lines[0].split(",").index("loan_id")] = f"D{number}-{at}"
        row[cash] = repr(float(row[cash]) * factor)
    return "\\n".join([lines[0], *(",".join(row) for row in rows)]) + "\\n"

for number in range(1, count + 1):
    content, name = tape(number).encode(), f"{kind}-{os.getpid()}-{number:05}.csv"
    part = data / "inbox" / f".{name}.part"
    part.write_bytes(content)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    entry = json.dumps({"name": name, "sha256": hashlib.sha256(content).hexdigest(), "at": stamp})
    with open(data / "arrivals.jsonl", "a") as ledger:
        ledger.write(entry + "\\n")
    part.rename(data / "inbox" / name)
    time.sleep(pause)
"""
# Memory that grows inside the unit's own group of processes, as a leak of the service would.
LEAK = """
import os, pathlib, subprocess, sys, time
group = subprocess.run(["systemctl", "show", "-p", "ControlGroup", "--value", sys.argv[1]], capture_output=True, text=True).stdout.strip()
for top in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
    listed = pathlib.Path(top + group) / "cgroup.procs"
    if listed.exists():
        listed.write_text(str(os.getpid()))
        break
held = []
for _ in range(12):
    held.append(os.urandom(50 << 20))
    time.sleep(1)
time.sleep(600)
"""


def _run(hosts: Hosts, name: str, unit: str, code: str, *words: str, user: str = "abaco") -> None:
    """Start a program on a host, beside everything else."""
    hosts.inside(name, f"cat > /srv/{unit}.py <<'PY'\n{code}\nPY")
    started = f"systemd-run --quiet --collect --uid={user} --gid={user} --unit={unit}"
    hosts.inside(name, f"{started} /usr/bin/python3 /srv/{unit}.py {' '.join(words)}")


def error_burst(hosts: Hosts, name: str) -> None:
    """Tapes come that no version can take."""
    _run(hosts, name, "lab-tapes-bad", DELIVER, DATA, "bad", "400", "0.05")


def kpi_drift(hosts: Hosts, name: str) -> None:
    """The book changes slowly, in one direction."""
    hosts.inside(name, "systemctl stop 'lab-tapes*'")
    _run(hosts, name, "lab-tapes-drift", DELIVER, DATA, "drift", "200", "0.3")


def leak(hosts: Hosts, name: str) -> None:
    """The service holds more and more memory."""
    _run(hosts, name, "lab-leak", LEAK, V2, user="root")


def crash_loop(hosts: Hosts, name: str) -> None:
    """V2 is killed again and again."""
    again = f"for n in 1 2 3 4 5 6 7 8 9 10 11 12; do systemctl kill -s KILL {V2}; sleep 2; done"
    hosts.inside(name, f"systemd-run --quiet --collect --unit=lab-crash sh -c '{again}'")


def cut_trail(hosts: Hosts, name: str) -> None:
    """Somebody takes records out of the audit trail."""
    hosts.inside(name, f"sed -i 3,5d {DATA}/audit/trail.jsonl; chown abaco:abaco {DATA}/audit/trail.jsonl")


def lost_tape(hosts: Hosts, name: str) -> None:
    """A tape that was delivered and processed is gone."""
    hosts.inside(name, f'rm "$(ls -t {DATA}/done/*tape-* | head -n 1)"')


def hang(hosts: Hosts, name: str) -> None:
    """V2 stands still: it is there, and answers nothing."""
    hosts.inside(name, f"systemctl kill -s STOP {V2}")


def end(hosts: Hosts) -> None:
    """What was begun here is over."""
    hosts.each(lambda name: hosts.inside(name, "systemctl stop 'lab-leak*' 'lab-crash*' 'lab-tapes*'", check=False))
