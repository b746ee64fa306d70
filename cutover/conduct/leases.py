"""Hold every host of a run: take all leases or none, keep them alive, give them back."""

import getpass
import os
import secrets
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from cutover.conduct.fleet import as_problems, raise_all
from cutover.conduct.session import Session
from cutover.world.agent import Fenced, HostAgent
from cutover.world.remote.pool import Outcome

ASK_S = 30.0  # for all hosts to answer a small request


def holder() -> str:
    """Who holds a lease, for people: user@machine and the process."""
    return f"{getpass.getuser()}@{socket.gethostname()} (process {os.getpid()})"


@contextmanager
def held(session: Session, plans: Mapping[str, object] | None = None) -> Iterator[None]:
    """Take the leases of all hosts, renew them in the background, give them back in the end."""
    _take(session, plans)
    keeper = Keeper(session)
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()
        _give_back(session)


def regain(session: Session) -> None:
    """Take the leases again of hosts that locked the run out by going back themselves; those that refuse stay without."""
    lost = [name for name in session.hosts if name not in session.tokens]
    if lost:
        _begin(session, lost, None)


def _take(session: Session, plans: Mapping[str, object] | None) -> None:
    outcomes = _begin(session, session.hosts, plans)
    if any(outcome.error for outcome in outcomes.values()):
        _give_back(session)
    raise_all(outcomes)


def _begin(session: Session, hosts: Sequence[str], plans: Mapping[str, object] | None) -> dict[str, Outcome[int]]:
    nonce, who = secrets.token_hex(8), holder()

    def begin(agent: HostAgent) -> int:
        plan = None if plans is None else {"run": session.run, "host": plans[agent.name]}
        answer = agent.begin(run=session.run, holder=who, nonce=nonce, lease_s=session.times.lease, plan=plan)
        return int(answer["lease"]["token"])

    outcomes = session.fleet.each(begin, hosts, deadline=ASK_S)
    session.tokens.update({name: outcome.value for name, outcome in outcomes.items() if outcome.value is not None})
    session.tell("lease.taken", holder=who, tokens={name: session.tokens[name] for name in hosts if name in session.tokens})
    return outcomes


def _give_back(session: Session) -> None:
    """Release what is held; a lease that cannot be given back ends by itself, and is told."""
    outcomes = session.fleet.each(lambda agent: agent.release(token=session.tokens[agent.name]), list(session.tokens), deadline=ASK_S)
    failed = {name: str(outcome.error) for name, outcome in outcomes.items() if outcome.error is not None}
    session.tell("lease.released", hosts=[name for name in outcomes if name not in failed], failed=failed)
    session.tokens.clear()


class Keeper:
    """Renews leases and puts off armed reverts in the background, until stopped or until a host refuses."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease-keeper", daemon=True)

    def start(self) -> None:
        """Begin renewing."""
        self._thread.start()

    def stop(self) -> None:
        """Stop renewing; returns when no renewal is under way any more."""
        self._done.set()
        self._thread.join(ASK_S)

    def _keep(self) -> None:
        while not self._done.wait(self._session.times.renew):
            for name, token in list(self._session.tokens.items()):
                self._renew(name, token)

    def _renew(self, name: str, token: int) -> None:
        """Renew one host outside the pool, so that work on the host does not hold its renewal up."""
        try:
            self._session.fleet.agents[name].renew(token=token, lease_s=self._session.times.lease)
        except Fenced as fenced:
            self._session.tokens.pop(name, None)  # nothing more may be changed there
            self._session.tell("lease.lost", host=name, found=str(fenced))
        except Exception as failure:  # a renewal that fails is tried again; the host's own clock decides when it is too late
            problem = as_problems(failure, name)[0]
            self._session.tell("lease.not_renewed", host=name, found=problem.found)
