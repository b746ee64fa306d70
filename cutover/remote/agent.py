"""The controller's side of the host agent: it is sent when a host is asked first, and answers from memory for as long as it is needed."""

import base64
import hashlib
import importlib.util
import io
import json
import marshal
import re
import threading
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from signal import Signals
from typing import Any

from cutover.agent.clock import SILENCE_S
from cutover.core.errors import Locked, Problem, Refused
from cutover.core.host import OLDEST_PYTHON
from cutover.core.step import State, Step
from cutover.remote.answers import Unreadable, parse
from cutover.remote.timeouts import ANSWER_S, ARM_S, ASK_S, IDLE_AGENT_S
from cutover.remote.transport import DeadlinePassed, LineChannel, Lost, ProgramEnded, RemoteError, Result, Transport

AGENT = Path(__file__).parent.parent / "agent"
HOW_TO_STEAL = "`./invokew abort --steal-lock NONCE`, with the nonce that `./invokew status` shows"
REFUSED_NEXT = {
    "shared": "give it, and each directory above it, to root, with no right to write for others",
    "spent": "make a new plan: a run that was rolled back is not continued",
    "unsettled": "`./invokew rollback` takes the host back, or `./invokew cutover --resume` continues that run",
}

READING = ("look", "status", "plan")  # they change nothing: asked again where the connection drops

# Runs the agent from memory, so that looking at a host leaves nothing on it. What comes on standard input is the agent, then the requests.
# A controller that is cut off while it sends the agent sends no end of input either: that silence ends what waits for it, too.
BOOT = f"""\
import os, signal, sys
if sys.version_info < {OLDEST_PYTHON}:
    sys.exit("Python " + sys.version.split()[0] + " is too old")
signal.alarm({SILENCE_S})
size = int(sys.argv.pop(1))
file = os.memfd_create("cutover-agent")
os.write(file, sys.stdin.buffer.read(size))
sys.argv[0] = f"/proc/self/fd/{{file}}"
sys.path.insert(0, sys.argv[0])
from cutover.agent.__main__ import main
sys.exit(main())
"""

NO_PYTHON = re.compile(rb"^Python \S+ is too old$|: (command )?not found$", re.MULTILINE)


class Fenced(RemoteError):
    """The host no longer accepts this run: another holds the lease, or the host reverted by itself."""

    next_step = "see which run holds the host with `./invokew status`; this run may not change it any more"


class AgentFailed(RemoteError):
    """The agent itself failed, or its answer cannot be read."""


class NoPython(AgentFailed):
    """The host has no Python that the agent runs on, where the inventory says that it is."""

    next_step = (
        f"install python3, {'.'.join(map(str, OLDEST_PYTHON))} or later, or name one with ansible_python_interpreter"
    )


class HostUnwritable(RemoteError):
    """The host cannot write what it is asked to: a full or a read-only disk."""

    next_step = "make it writable, or free space (`df -h` and `mount` on the host show which); then run it again"


class AgentPool:
    """The agents that run on one host: one question at a time goes to each; a thread that finds all of them busy starts another."""

    def __init__(self, transport: Transport, argv: Sequence[str], opening: bytes) -> None:
        self._transport, self._argv, self._opening = transport, argv, opening
        self._idle: list[tuple[LineChannel, float]] = []  # and since when, on time.monotonic()
        self._lock = threading.Lock()

    def ask(self, line: bytes, *, deadline: float) -> bytes:
        """The line that answers this one; the deadline (seconds) covers the start of an agent as well."""
        end = time.monotonic() + deadline
        channel = self._take() or self._transport.open_channel(self._argv, opening=self._opening, deadline=deadline)
        try:
            answer = channel.ask(line, deadline=end - time.monotonic())
        except BaseException:
            channel.close()
            raise
        with self._lock:
            self._idle.append((channel, time.monotonic()))
        return answer

    def close(self) -> None:
        """End the agents that nobody is waiting for."""
        with self._lock:
            idle, self._idle = self._idle, []
        for channel, _ in idle:
            channel.close()

    def _take(self) -> LineChannel | None:
        """The one that was used last, if it can be used again; the others are ended as they get old."""
        with self._lock:
            oldest = time.monotonic() - IDLE_AGENT_S
            usable = [one for one in self._idle if one[0].alive and one[1] > oldest]
            unusable = [one for one in self._idle if one not in usable]
            self._idle, taken = usable[:-1], usable[-1:]
        for channel, _ in unusable:
            channel.close()
        return taken[0][0] if taken else None


