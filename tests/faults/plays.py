"""How the scenarios are played: each begins on V1 under a stream of tapes and ends where a person would leave it.

A play names the exit codes that it allows and on which version it may end; the invariants are judged of every one.
"""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace

import lab
from lab.system import until
from tests.faults import means
from tests.faults.boundaries import Outcome, outcome
from tests.faults.ground import Experiment, Ground, Mortal, reached
from tests.faults.invariants import Violation, in_service
from tests.lab.support import CONFIG, STATE, Checkout
from tests.waiting import PATIENCE_S

CONFIRM_S = 16.0  # of the tests' inventory: short, and long enough for a machine that other tests keep busy
PLAY_S = 60.0  # within the confirm time and so much a host has gone back by itself
LONG_S = 60.0  # an outage that a fault of so many seconds may cost
Fault = Callable[..., AbstractContextManager[None]]
Played = tuple[Experiment, Outcome]


@dataclass
class Stage:
    """Where a scenario plays: hosts and a machine, another machine, the seed."""

    ground: Ground
    other: Checkout
    seed: int
    name: str

    def begin(self) -> Experiment:
        """V1 in service, and the clock runs."""
        return Experiment(self.ground, self.name, self.seed)

    def cutover(self, *options: str, when: str = "", **data: str) -> Mortal:
        """Start a cutover, and wait until its journal has that record."""
        since = time.time()
        running = self.ground.start("cutover", "--yes", *options)
        return running.when(reached(self.ground.checkout, when, since, **data)) if when else running

    @contextmanager
    def variables(self, **values: object) -> Iterator[None]:
        """The inventory says something else meanwhile."""
        file = self.ground.checkout.inventory / "group_vars" / "lab" / "main.yml"
        kept = file.read_text()
        self.ground.checkout.set(**values)
        try:
            yield
        finally:
            file.write_text(kept)

    def back_by_itself(self) -> str:
        """Whether all hosts come to be on V1 with nothing armed in time; else what is wrong."""

        def back() -> bool:
            return all(in_service(one) == "V1" and not one["armed"] for one in self.ground.look(time.time()).values())

        in_time = until(back, seconds=CONFIRM_S + PLAY_S)
        return "" if in_time else f"not back on V1 by itself within {CONFIRM_S + PLAY_S:g} s"


def end(
    experiment: Experiment, *ends: str, codes: tuple[tuple[int, ...], ...], budget_s: float = 30.0, also: str = ""
) -> Played:
    """Judge it: versions, the exit codes that each command may have had, what was noticed on the way, and the invariants."""
    result = outcome(experiment, *ends, budget_s=budget_s)
    wrong = [
        Violation("END", f"`{command['words'][0]}` ended with {command['code']}, not {allowed}")
        for command, allowed in zip(experiment.commands, codes, strict=True)
        if command["code"] not in allowed
    ]
    wrong += [Violation("END", also)] if also else []
    return experiment, replace(result, violations=(*wrong, *result.violations))


def settled(experiment: Experiment) -> None:
    """What a person does in the end: go back; and once more, which must change nothing."""
    experiment.does("rollback", "--yes")
    experiment.again("rollback", "--yes")


def gone(stage: Stage, phase: str) -> Played:
    """The controller dies and never comes back: the host goes back by itself, and says so to whoever comes later."""
    experiment = stage.begin()
    running = stage.cutover(when="intent", phase=phase)
    running.signal(signal.SIGKILL)
    experiment.ended(running)
    late = stage.back_by_itself()
    experiment.does("cutover", "--yes")  # refused: a person settles it first
    settled(experiment)
    return end(experiment, "V1", codes=((-9,), (3,), (0,)), budget_s=CONFIRM_S + PLAY_S, also=late)


def struck(
    stage: Stage, *, phase: str, fault: Fault, args: tuple[object, ...] = (), count: int = 1, seconds: float = 0.0,
    record: str = "intent", codes: tuple[int, ...] = (4, 5),
) -> Played:  # fmt: skip
    """A fault in a phase, gone after some seconds or with the end of the run; then a person goes back."""
    experiment = stage.begin()
    serial = ("--serial", "100%") if len(stage.ground.names) > 1 else ()
    running = stage.cutover(*serial, when=record, phase=phase)
    with ExitStack() as faults:
        for name in stage.ground.names[:count]:
            faults.enter_context(fault(stage.ground, name, *args))
        if seconds:
            time.sleep(seconds)
        else:
            experiment.ended(running)
    if seconds:
        experiment.ended(running)
    settled(experiment)
    return end(experiment, "V1", codes=(codes, (0,)), budget_s=LONG_S)


