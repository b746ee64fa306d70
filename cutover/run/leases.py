"""Hold every host of a run: take all leases or none, keep them alive, give them back."""

import getpass
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cutover.core.errors import Locked, Problem
from cutover.core.step import State
from cutover.remote.agent import HOW_TO_STEAL, Fenced, HostAgent
from cutover.remote.fleet import HostOutcome, as_problems, failures, raise_all
from cutover.remote.timeouts import ASK_S, REGAIN_S
from cutover.run.session import Session


def holder() -> str:
    """Who holds a lease, for people: user@machine and the process."""
    return f"{getpass.getuser()}@{socket.gethostname()} (process {os.getpid()})"


def _held(statuses: Mapping[str, State]) -> dict[str, State]:
    """The leases by which runs hold hosts now; `statuses` are what the agents say, by host."""
    return {name: status["lease"] for name, status in statuses.items() if status["lease"]["held"]}


def refuse_held(statuses: Mapping[str, State]) -> None:
    """Raise Locked where a run holds a host."""
    next_ = f"stop it where it runs: Ctrl-C takes the safe path; a dead one's lease ends by itself, or {HOW_TO_STEAL}"
    found = {
        name: f"run {lease['run']} of {lease['holder']} holds this host for {lease['seconds_left']} s more"
        for name, lease in _held(statuses).items()
    }
    if found:
        raise Locked(Problem(host=name, found=words, next=next_) for name, words in found.items())


def dead_holders(run: str | None, statuses: Mapping[str, State], steal: str = "") -> dict[str, str]:
    """By host, the nonce of a lease of this run (of any, where None) that may be taken over: its holder was here, and has ended.

    Or the holder is the one that a person names to `steal`, whatever its run and wherever its holder is.
    """
    return {
        name: lease["nonce"]
        for name, lease in _held(statuses).items()
        if (run in (None, lease["run"]) and is_dead(lease.get("process", ""))) or (steal and lease["nonce"] == steal)
    }


def refuse_living_holders(statuses: Mapping[str, State], steal: str) -> None:
    """Raise Locked where a run holds a host whose holder may be alive, unless it is the one to `steal` from."""
    dead = dead_holders(None, statuses, steal)
    refuse_held({host: one for host, one in statuses.items() if host not in dead})


def refuse_wrong_nonce(statuses: Mapping[str, State], steal: str) -> None:
    """Raise Locked where hosts are held and none of them by the holder whose nonce was given."""
    leases = _held(statuses)
    if steal and leases and steal not in [lease["nonce"] for lease in leases.values()]:
        raise Locked(
            Problem(
                host=name,
                path="--steal-lock",
                found=f"`{steal}` is not the nonce of run {lease['run']} of {lease['holder']}, which holds this host",
                next=HOW_TO_STEAL,
            )
            for name, lease in leases.items()
        )


def take_leases(session: Session) -> None:
    """Take the leases of all hosts or of none; each host gets its part of the plan to keep."""
    plans = {name: session.plan.of_host(name).model_dump(mode="json") for name in session.hosts}
    session.leases.enter_context(held(session, plans))


def take_leases_as_far_as_possible(session: Session) -> None:
    """Take the leases of the hosts that give them: no host keeps another from going back. Locked where a run holds all that answer."""
    session.leases.enter_context(held(session, all_or_none=False))


@contextmanager
def held(
    session: Session, plans: Mapping[str, Mapping[str, Any]] | None = None, *, all_or_none: bool = True
) -> Iterator[None]:
    """Take the leases of all hosts, renew them in the background, give them back in the end."""
    outcomes = _begin(session, plans)
    refused = {
        name: one for name, one in outcomes.items() if one.error and (all_or_none or isinstance(one.error, Locked))
    }
    if refused and (all_or_none or all(one.error for one in outcomes.values())):
        _give_back(session)
        raise_all(refused)
    session.elsewhere = refused
    try:
        with _renewed(session):
            yield
    finally:
        _give_back(session)