class HostAgent:
    """One host's agent. Raises Locked, Fenced, Refused, HostUnwritable, AgentFailed, or what the transport raises.

    `head` says how far the run's journal has come, which hosts keep; None where there is no journal.
    """

    def __init__(
        self, transport: Transport, *, state_dir: str, python: str = "/usr/bin/python3", is_installed: bool = False
    ) -> None:
        self.transport = transport
        self.name = transport.name
        self.state_dir = state_dir
        # -S: it needs nothing that was installed there, and finding out what was takes a third of Python's start.
        argv, opening = [python, "-I", "-S", "-c", BOOT, str(len(packed())), "serve"], packed()
        if is_installed:
            argv, opening = [Installed(python).path, "serve"], b""
        self._pool = AgentPool(transport, argv, opening)

    def look(self, steps: Sequence[Step], *, deadline_s: float = ASK_S) -> dict[str, State]:
        """What each step finds on the host; changes nothing."""
        answer = self._ask("look", deadline_s, steps=[step.for_host() for step in steps])
        states: dict[str, State] = answer["states"]
        if missing := [step.id for step in steps if step.id not in states]:
            raise AgentFailed(self.name, f"agent look: the answer has nothing of {', '.join(missing[:5])}")
        return states

    def measure(self, steps: Sequence[Step], *, deadline_s: float) -> list[State]:
        """Run commands and probes outside any run, for `validate` and the like; needs no lease."""
        answer = self._ask("measure", deadline_s, steps=[step.for_host() for step in steps])
        return self._of_steps("measure", answer["outcomes"], steps)

    def shell(self, script: str, *, deadline: float) -> Result:
        """Run shell text on the host as root, for checks; needs no lease. DeadlinePassed where it takes longer (seconds)."""
        done = self._ask("shell", deadline, script=script)
        how, _, number = done["end"].partition(" ")
        if done["end"] == "deadline passed":
            raise DeadlinePassed(self.name, f"no end of the command within {deadline:.1f} s")
        if done["exit_code"] is None and how != "signal":
            raise AgentFailed(self.name, f"agent shell: {done['end']}: {done['stderr'][-1000:]}")
        try:
            signal = Signals(int(number)).name.removeprefix("SIG") if how == "signal" else None
        except ValueError as unknown:
            raise AgentFailed(self.name, f"agent shell: {unknown}") from unknown
        stdout, stderr = done["stdout"].encode(), done["stderr"].encode()
        return Result(done["exit_code"], stdout, stderr, signal)

    def begin(  # noqa: PLR0913 - one argument for each field of the request
        self,
        *,
        run: str,
        holder: str,
        nonce: str,
        lease_s: float,
        plan: Mapping[str, Any] | None = None,
        approval: State | None = None,
        claim: State | None = None,
        head: State | None = None,
    ) -> State:
        """Take the lease; raises Locked when another run holds it. The plan is kept on the host, with its signed approval.

        A claim names the process that takes it, and on what grounds (cutover/agent/lease.py).
        """
        request = {"run": run, "holder": holder, "nonce": nonce, "lease_s": lease_s, "claim": claim or {}, "head": head}
        kept = {"plan": plan, "approval": approval} if plan is not None else {}
        return self._ask("begin", ANSWER_S, **request, **kept)

    def renew(self, *, token: int, lease_s: float) -> State:
        """Prolong the lease and put the armed revert off."""
        return self._ask("renew", ANSWER_S, token=token, lease_s=lease_s)

    def release(self, *, token: int) -> State:
        """Give the lease back."""
        return self._ask("release", ANSWER_S, token=token)

    def arm(self, *, token: int, run: str, undo: Sequence[Step], confirm_s: float, budget_s: float) -> State:
        """Arm the host's own revert: it reverts by itself after confirm_s seconds without renewal."""
        steps = [step.for_host() for step in undo]
        return self._ask("arm", ARM_S, token=token, run=run, undo=steps, confirm_s=confirm_s, budget_s=budget_s)

    def disarm(self, *, token: int) -> State:
        """Confirm: remove the host's own revert."""
        return self._ask("disarm", ARM_S, token=token)

    def record(self, *, token: int, run: str, state: Mapping[str, Any], head: State | None = None) -> None:
        """Keep on the host how far the run has come, and how far its journal has."""
        self._ask("record", ANSWER_S, token=token, run=run, state=state, head=head)

    def status(self) -> State:
        """Lease, armed revert and known runs of the host."""
        return self._ask("status", ANSWER_S)

    def plan(self, run: str) -> State | None:
        """The `plan` of a run and its `approval` as the host keeps them, to be checked; None where it has no plan."""
        kept = self._ask("plan", ANSWER_S, run=run)
        return kept if kept["plan"] is not None else None

    def apply(  # noqa: PLR0913 - one argument for each field of the request
        self,
        *,
        run: str,
        batch: str,
        token: int,
        steps: Sequence[Step],
        files: Mapping[str, str],
        deadline_s: float,
        keep_going: bool = False,
        head: State | None = None,
    ) -> list[State]:
        """Have the host apply a batch under a unit of its own; asked again after a lost connection, it returns the same result."""
        request = {
            "run": run,
            "batch": batch,
            "token": token,
            "steps": [step.for_host() for step in steps],
            "files": {digest: base64.b64encode(text.encode()).decode() for digest, text in files.items()},
            "keep_going": keep_going,
            "head": head,
        }
        result = self._ask("apply", deadline_s, **request)["result"]
        if refused := result["refused"]:
            raise (Fenced if refused["reason"] == "fenced" else AgentFailed)(self.name, refused["message"])
        return self._of_steps("apply", result["outcomes"], steps)

    def _of_steps(self, verb: str, outcomes: list[State], steps: Sequence[Step]) -> list[State]:
        """The outcomes of steps, in their order as far as they came; AgentFailed where they are of others."""
        said, asked = [outcome["id"] for outcome in outcomes], [step.id for step in steps]
        if said != asked[: len(said)]:
            raise AgentFailed(
                self.name, f"agent {verb}: the answer is about {', '.join(said[:5])}, asked were {', '.join(asked[:5])}"
            )
        return outcomes

    def close(self) -> None:
        """End the agent on the host, and the connection."""
        self._pool.close()
        self.transport.close()

    def _ask(self, verb: str, deadline_s: float, **request: Any) -> State:
        document = {
            "verb": verb, "state_dir": self.state_dir, "deadline_s": deadline_s, "sent_at": time.time(), **request,
        }  # fmt: skip
        asked = json.dumps(document).encode()
        try:
            try:
                line = self._pool.ask(asked, deadline=deadline_s + ANSWER_S)
            except Lost:
                if verb not in READING:
                    raise
                line = self._pool.ask(asked, deadline=deadline_s + ANSWER_S)
        except ProgramEnded as ended:
            kind = NoPython if NO_PYTHON.search(ended.result.stderr) else AgentFailed
            raise kind(self.name, f"agent {verb}: {ended.problem.found}") from ended
        try:
            ok, answer = parse(verb, line)
        except Unreadable as wrong:
            raise AgentFailed(self.name, f"agent {verb}: the answer is not what was expected: {wrong}") from wrong
        if ok:
            return answer
        raise self._error(verb, answer["reason"], answer)

    def _error(self, verb: str, reason: str, answer: State) -> Exception:
        """The error for an answer that is not ok."""
        message = answer["message"]
        if reason == "locked":
            next_step = (
                f"wait for it, or stop it where it runs: Ctrl-C takes the safe path; where it is dead, {HOW_TO_STEAL}"
            )
            return Locked(Problem(host=self.name, found=message, next=next_step))
        if reason == "fenced":
            return Fenced(self.name, message)
        if reason == "unwritable":
            return HostUnwritable(self.name, f"agent {verb}: {message}", answer.get("path", ""))
        if reason in ("failed", "busy"):
            return AgentFailed(self.name, f"agent {verb}: {message}")
        next_step = REFUSED_NEXT.get(reason, "use the version of this tool that fits")
        return Refused(Problem(host=self.name, path=self.state_dir, found=message, next=next_step))


