"""The ground that faults happen on: lab hosts with V1 in service, a machine to command them from, and the record of both."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lab
from cutover.agent.clock import SILENCE_S
from lab.system import until
from tests.faults import controller
from tests.faults.invariants import Violation, exactly_once, in_service, judge, nothing_left
from tests.lab.support import V1, V2, Answer, Checkout, Hosts, journal
from tests.waiting import PATIENCE_S, journal_lines, journal_records, wait_until

LOOK = (Path(__file__).parent / "look.py").read_text()
# For tapes under way to be done, and for what has ended to be gone: an agent whose controller was cut off waits for its silence.
GRACE_S = SILENCE_S + 15.0
BUDGET_S = 30.0


class Mortal:
    """A command under way in a process that dies at a chosen place."""

    def __init__(self, checkout: Checkout, words: Sequence[str], side: str = "never", number: int = 0) -> None:
        self.words, self._root, self._began = list(words), checkout.root, time.monotonic()
        stem = checkout.root / f".said-{time.monotonic_ns()}"
        self.notes, self._said, self._answered = (stem.with_suffix(end) for end in (".notes", ".said", ".json"))
        argv = [sys.executable, str(Path(controller.__file__)), side, str(number), str(self.notes), "--", *words]
        home = checkout.root / ".home"
        home.mkdir(exist_ok=True)
        with self._said.open("w") as said, self._answered.open("w") as answered:
            self.process = subprocess.Popen(
                argv, cwd=checkout.root, env={**os.environ, "HOME": str(home)}, stdin=subprocess.DEVNULL,
                stdout=answered, stderr=said, start_new_session=True,
            )  # fmt: skip

    def answer(self, patience: float = PATIENCE_S) -> Answer:
        """Its end: the code is negative where a signal ended it."""
        code = self.process.wait(patience)
        stdout = self._answered.read_text()
        document = json.loads(stdout) if stdout.strip() else {}
        return Answer(code, document, self._said.read_text(), time.monotonic() - self._began)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def when(self, reached: Callable[[], bool]) -> "Mortal":
        """Wait until something has come to be while it runs."""

        def check() -> bool:
            if reached():
                return True
            assert self.process.poll() is None, f"it ended before that: {self.answer()}"
            return False

        wait_until(check)
        return self

    def boundaries(self) -> list[dict[str, Any]]:
        """Each write of its journal so far: number, kind of its first record, how many records."""
        return journal_records(self.notes)

    def left(self) -> list[str]:
        """What is left of it, and of what it started."""
        group = self.process.pid
        listed = subprocess.run(
            ["ps", "-eo", "pgid=,sid=,pid=,args="], capture_output=True, text=True, check=True
        ).stdout
        rows = [line.split(None, 3) for line in listed.splitlines()]
        return [" ".join(row[2:])[:160] for row in rows if str(group) in row[:2] and "<defunct>" not in row[3]]


@dataclass
class Ground:
    """Some hosts and a machine."""

    hosts: Hosts
    checkout: Checkout
    names: tuple[str, ...]
    started: list[Mortal] = field(default_factory=list)
    count: int = 0  # boundaries since it was made

    @property
    def pattern(self) -> str:
        """The hosts, as a person names them."""
        return ":".join(self.names)

    def start(self, *words: str, side: str = "never", number: int = 0, on: Checkout | None = None) -> Mortal:
        """Begin a command; `words` are the command and its own options."""
        command, *options = words
        where = on or self.checkout
        full = [command, "--hosts", self.pattern, "--inventory", str(where.inventory), "--json", *options]
        self.started.append(Mortal(where, full, side, number))
        return self.started[-1]

    def inside(self, script: str, *names: str, check: bool = True) -> dict[str, str]:
        """Run a shell script on the hosts from behind."""
        return self.hosts.each(lambda name: self.hosts.inside(name, script, check=check), names or self.names)

    def look(self, since: float) -> dict[str, Any]:
        """Everything about the hosts, seen from behind."""

        def one(name: str) -> Any:
            done = lab.exec_in(name, ["python3", "-I", "-c", LOOK, f"{since:.3f}"], lab=self.hosts.lab)
            assert done.exit_code == 0, done.stderr
            return json.loads(done.stdout)

        return self.hosts.each(one, self.names)

    def prints(self) -> dict[str, Any]:
        """What must not change when a command is given again: files, units, processes of V1 and V2."""
        units = f"systemctl show -p MainPID,InvocationID --value {V1} {V2}"
        return {"files": self.hosts.fingerprint(*self.names), "processes": self.inside(units)}

    def forget_v2(self) -> None:
        """Take away what earlier runs staged, and what a fault left running: each run does all of its work."""
        self.inside("rm -rf /opt/abaco/releases/2* /var/lib/cutover/abaco/incoming/*")
        for name, seen in self.look(time.time()).items():
            if pids := [str(process["pid"]) for process in seen["processes"] if process["kind"] == "engine"]:
                self.inside(f"kill -KILL {' '.join(pids)}", name, check=False)

    def reset(self) -> None:
        """V1 in service, and nothing else."""
        self.hosts.reset(*self.names)
        self.forget_v2()
        assert until(
            lambda: all(in_service(one) == "V1" for one in self.look(time.time()).values()), seconds=PATIENCE_S
        )


@dataclass
class Experiment:
    """One fault, from V1 in service to the end that a person would see; judged when it is over."""

    ground: Ground
    name: str
    seed: int
    began: float = field(default_factory=time.time)
    commands: list[dict[str, Any]] = field(default_factory=list)
    expect: dict[str, Any] = field(default_factory=dict)
    by_us: list[tuple[float, float]] = field(
        default_factory=list
    )  # when the experiment itself stopped or started a service
    history: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ground.started.clear()
        self.before = self.ground.look(self.began)
        started = [in_service(one) for one in self.before.values()]
        assert set(started) == {"V1"}, f"{self.name} does not begin on V1: {started}"

    def ended(self, running: Mortal, *, patience: float = PATIENCE_S) -> Answer:
        """Wait for a command, and put its end on record."""
        answer = running.answer(patience)
        self.commands.append({
            "words": running.words[0:1] + [word for word in running.words if word in ("--resume", "--yes")],
            "code": answer.code, "seconds": round(answer.seconds, 2), "run": answer.document.get("run_id", ""),
            "errors": answer.document.get("errors", []), "output": answer.output[-3000:],
        })  # fmt: skip
        return answer

    def does(self, *words: str, on: Checkout | None = None) -> Answer:
        """Give a command and wait for its end."""
        return self.ended(self.ground.start(*words, on=on))

    def again(self, *words: str, codes: Sequence[int] = (0,)) -> None:
        """Give the command again: it must change nothing."""
        before = self.ground.prints()
        code = self.ground.start(*words).answer().code
        after = self.ground.prints()
        changed: dict[str, Any] = {}
        for name, now in after["files"].items() if before != after else ():
            was = before["files"][name]
            changed[name] = {key: (was.get(key), value) for key, value in now.items() if was.get(key) != value}
            changed["processes"] = {"before": before["processes"], "after": after["processes"]}
        self.history["again"] = {"command": " ".join(words), "code": code, "codes": list(codes), "changed": changed}

    def judged(self, *ends: str, budget_s: float = BUDGET_S) -> list[Violation]:
        """The history, and what is wrong in it. What is only not over yet is waited for."""
        self.expect = {"ends": list(ends), "budget_s": budget_s}
        deadline = time.monotonic() + GRACE_S
        # The stream never rests: what has been delivered by now must be done in the end, and no more is asked.
        delivered = {name: seen["tapes"]["arrived_by_now"] for name, seen in self.ground.look(self.began).items()}
        while True:
            self._record(delivered)
            if time.monotonic() > deadline or not [*nothing_left(self.history), *exactly_once(self.history)]:
                break
            time.sleep(0.5)
        return judge(self.history)

    def _record(self, delivered: dict[str, list[str]]) -> None:
        after = self.ground.look(self.began)
        for name, tapes in delivered.items():
            after[name]["tapes"]["arrived"] = tapes
        runs = sorted(
            {path.parent for root in self._roots() for path in (root / ".cutover" / "runs").glob("*/journal.jsonl")}
        )
        fresh = [run for run in runs if (run / "journal.jsonl").stat().st_mtime >= self.began]
        self.history |= {
            "by_us": self.by_us, "name": self.name, "seed": self.seed, "began": self.began, "expect": self.expect,
            "commands": self.commands,
            "hosts": {name: {"before": self.before[name], "after": after[name]} for name in self.ground.names},
            "journals": {f"{run.name} of {run.parents[2].name}": journal_lines(run / "journal.jsonl") for run in fresh},
            "left_running": [line for one in self.ground.started for line in one.left()],
        }  # fmt: skip

    def _roots(self) -> set[Path]:
        return {self.ground.checkout.root, *(mortal._root for mortal in self.ground.started)}


def reached(checkout: Checkout, kind: str, since: float, **data: str) -> Callable[[], bool]:
    """Whether the newest run's journal has a record of this kind with these data that is not older than that."""

    def look() -> bool:
        runs = sorted((checkout.root / ".cutover" / "runs").glob("*"))
        records = journal(checkout, runs[-1].name) if runs and runs[-1].stat().st_ctime >= since else []
        return any(
            record["kind"] == kind and data.items() <= {**record, **record["data"]}.items() for record in records
        )

    return look