def regain(session: Session) -> tuple[list[Problem], list[Problem]]:
    """Take the leases again of hosts that locked the run out by going back themselves.

    Gives those that another has taken, and those that do not answer: not for long, since the others are waiting.

    All are asked: that a host did so may not have been noticed yet. One that is still ours gives the same token again;
    one that somebody else has had meanwhile is theirs, and a controller that comes back late changes nothing there. Nor is one
    asked that another run held from the beginning: what that run did with it since is not known here.
    """
    outcomes = session.elsewhere | _begin(session, deadline=REGAIN_S)
    taken = {name: one for name, one in outcomes.items() if isinstance(one.error, Fenced | Locked)}
    return failures(taken), failures({name: one for name, one in outcomes.items() if name not in taken})


def _begin(
    session: Session, plans: Mapping[str, Mapping[str, Any]] | None = None, deadline: float = ASK_S
) -> dict[str, HostOutcome[int]]:
    """Ask every host for its lease; what came of it is in the journal and in the session."""
    who, process = holder(), identity()

    def begin(agent: HostAgent) -> int:
        claim = {
            "process": process, "instead_of": session.dead.get(agent.name, ""), "again": agent.name in session.had,
        }  # fmt: skip
        answer = agent.begin(
            run=session.run, holder=who, nonce=session.nonce, lease_s=session.times.lease,
            plan=plans[agent.name] if plans else None, approval=session.approval, claim=claim, head=session.journal.head,
        )  # fmt: skip
        if answer["reverted"] is not None:
            session.reverted[agent.name] = answer["reverted"]
        return int(answer["lease"]["token"])

    asked = [name for name in session.hosts if name not in session.elsewhere]
    outcomes = session.fleet.each(begin, asked, deadline=deadline)
    session.tokens.update({name: one.value for name, one in outcomes.items() if one.value is not None})
    session.had.update(session.tokens)
    session.record("lease.taken", holder=who, tokens=dict(session.tokens))
    return outcomes


def _give_back(session: Session) -> None:
    """Release what is held; a lease that cannot be given back is recorded, and ends by itself."""
    tokens = dict(session.tokens)
    outcomes = session.fleet.each(lambda agent: agent.release(token=tokens[agent.name]), list(tokens), deadline=ASK_S)
    failed = {name: str(outcome.error) for name, outcome in outcomes.items() if outcome.error is not None}
    session.record("lease.released", hosts=[name for name in outcomes if name not in failed], failed=failed)
    session.tokens.clear()


@contextmanager
def _renewed(session: Session) -> Iterator[None]:
    """Renew leases and put off armed reverts in the background; none is under way any more when it ends.

    One thread a host, outside the pool: neither work on a host nor another host that hangs may hold a renewal up.
    """
    done = threading.Event()
    threads = [
        threading.Thread(target=_renew, args=(session, name, done), name=f"keeper-{name}", daemon=True)
        for name in session.hosts
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        end = time.monotonic() + ASK_S
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))


def _renew(session: Session, name: str, done: threading.Event) -> None:
    while not done.wait(session.times.renew):
        token = session.tokens.get(name)
        if token is None:
            continue
        try:
            session.fleet.agents[name].renew(token=token, lease_s=session.times.lease)
        except Fenced as fenced:
            session.lose(name, token, str(fenced))
        except Exception as failure:  # noqa: BLE001 - it is tried again; the host's own clock decides when it is too late
            session.record("lease.not_renewed", host=name, found=as_problems(failure, name)[0].found)


# Which process holds a lease, so that another one on this machine can find out whether it still lives.

PROC = Path("/proc")


def identity() -> str:
    """Boot, process namespace, process and its start: no other process is ever the same. Empty where the system does not say."""
    numbering, started = _numbering(), _started(os.getpid())
    return f"{numbering}/{os.getpid()}/{started}" if numbering and started else ""


def is_dead(process: str) -> bool:
    """Whether the process of an identity has certainly ended. One of another machine, or without an identity, may live."""
    parts = process.split("/")
    if len(parts) != 4 or "/".join(parts[:2]) != _numbering():
        return False
    return _started(int(parts[2])) != parts[3]


def _numbering() -> str:
    """Where process ids mean the same: this boot, this process namespace."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process was started, in ticks since boot; empty where there is none, or only its remains."""
    try:
        figures = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if figures[0] in ("Z", "X") else figures[19]