def cut(stage: Stage, phase: str = "activation", count: int = 1, fault: Fault = means.cut) -> Played:
    """Cables are cut, or packets go one way only, for longer than the confirm time."""
    codes = (0, 3) if phase == "staging" else (4, 5)
    return struck(stage, phase=phase, fault=fault, count=count, seconds=CONFIRM_S + 6, codes=codes)


def lies(stage: Stage, says: str) -> Played:
    """What systemctl says is not what is so, from V1's stop until the run is over: nothing of it counts as success."""
    return struck(stage, phase="shutdown", fault=means.lying, args=(says,), record="phase.started")


def bad_wire(stage: Stage) -> Played:
    """The wire is slow and stalls: so is the run, and ends well."""
    experiment = stage.begin()
    with means.bad_wire(stage.ground, stage.ground.names[0], 0.2, stage.seed):
        experiment.does("cutover", "--yes")
        experiment.does("rollback", "--yes")
    return end(experiment, "V1", codes=((0,), (0,)))


def race(stage: Stage) -> Played:
    """Two machines begin at the same moment: one does it, the other is refused, with the name of who does."""
    experiment = stage.begin()
    both = stage.ground.start("cutover", "--yes"), stage.ground.start("cutover", "--yes", on=stage.other)
    for one in both:
        experiment.ended(one)
    experiment.commands.sort(key=lambda command: -int(command["code"]))
    return end(experiment, "V2", codes=((6,), (0,)))


def stopped(stage: Stage, *, taken: bool) -> Played:
    """The holder sleeps beyond its lease, and wakes up when the host has gone back, or another machine has taken over."""
    experiment = stage.begin()
    running = stage.cutover(when="intent", phase="activation")
    running.signal(signal.SIGSTOP)
    late = ""
    if taken:
        ends = json.loads(stage.ground.inside(f"cat {STATE}/lease.json")[stage.ground.names[0]])["ends"]
        # Hosts of a lab have this machine's clock. The host has not gone back yet.
        assert until(lambda: time.clock_gettime(time.CLOCK_BOOTTIME) > ends, seconds=PATIENCE_S)
        experiment.does("abort", "--yes", on=stage.other)
    else:
        late = stage.back_by_itself()
    running.signal(signal.SIGCONT)
    experiment.ended(running)
    settled(experiment)
    codes = ((0,), (6,), (0,)) if taken else ((4, 5, 6), (0,))
    return end(experiment, "V1", codes=codes, also=late)


def rebooted(stage: Stage, phase: str, codes: tuple[int, ...]) -> Played:
    """The host reboots in the middle of a phase."""
    experiment = stage.begin()
    running = stage.cutover(when="intent", phase=phase)
    lab.reboot(stage.ground.names[0], lab=stage.ground.hosts.lab)
    experiment.ended(running)
    settled(experiment)
    return end(experiment, "V1", codes=(codes, (0,)), budget_s=LONG_S)


def rebooted_after(stage: Stage) -> Played:
    """The host reboots when all is over: V2 is in service as before."""
    experiment = stage.begin()
    experiment.does("cutover", "--yes")
    lab.reboot(stage.ground.names[0], lab=stage.ground.hosts.lab)
    experiment.again("cutover", "--yes")
    return end(experiment, "V2", codes=((0,),))


def broken(stage: Stage, how: str) -> Played:
    """V2 breaks in one way or another: V1 is back."""
    with stage.variables(abaco_start_s=4, cutover_bake_s=8):
        experiment = stage.begin()
        with means.broken_v2(stage.ground, stage.ground.names[0], how):
            experiment.does("cutover", "--yes")
        settled(experiment)
    return end(experiment, "V1", codes=((4,), (0,)), budget_s=LONG_S)


