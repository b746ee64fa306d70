"""Hosts in memory that run the real host-side agent (leases, batches, reverts), over a world of marks instead of services.

A step of kind "mark" sets its key on the host; "unmark" takes keys away. What breaks, hangs up or happens meanwhile is
reported to the host beforehand.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cutover.agent import __main__ as agent_main
from cutover.agent import batch, lease, modules, revert
from cutover.agent.modules import MODULES
from cutover.agent.state_dir import StateDir
from cutover.agent.work import CannotChange, LeftAsItIs, Module, State, Work
from cutover.core.errors import CutoverError
from cutover.core.step import Step
from cutover.core.verdict import Verdict
from cutover.inventory.targets import Targets
from cutover.journal.journal import Journal
from cutover.journal.record import Record
from cutover.journal.rundir import RunDir
from cutover.plan.gate import Finding
from cutover.plan.phases import COMMITTING, PHASES, ROLLBACK, Phase
from cutover.plan.plan import HostPlan, Plan, ReleasePlan, ServicePlan
from cutover.remote.agent import HostAgent
from cutover.remote.fleet import Fleet, Pool
from cutover.remote.timeouts import Times
from cutover.remote.transport import Lost, Result
from cutover.run.cutover import commit_or_go_back, prepare
from cutover.run.leases import held
from cutover.run.options import RunOptions
from cutover.run.session import Session
from tests.toy import toy_plan
from tests.transports import Call, FakeTransport, says

RUN = "20260102T030405Z-abc123"
COMMITS = [phase.name for phase in COMMITTING]
ALL = [phase.name for phase in PHASES]
TIMES = Times(lease=60, confirm=60, renew=3600, phase=20, rollback_budget=20, bake=0, bake_every=0.01)


@dataclass
class FakeHost:
    """One host: its marks, what was changed in which order, and what is wrong with it."""

    name: str
    place: StateDir
    marks: set[str] = field(default_factory=set)
    changes: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)  # what may not be touched any more
    lose: dict[str, int] = field(default_factory=dict)  # verb -> how many answers get lost after they took effect
    silent: bool = False
    invocation: str = "i1"
    meanwhile: dict[str, Callable[[], object]] = field(default_factory=dict)  # key -> what happens while it is changed
    asked: list[str] = field(default_factory=list)

    def answer(self, call: Call) -> Result:
        """What the agent on this host answers."""
        request = {**json.loads(call.stdin[int(call.argv[5]) :]), "received_at": time.time()}
        verb = request["verb"]
        self.asked.append(verb)
        if self.silent:
            raise Lost(self.name, "no route to host")
        answer = agent_main.answered(request | {"state_dir": str(self.place.root)})
        result = says(json.dumps(answer) + "\n")
        if self.lose.get(verb, 0) > 0:
            self.lose[verb] -= 1
            raise Lost(self.name, "the connection was lost with a command in flight")
        return result

    @property
    def armed(self) -> bool:
        """Whether its own revert is armed."""
        return bool(revert.state(self.place)["armed"])

    @property
    def held_by(self) -> State:
        """Its lease as it stands."""
        return dict(lease.current(self.place))

    def goes_back_by_itself(self) -> None:
        """What its timer would do."""
        assert revert.revert(self.place)["reverted"]


class World:
    """All fake hosts, and the kinds of steps that change them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hosts: dict[str, FakeHost] = {}
        self.kinds = {**MODULES, "mark": Module(self.look, self.mark), "unmark": Module(self.look, self.unmark)}

    def host(self, name: str) -> FakeHost:
        """A host of the world, made when it is named first."""
        if name not in self.hosts:
            (self.folder / name).mkdir()
            self.hosts[name] = FakeHost(name, StateDir(self.folder / name / "state"))
        return self.hosts[name]

    def look(self, args: Mapping[str, Any], _work: Work) -> State:
        """Which marks there are."""
        host = self.hosts[args["host"]]
        return {
            "marks": sorted(host.marks),
            "invocation": host.invocation,
            **{key: key in host.marks for key in args["keys"]},
        }

    def mark(self, args: Mapping[str, Any], _desired: object, _before: object, _work: Work) -> None:
        """Set marks."""
        self._change(args, lambda host, key: host.marks.add(key))

    def unmark(self, args: Mapping[str, Any], _desired: object, _before: object, _work: Work) -> None:
        """Take marks away."""
        self._change(args, lambda host, key: host.marks.discard(key))

    def _change(self, args: Mapping[str, Any], act: Callable[[FakeHost, str], None]) -> None:
        host = self.hosts[args["host"]]
        host.changes.append(args["name"])
        host.meanwhile.get(args["name"], lambda: None)()
        if args["name"] in host.broken:
            raise CannotChange(f"{args['name']} is broken")
        if args["name"] in host.late:
            raise LeftAsItIs(f"{args['name']} has been written to since")
        for key in args["keys"]:
            act(host, key)


def host_plan(name: str) -> HostPlan:
    """A plan of one mark a phase, and a way back that takes those of phases 3-5 away."""

    def step(phase: str, kind: str, keys: Sequence[str], *, want: bool, probe: bool = False) -> tuple[Step]:
        args = {"host": name, "name": phase, "keys": list(keys)}
        about = {"id": f"{phase}.step", "words": f"do {phase}", "next": "look"}
        return (Step(**about, kind=kind, args=args, desired=dict.fromkeys(keys, want), probe=probe),)

    steps = {phase: step(phase, "mark", [phase], want=True) for phase in ALL}
    steps[ROLLBACK.name] = step(ROLLBACK.name, "unmark", COMMITS, want=False)
    steps["bake"] = step("bake", "mark", ["activation"], want=True, probe=True)
    return toy_plan(name=name, address=name, steps=steps)


