"""A whole run on hosts in memory, on a machine that can be killed at any boundary of its journal; and the next machine."""

import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cutover.core.errors import CutoverError, ExitCode, Problem
from cutover.inventory.targets import Targets
from cutover.journal import rundir
from cutover.journal.journal import Journal, read
from cutover.journal.record import Record
from cutover.journal.rundir import RunDir, RunDirs
from cutover.plan.plan import Plan
from cutover.remote.agent import HostAgent
from cutover.remote.fleet import Fleet, Pool
from cutover.remote.transport import Lost, Result
from cutover.run import cutover, history, kept_plans, leases, resume, rollback, rollback_check, verify
from cutover.run import session as sessions
from cutover.run.options import RunOptions
from cutover.run.session import Session, StopSignal
from tests.run.fakehosts import ALL, RUN, TIMES, FakeHost, World, plan_of, targets_of
from tests.transports import Call, FakeTransport

HOSTS = (("a",), ("b",))  # one canary, then the other


class Killed(BaseException):
    """The controller was killed: nothing of it runs any more."""


@dataclass
class Machine:
    """A machine with a checkout of its own, which may be killed when its journal has so many records."""

    world: World
    folder: Path
    batches: tuple[tuple[str, ...], ...]
    dies_after: int = 10**9
    dead: bool = False
    silent: set[str] = field(default_factory=set)
    limit: tuple[str, ...] = ()  # of the commands, but for `begin`
    records: int = 0
    run: str = RUN
    stop: StopSignal = field(default_factory=StopSignal)

    @property
    def runs(self) -> RunDirs:
        """Its run directories."""
        return self.options("status").runs

    @property
    def names(self) -> tuple[str, ...]:
        """All hosts."""
        return tuple(name for batch in self.batches for name in batch)

    @property
    def targets(self) -> Targets:
        """As much of the targets as is read."""
        return targets_of(self.folder, [name for name in self.names if not self.limit or name in self.limit])

    def plan(self) -> Plan:
        """The plan of all hosts."""
        return plan_of(self.run, self.batches)

    def options(self, command: str, **given: Any) -> RunOptions:
        """What a person asks of this machine, who says yes to everything."""
        return RunOptions(self.folder, command, yes=True, json=True, **given)

    def session(self, command: str, **given: Any) -> Session:
        """What a command begins with."""
        options = self.options(command, **given)
        return Session(options.ask(), options, self.targets, stop=self.stop)

    def fleet(self, names: Sequence[str]) -> Fleet:
        """Connections from this machine."""
        answers = {name: self._answer(self.world.host(name)) for name in names if name not in self.silent}
        agents = {name: HostAgent(FakeTransport(name, one), state_dir="/state") for name, one in answers.items()}
        return Fleet(agents, Pool(4))

    def _answer(self, host: FakeHost) -> Any:
        def answer(call: Call) -> Result:
            for _ in range(2):
                if self.dead:
                    raise Lost(host.name, "the machine is gone")
                result = host.answer(call)
                if not self.dead:
                    return result
            raise Lost(host.name, "the machine is gone")

        return answer

    def begins_anew(self) -> None:
        """It was killed, and lives again."""
        self.dead, self.dies_after = False, 10**9

    def interrupt(self) -> None:
        """What Ctrl-C does to the command that runs."""
        self.stop.hear(signal.SIGINT)

    def begin(self, *, only_prepare: bool = False) -> CutoverError | Killed | None:
        """A whole run from this machine; gives how it ended, if not well."""
        session = self.session("prepare" if only_prepare else "cutover")
        session.directory = RunDir(self.runs.root / self.run)
        session.directory.evidence.mkdir(parents=True, exist_ok=True)
        return self._does(lambda: cutover.cutover(session))

    def is_finished(self) -> tuple[bool, CutoverError | Killed | None]:
        """Whether the run is done and needs nothing, as `cutover --run` asks first; and how that ended, if not well."""
        said: list[bool] = []
        end = self._does(lambda: said.append(verify.is_finished(self.targets, RunDir(self.runs.root / self.run))))
        return any(said), end

    def resume(self, run: str = "", *, only_prepare: bool = False) -> tuple[str, CutoverError | Killed | None]:
        """`--resume`; gives the run's id and how it ended, if not well."""
        session = self.session("prepare" if only_prepare else "cutover", run=run, resume=True)
        end = self._does(lambda: resume.resume(session))
        return session.run if session.status else "", end

    def rollback(
        self, run: str = "", *, steal: str = "", resume: bool = False
    ) -> tuple[tuple[str, ...], CutoverError | Killed | None]:
        """`rollback`; gives the hosts that were settled and how it ended, if not well."""
        return self._takes_back(self.session("rollback", run=run, reason="by hand", resume=resume, steal_lock=steal))

    def _takes_back(self, session: Session) -> tuple[tuple[str, ...], CutoverError | Killed | None]:
        hosts: list[str] = []
        end = self._does(lambda: hosts.extend(rollback.rollback(session)))
        return tuple(hosts), end

    def abort(self, *, steal: str = "") -> tuple[list[str], CutoverError | Killed | None]:
        """`abort`; gives what it did, host by host, and how it ended, if not well."""
        session = self.session("abort", steal_lock=steal)
        hosts, end = self._takes_back(session)
        released: dict[str, list[str]] = {}
        if end is None:
            end = self._does(lambda: released.update(rollback.give_up(self.targets, session.options)[0]))
        given = [f"{name} released" for names in released.values() for name in names]
        return [*(f"{name} back" for name in hosts), *given], end

    def _does(self, work: Any) -> CutoverError | Killed | None:
        ACTING.machine = self
        try:
            work()
        except (CutoverError, Killed) as end:
            return end
        return None

    @property
    def written(self) -> list[Record]:
        """The journal of its run."""
        return read(RunDir(self.runs.root / self.run).journal_file)

    def journal(self) -> list[str]:
        """The kinds of all records, in order."""
        return [record.kind for record in self.written]

    def last_end(self) -> int:
        """The exit code of the last end in the journal."""
        return int([record for record in self.written if record.kind == "run.finished"][-1].data["exit_code"])