def stubborn_v1(stage: Stage) -> Played:
    """V1 does not react to SIGTERM: we never kill it (systemd does, after its own 30 s), and it comes back."""
    with stage.variables(abaco_stop_s=2), means.stubborn_v1(stage.ground, stage.ground.names[0]):
        experiment = stage.begin()
        experiment.does("cutover", "--yes")
        settled(experiment)
    return end(experiment, "V1", codes=((4, 5), (0,)), budget_s=LONG_S)


def full_journal(stage: Stage) -> Played:
    """The controller's disk is full once V1 was asked to stop: the room that was reserved carries the run, and its way back."""
    runs = stage.ground.checkout.root / ".cutover" / "runs"
    with means.small_disk(runs) as fill:
        experiment = stage.begin()
        running = stage.cutover(when="intent", phase="shutdown")
        filler = fill()
        experiment.ended(running)
        settled(experiment)
        filler.unlink()
        return end(experiment, "V1", codes=((0,), (0,)), budget_s=LONG_S)


SPOIL = {
    "bit flip": "printf X | dd of={file} bs=1 seek=40 conv=notrunc status=none",
    "truncated": "truncate -s 100 {file}",
    "missing": "rm {file}",
    "another run's": "sed -i s/{run}/20200101T000000Z-aaaaaa/g {place}/manifest.json",
}


def spoilt(stage: Stage, how: str) -> Played:
    """A backup that does not verify is never restored: the host is listed, and goes back when the backup is whole again."""
    experiment = stage.begin()
    run = experiment.does("cutover", "--yes").run
    place = f"{STATE}/.rollback/{run}"
    file = stage.ground.inside(f"ls {place}/pipeline_backup_*.yml").popitem()[1].strip()
    spoil = SPOIL[how].format(file=file, run=run, place=place)
    stage.ground.inside(f"cp -a {place} /srv/kept-backup && chmod -R u+w {place} && {spoil}")
    config = stage.ground.inside(f"sha256sum {CONFIG}")
    refused = experiment.does("rollback", "--yes")
    wrong = "" if stage.ground.inside(f"sha256sum {CONFIG}") == config else "what does not verify was restored"
    if not {error["host"] for error in refused.errors} & set(stage.ground.names):
        wrong = wrong or "the host was not listed"
    whole = f"rm -f {place}/pipeline_backup_* {place}/manifest.json; cp -an /srv/kept-backup/. {place}/"
    stage.ground.inside(f"{whole}; rm -r /srv/kept-backup")
    settled(experiment)
    return end(experiment, "V1", codes=((0,), (5,), (0,)), budget_s=LONG_S, also=wrong)


def sessions_killed(stage: Stage) -> Played:
    """sshd is restarted and every session of it killed, in the middle of each phase in turn: no result is lost."""  # noqa: D403
    experiment = stage.begin()
    began, running = time.time(), stage.cutover()
    for phase in ("staging", "shutdown", "activation", "validation"):
        running.when(reached(stage.ground.checkout, "intent", began, phase=phase))
        stage.ground.inside("systemctl restart ssh; pkill -KILL -f '^sshd: deploy' || test $? -eq 1")
    experiment.ended(running)
    settled(experiment)
    return end(experiment, "V1", codes=((0, 4), (0,)))


def skewed(stage: Stage) -> Played:
    """Found before anything is touched, and named."""
    experiment = stage.begin()
    with means.skewed(stage.ground, stage.ground.names[0], 600):
        answer = experiment.does("cutover", "--yes")
    named = any("clock" in error["path"] + error["found"] for error in answer.errors)
    return end(experiment, "V1", codes=((3,),), also="" if named else "the clock is not named")


def behind_our_back(
    stage: Stage, phase: str, command: str, codes: tuple[int, ...], ends: tuple[str, ...] = ("V1",)
) -> Played:
    """Somebody, or something such as needrestart, starts or restarts a unit in the middle of a run."""
    with stage.variables(cutover_bake_s=4):
        experiment = stage.begin()
        record = {"when": "bake.started"} if phase == "bake" else {"when": "intent", "phase": phase}
        running = stage.cutover(**record)
        began = time.time()
        stage.ground.inside(command, check=False)
        experiment.by_us.append((began, time.time()))
        experiment.ended(running)
        if ends == ("V1",):
            settled(experiment)
    return end(experiment, *ends, codes=(codes, (0,))[: len(experiment.commands)], budget_s=LONG_S)