def passes(_session: Session, phase: Phase, hosts: Sequence[str]) -> list[Finding]:
    """Checks that all pass."""
    return [Finding(name, f"{phase.name}.checked", Verdict.PASS, "as it should be") for name in hosts]


def checks_that_find(phase: str, host: str, verdict: Verdict | None) -> Any:
    """Checks that find something of a host in a phase; None: that are silent about it."""

    def check(session: Session, now: Phase, hosts: tuple[str, ...]) -> list[Finding]:
        found = passes(session, now, hosts)
        if now.name != phase:
            return found
        others = [finding for finding in found if finding.host != host]
        return others if verdict is None else [*others, Finding(host, f"{phase}.checked", verdict, "not so", "look")]

    return check


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose kinds the agent knows, without a systemd: batches run in threads, units are only written."""
    here = World(tmp_path)
    monkeypatch.setattr(modules, "MODULES", here.kinds)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nothing crashes here, and it is half of the time
    (tmp_path / "units").mkdir()
    monkeypatch.setattr(revert, "UNITS", tmp_path / "units")
    monkeypatch.setattr(revert, "systemctl_or_fail", lambda *_, **__: None)
    monkeypatch.setattr(revert, "show", lambda *_: {"SubState": "dead", "ActiveState": "inactive"})
    monkeypatch.setattr(revert, "show_each", lambda *_: {})
    monkeypatch.setattr(batch, "show", lambda *_: {"ActiveState": "active"})
    works: dict[Path, threading.Thread] = {}  # by the batch's folder

    def launch(place: StateDir, _unit: str, folder: Path, _deadline_s: float) -> None:
        works[folder] = threading.Thread(target=batch.work_through, args=(place, folder), daemon=True)
        works[folder].start()

    monkeypatch.setattr(batch, "_launch", launch)
    monkeypatch.setattr(batch, "_wait", lambda _unit, result, deadline_s: works[result.parent].join(deadline_s))
    monkeypatch.setattr("cutover.run.phase.ASK_AGAIN_S", 0.01)
    monkeypatch.setattr("cutover.run.rollback.TRY_AGAIN_S", 0.01)
    monkeypatch.setattr("cutover.run.phase.check_hosts", passes)
    return here


def session_of(world: World, *names: str, bake: float = 0.0, renew: float = 3600.0, phase: float = 20.0) -> Session:
    """A run on hosts of the world."""
    agents = {name: HostAgent(FakeTransport(name, world.host(name).answer), state_dir="/state") for name in names}
    options = RunOptions(world.folder, "cutover")
    session = Session(options.ask(), options, targets_of(world.folder, names))
    session.times = replace(TIMES, renew=renew, phase=phase, rollback_budget=phase, bake=bake)
    session.directory = RunDir(world.folder / RUN)
    session.directory.evidence.mkdir(parents=True, exist_ok=True)
    session.journal = Journal(world.folder / f"{len(list(world.folder.iterdir()))}.jsonl")
    session.fleet = Fleet(agents, Pool(4))
    session.take_plan(plan_of(RUN, (names,)), {}, None)
    return session


def targets_of(folder: Path, names: Sequence[str]) -> Targets:
    """As much of the targets as is read."""
    found = SimpleNamespace(
        root=folder, environment="lab", service="toy", names=names, options=SimpleNamespace(release="", hosts="lab"), place="inventory/lab",
        others=lambda others: targets_of(folder, others), inventory=SimpleNamespace(directory=folder / "inventory", hosts={}),
    )  # fmt: skip
    return cast("Targets", found)


def plan_of(run: str, batches: tuple[tuple[str, ...], ...]) -> Plan:
    """The plan of all hosts of these batches."""
    return Plan(
        service=ServicePlan(name="toy", title="Toy", old="V1", new="V2"), run=run, stamp="s", created_at="now", created_by="me",
        environment="lab", pattern="lab", batches=batches, release=ReleasePlan(id="2.0.0", sha256="0", artifact="a", size=1),
        hosts={name: host_plan(name) for batch in batches for name in batch}, files={},
    )  # fmt: skip


def run(session: Session, *batches: tuple[str, ...]) -> CutoverError | None:
    """A whole run; gives how it ended, if not well."""
    session.plan = session.plan.model_copy(update={"batches": batches})
    try:
        with held(session, {name: {"name": name} for name in session.hosts}):
            prepare(session)
            commit_or_go_back(session)
    except CutoverError as end:
        return end
    return None


def began(session: Session, host: str) -> list[str]:
    """The phases that the journal says were begun on a host."""
    return [record.phase for record in session.journal.of("intent") if record.host == host]


def when_baking(session: Session, act: Callable[[], object]) -> None:
    """Have something happen when a bake time begins."""

    def heard(record: Record) -> None:
        if record.kind == "bake.started":
            act()

    session.journal.listen(heard)


def is_on_v1(world: World, *names: str) -> bool:
    """Whether nothing of phases 3-5 is left on these hosts, nothing armed, no lease held."""
    hosts = [world.host(name) for name in names]
    return not any(host.marks & set(COMMITS) or host.armed or host.held_by["held"] for host in hosts)