class _Acting(threading.local):
    """Whose command runs in this thread."""

    machine: Machine


ACTING = _Acting()


class Mortal(Journal):
    """A journal that ends with its machine."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._machine = ACTING.machine

    def write_all(self, kind: str, several: Sequence[dict[str, Any]]) -> None:
        """Write, and die where that is due: after each record, as if each had been flushed alone."""
        with self._lock:
            for data in several:
                if self._machine.dead:
                    raise Killed
                super().write_all(kind, [data])
                self._machine.records += 1
                if self._machine.records >= self._machine.dies_after:
                    self._machine.dead = True
                    raise Killed


@contextmanager
def _reached(targets: Targets) -> Iterator[tuple[Fleet, list[Problem]]]:
    machine = ACTING.machine
    silent = [name for name in targets.names if name in machine.silent]
    problems = [Problem(host=name, found="no route to host", next="see its cable") for name in silent]
    yield machine.fleet(targets.names), problems


def _make_plan(session: Session) -> None:
    session.take_plan(ACTING.machine.plan(), {}, None)
    session.plan.save(session.directory.plan_file)
    plan = session.plan
    session.record(
        "plan.made",
        fingerprint=plan.fingerprint,
        release=plan.release.id,
        hosts=list(plan.hosts),
        batches=plan.batches,
        already=[],
    )


def _plan_anew(_targets: Targets, kept: Mapping[str, Plan]) -> tuple[list[Plan], list[Problem]]:
    first = next(iter(kept.values()), None)
    if first is None:
        return [], []
    return [
        plan_of(first.run, first.batches).model_copy(update={"hosts": plan_of(first.run, (tuple(kept),)).hosts})
    ], []


@dataclass
class Holders:
    """Whether holders of leases are taken for dead: all machines here are one process, which lives."""

    dead: bool = True


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> Holders:
    """Everything that a whole command does, but for the network, the release and the inventory."""
    monkeypatch.setattr(rundir, "Journal", Mortal)
    for module in (history, resume, rollback, verify, rollback_check):
        monkeypatch.setattr(module, "reached", _reached)
    for module in (sessions, rollback):
        monkeypatch.setattr(module, "times_of", lambda _targets: TIMES)
    monkeypatch.setattr(sessions, "show_journal", lambda _session: None)
    monkeypatch.setattr(cutover, "make_plan", _make_plan)
    monkeypatch.setattr(kept_plans, "plan_anew", _plan_anew)
    monkeypatch.setattr(resume, "get_release", lambda _session: None)
    holders = Holders()
    monkeypatch.setattr(leases, "is_dead", lambda _process: holders.dead)
    return holders


@pytest.fixture
def confirmed(world: World, tmp_path: Path, machines: Holders) -> Machine:  # noqa: ARG001 - set up first
    """A machine whose cutover of both hosts has ended well."""
    one = Machine(world, tmp_path, HOSTS)
    assert one.begin() is None
    return one


def killed(
    world: World, folder: Path, phase: str, host: str = "a", *batches: tuple[str, ...], only_prepare: bool = False
) -> Machine:
    """A machine that was killed in a phase of its cutover, while a host worked on it, and is about to begin anew."""
    one = Machine(world, folder, batches or HOSTS)
    world.host(host).meanwhile[phase] = lambda: setattr(one, "dead", True)
    one.begin(only_prepare=only_prepare)
    world.host(host).meanwhile.clear()
    one.begins_anew()
    return one


def code_of(end: BaseException | None) -> int:
    """The exit code of an end."""
    assert not isinstance(end, Killed)
    return int(end.exit_code) if isinstance(end, CutoverError) else int(ExitCode.DONE)


def on_v2(world: World, *names: str) -> bool:
    """Whether these hosts have gone all the way, and nothing is left armed or held."""
    hosts = [world.host(name) for name in names]
    return all(set(ALL) <= host.marks and not host.armed and not host.held_by["held"] for host in hosts)
