"""The controller's side of the host agent: it is sent when a host is asked first, and answers from memory for as long as it is needed."""

import base64
import importlib.util
import io
import json
import marshal
import threading
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from signal import Signals
from typing import Any

from cutover.agent.serve import SILENCE_S
from cutover.core.errors import Locked, Problem, Refused
from cutover.core.step import State, Step
from cutover.remote.base import Conversation, DeadlinePassed, Ended, RemoteError, Result, Transport

# Questions to a program that is kept running on a host: started when there is something to ask, and used again.

# The agent ends by itself after a longer silence (cutover/agent/serve.py): one that may be about to is not asked any more.
FRESH_S = 40.0


@dataclass(frozen=True)
class _Idle:
    conversation: Conversation
    since: float  # monotonic


class Asking:
    """One question at a time goes to each running program; who finds all of them busy starts another."""

    def __init__(self, transport: Transport, argv: Sequence[str], opening: bytes) -> None:
        self._transport, self._argv, self._opening = transport, argv, opening
        self._idle: list[_Idle] = []
        self._lock = threading.Lock()

    def ask(self, line: bytes, *, deadline: float) -> bytes:
        """The line that answers this one; the deadline (seconds) covers the start of a program as well."""
        end = time.monotonic() + deadline
        conversation = self._take() or self._transport.converse(
            self._argv, opening=self._opening, sudo=True, deadline=deadline
        )
        try:
            answer = conversation.ask(line, deadline=end - time.monotonic())
        except BaseException:
            conversation.close()
            raise
        with self._lock:
            self._idle.append(_Idle(conversation, time.monotonic()))
        return answer

    def close(self) -> None:
        """End the programs that nobody is waiting for."""
        with self._lock:
            idle, self._idle = self._idle, []
        for one in idle:
            one.conversation.close()

    def _take(self) -> Conversation | None:
        """The one that was used last, if it can be used again; the others are ended as they get old."""
        with self._lock:
            fresh_after = time.monotonic() - FRESH_S
            usable = [one for one in self._idle if one.conversation.alive and one.since > fresh_after]
            ended = [one for one in self._idle if one not in usable]
            self._idle, taken = usable[:-1], usable[-1:]
        for one in ended:
            one.conversation.close()
        return taken[0].conversation if taken else None


AGENT = Path(__file__).parent.parent / "agent"
HOW_TO_STEAL = "`./invokew abort --steal-lock NONCE`, with the nonce that `./invokew status` shows"
REFUSED_NEXT = {
    "spent": "plan again: a run that has gone back is not gone on with",
    "unsettled": "`./invokew rollback` settles it, or `./invokew cutover --resume` goes on with it",
}
ANSWER_S = 10.0  # what a request may take beyond the work that it asks for: connection, start, result

# Runs the agent from memory, so that looking at a host leaves nothing on it. What comes on standard input is the agent, then the requests.
# A controller that is cut off while it sends the agent sends no end of input either: that silence ends what waits for it, too.
BOOT = f"""\
import os, signal, sys
signal.alarm({SILENCE_S})
size = int(sys.argv.pop(1))
file = os.memfd_create("cutover-agent")
os.write(file, sys.stdin.buffer.read(size))
sys.argv[0] = f"/proc/self/fd/{{file}}"
sys.path.insert(0, sys.argv[0])
from cutover.agent.__main__ import main
sys.exit(main())
"""


class Fenced(RemoteError):
    """The host no longer accepts this run: another holds the lease, or the host went back by itself."""

    def __init__(self, host: str, message: str) -> None:
        super().__init__(
            host, message, "see who rules the host with `./invokew status`; this run may not change it any more"
        )


class AgentFailed(RemoteError):
    """The agent itself failed, or answered something that is not an answer."""

    def __init__(self, host: str, message: str) -> None:
        super().__init__(host, message, "see the log for what the host said; `./invokew status` asks it again")