@cache
def sources_digest() -> str:
    """SHA-256 over the sources of the agent, which approvals name: its byte code depends on the Python of this machine."""
    whole = hashlib.sha256()
    for path in sorted(AGENT.rglob("*.py")):
        whole.update(f"{path.relative_to(AGENT)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


@cache
def packed() -> bytes:
    """The agent as one file, the same bytes each time: sources, and byte code, which a host of another Python passes over.

    The byte code saves a third of the start.
    """
    # Byte code that need not be compared with its source, PEP 552: magic number, flags 1, no hash.
    head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
    files: dict[str, bytes] = {}
    for name, text in _sources().items():
        files |= {name: text, f"{name}c": head + marshal.dumps(compile(text, name, "exec", optimize=0))}
    return _zip(files, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class Installed:
    """The agent as root keeps it on a host, where sudo allows that program alone; the same bytes whichever machine makes them."""

    python: str

    @property
    def content(self) -> bytes:
        """Sources alone, stored as they are: neither this machine's Python nor its zlib has a part in the digest."""
        return f"#!{self.python} -IS\n".encode() + _zip(_sources(), zipfile.ZIP_STORED)

    @property
    def digest(self) -> str:
        """SHA-256 of the program, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def path(self) -> str:
        """Where it lies; the name has its digest, so that a controller never meets the agent of another version."""
        return f"/usr/local/libexec/cutover-agent-{self.digest[:16]}"

    def rule(self, user: str) -> str:
        """The one line that sudoers need for a login."""
        return f"{user} ALL=(root) NOPASSWD: sha256:{self.digest} {self.path} serve"


@cache
def _sources() -> dict[str, bytes]:
    main = b"import sys\nfrom cutover.agent.__main__ import main\nsys.exit(main())\n"
    modules = {f"cutover/agent/{path.relative_to(AGENT)}": path.read_bytes() for path in sorted(AGENT.rglob("*.py"))}
    return {"__main__.py": main, "cutover/__init__.py": b"", **modules}


def _zip(files: Mapping[str, bytes], compression: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for path, content in files.items():
            info = zipfile.ZipInfo(path, date_time=(1980, 1, 1, 0, 0, 0))  # the same sources make the same bytes
            info.compress_type = compression
            archive.writestr(info, content)
    return buffer.getvalue()