class HostUnwritable(RemoteError):
    """The host cannot write down what it is asked for: a full or a read-only disk."""

    def __init__(self, host: str, verb: str, message: str, path: str) -> None:
        super().__init__(
            host,
            f"agent {verb}: {message}",
            f"make it writable, or make room (on the host: `df -h {path}`, `mount`); then run it again",
        )
        self.problem = replace(self.problem, path=path)


@cache
def packed() -> bytes:
    """The agent as one file, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "__main__.py", "import sys\nfrom cutover.agent.__main__ import main\nsys.exit(main())\n")
        _add(archive, "cutover/__init__.py", "")
        for path in sorted(AGENT.rglob("*.py")):
            _add(archive, f"cutover/agent/{path.relative_to(AGENT)}", path.read_text())
    return buffer.getvalue()


class HostAgent:
    """One host's agent. Raises Locked, Fenced, Refused, HostUnwritable, AgentFailed, or what the transport raises."""

    def __init__(self, transport: Transport, *, state_dir: str, python: str = "/usr/bin/python3") -> None:
        self.transport = transport
        self.name = transport.name
        self.state_dir = state_dir
        self.journal_head: Callable[[], State | None] = lambda: (
            None
        )  # how far the run's journal has come, which hosts keep
        # -S: it needs nothing that was installed there, and finding out what was takes a third of Python's start.
        argv = [python, "-I", "-S", "-c", BOOT, str(len(packed())), "serve"]
        self._asking = Asking(transport, argv, packed())

    def look(self, steps: Sequence[Step], *, deadline_s: float = 30) -> dict[str, State]:
        """What each step finds on the host; changes nothing."""
        answer = self._ask("look", deadline_s, steps=[step.for_host() for step in steps])
        states: dict[str, State] = answer["states"]
        return states

    def measure(self, steps: Sequence[Step], *, deadline_s: float) -> list[State]:
        """Run commands and probes outside any run, for `validate` and the like; needs no lease."""
        answer = self._ask("measure", deadline_s, steps=[step.for_host() for step in steps])
        outcomes: list[State] = answer["outcomes"]
        return outcomes

    def shell(self, script: str, *, deadline: float) -> Result:
        """Run shell text on the host as root, for checks; needs no lease. DeadlinePassed where it takes longer (seconds)."""
        ended = self._ask("shell", deadline, script=script)
        how, _, number = ended["end"].partition(" ")
        if ended["end"] == "deadline passed":
            raise DeadlinePassed(self.name, f"no end of the command within {deadline:.1f} s")
        if ended["end"] == "not found":
            raise AgentFailed(self.name, f"agent shell: {ended['stderr']}")
        name = Signals(int(number)).name.removeprefix("SIG") if how == "signal" else None
        return Result(
            ended["exit_code"], ended["stdout"].encode(), ended["stderr"].encode(), ended["seconds"], signal=name
        )

    def begin(
        self,
        *,
        run: str,
        holder: str,
        nonce: str,
        lease_s: float,
        plan: Mapping[str, Any] | None = None,
        claim: State | None = None,
    ) -> State:
        """Take the lease; raises Locked when another run holds it. The plan is kept on the host.

        A claim says which process takes it, and on what grounds (cutover/agent/lease.py).
        """
        request: dict[str, Any] = {
            "run": run,
            "holder": holder,
            "nonce": nonce,
            "lease_s": lease_s,
            "claim": claim or {},
        }
        request["head"] = self.journal_head()
        return self._ask("begin", ANSWER_S, **request, **({"plan": plan} if plan is not None else {}))

    def renew(self, *, token: int, lease_s: float) -> State:
        """Prolong the lease and put the armed revert off."""
        return self._ask("renew", ANSWER_S, token=token, lease_s=lease_s)

    def release(self, *, token: int) -> State:
        """Give the lease back."""
        return self._ask("release", ANSWER_S, token=token)

    def arm(self, *, token: int, run: str, undo: Sequence[Step], confirm_s: float, budget_s: float) -> State:
        """Arm the host's own revert: it goes back by itself after confirm_s seconds without renewal."""
        steps = [step.for_host() for step in undo]
        return self._ask("arm", 30, token=token, run=run, undo=steps, confirm_s=confirm_s, budget_s=budget_s)

    def disarm(self, *, token: int) -> State:
        """Confirm: take the host's own revert away."""
        return self._ask("disarm", 30, token=token)

    def record(self, *, token: int, run: str, state: Mapping[str, Any]) -> None:
        """Leave word on the host of how far the run has come, and of how far its journal has."""
        self._ask("record", ANSWER_S, token=token, run=run, state=state, head=self.journal_head())

    def status(self) -> State:
        """Lease, armed revert and known runs of the host."""
        return self._ask("status", ANSWER_S)

    def plan(self, run: str) -> State | None:
        """The plan of a run as the host keeps it; None where it has none."""
        kept: State | None = self._ask("plan", ANSWER_S, run=run)["plan"]
        return kept

    def apply(
        self,
        *,
        run: str,
        batch: str,
        token: int,
        steps: Sequence[Step],
        files: Mapping[str, str],
        deadline_s: float,
        keep_going: bool = False,
    ) -> list[State]:
        """Have the host work through a batch under a unit of its own; asked again after a lost connection, it gives the same result."""
        request = {
            "run": run,
            "batch": batch,
            "token": token,
            "steps": [step.for_host() for step in steps],
            "files": {digest: base64.b64encode(text.encode()).decode() for digest, text in files.items()},
            "keep_going": keep_going,
            "head": self.journal_head(),
        }
        answer = self._ask("apply", deadline_s, **request)["result"]
        if answer["refused"]:
            refused = Fenced if answer["refused"]["reason"] == "fenced" else AgentFailed
            raise refused(self.name, answer["refused"]["message"])
        outcomes: list[State] = answer["outcomes"]
        return outcomes

    def close(self) -> None:
        """End the agent on the host, and the connection."""
        self._asking.close()
        self.transport.close()

    def _ask(self, verb: str, deadline_s: float, **request: Any) -> State:
        document = {"verb": verb, "place": self.state_dir, "deadline_s": deadline_s, "sent_at": time.time(), **request}
        try:
            said = self._asking.ask(json.dumps(document).encode(), deadline=deadline_s + ANSWER_S)
        except Ended as ended:
            raise AgentFailed(self.name, f"agent {verb}: {ended.problem.found}") from ended
        try:
            answer: State = json.loads(said)
        except ValueError:
            raise AgentFailed(self.name, f"agent {verb} said what is no answer: {said[:2000]!r}") from None
        if answer["ok"]:
            return answer
        if answer["reason"] == "locked":
            raise Locked(
                Problem(
                    host=self.name,
                    found=answer["message"],
                    next=f"wait for it, or stop it where it runs: Ctrl-C takes the safe path; where it is dead, {HOW_TO_STEAL}",
                )
            )
        if answer["reason"] == "fenced":
            raise Fenced(self.name, answer["message"])
        if answer["reason"] == "unwritable":
            raise HostUnwritable(self.name, verb, answer["message"], answer["path"])
        if answer["reason"] in ("failed", "busy"):
            raise AgentFailed(self.name, f"agent {verb}: {answer['message']}")
        raise Refused(
            Problem(
                host=self.name,
                path=self.state_dir,
                found=answer["message"],
                next=REFUSED_NEXT.get(answer["reason"], "use the version of this tool that fits"),
            )
        )


def _add(archive: zipfile.ZipFile, name: str, text: str) -> None:
    """Add a module as source and as byte code, which a host of another Python passes over; it saves a third of the start."""
    # Byte code that need not be compared with its source, PEP 552: magic number, flags 1, no hash.
    code = (
        importlib.util.MAGIC_NUMBER
        + (1).to_bytes(4, "little")
        + bytes(8)
        + marshal.dumps(compile(text, name, "exec", optimize=0))
    )
    for path, content in ((name, text.encode()), (f"{name}c", code)):
        info = zipfile.ZipInfo(path, date_time=(1980, 1, 1, 0, 0, 0))  # the same sources make the same bytes
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, content)
