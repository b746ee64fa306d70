"""The second comparison: this project's own commands on V1 under a stream of tapes, as a person runs them, beside the aims."""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lab
from bench.clock import Took, timed
from bench.ground import ENVIRONMENT, LAB, Ground, hosts_up, linked_checkout
from bench.journals import Away, Spent, Story
from bench.labs import FEW, MANY, Raised, in_service, raised
from cutover.core.errors import ExitCode
from cutover.timeline.presentation import presentation

Tell = Callable[[str], None]
VARIABLES = {
    "abaco_environment": "lab",
    "abaco_connections": [],
    "cutover_bake_s": 1,
    "cutover_bake_every_s": 0.5,
    "people_checklist": "shown",
}
BACK, BACK_BUT_ONE = "rollback", "rollback, one host dead"
LISTINGS = 5  # how often `./invokew --list` is run for one figure


@dataclass(frozen=True)
class Command:
    """One command on a fleet: seconds without the bake time, the bake time, what it consists of, the outage of each host.

    before: from its start until the run was under way (program, connections, plan); after: reports, once the run had ended.
    """

    what: str
    hosts: int
    seconds: float
    bake: float
    cpu: float
    before: float
    after: float
    phases: tuple[Spent, ...]
    away: tuple[Away, ...]


@dataclass(frozen=True)
class Whole:
    """Everything measured: the commands of all rounds, rehearsals (seconds without bake time), listings of the tasks, and labs."""

    commands: tuple[Command, ...]
    rehearsals: tuple[float, ...]
    listings: tuple[float, ...]
    labs: tuple[Raised, ...]


def measure(root: Path, sizes: Sequence[int], rounds: int, tell: Tell) -> Whole:
    """The smallest fleet goes through a whole rehearsal, the others through one cutover; `rounds` times."""
    listings = [timed(_invoke("--list"), cwd=root).wall for _ in range(LISTINGS)]
    commands: list[Command] = []
    rehearsals: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        checkout = linked_checkout(root, Path(name) / "checkout")
        with _service_up(1, checkout, tell):  # has the base of the hosts cached
            timed(_invoke("plan", "--hosts", ENVIRONMENT), cwd=checkout)  # builds the release, which is cached as well
        labs = [raised(count, checkout, VARIABLES, tell) for count in (*[FEW] * rounds, MANY)]
        for _ in range(rounds):
            began = time.perf_counter()
            with _service_up(min(sizes), checkout, tell) as ground:
                made = [_cutover(ground, "cutover"), _rollback(ground), _cutover(ground, "cutover again")]
                rehearsals.append(time.perf_counter() - began - sum(command.bake for command in made))
            for size in sizes[1:]:
                with _service_up(size, checkout, tell) as ground:
                    made += [
                        _cutover(ground, "cutover"),
                        _rollback(ground),
                        _cutover(ground, "cutover again"),
                        _dead(ground),
                    ]
            commands += made
            for command in made:
                tell(
                    f"{command.what} of {command.hosts}: {command.seconds:.1f} s and {command.bake:.1f} s of bake time"
                )
    return Whole(tuple(commands), tuple(rehearsals), tuple(listings), tuple(labs))


@contextmanager
def _service_up(count: int, checkout: Path, tell: Tell) -> Iterator[Ground]:
    """Fresh hosts with V1 in service on them, under a stream of tapes."""
    with hosts_up(count, checkout, VARIABLES) as ground:
        in_service(ground, tell)
        yield ground


def _cutover(ground: Ground, what: str) -> Command:
    took = timed(_invoke("cutover", "--hosts", ENVIRONMENT, "--yes", "--json"), cwd=ground.checkout)
    return _told(ground, what, took, after=0)


def _rollback(ground: Ground, what: str = BACK, ends: int = 0) -> Command:
    """The last run of the environment goes back; its journal goes on, so only what comes after counts."""
    last = max((ground.checkout / ".cutover" / "runs").iterdir())
    after = Story.of(last / "journal.jsonl").records[-1].seq
    words = _invoke("rollback", "--hosts", ENVIRONMENT, "--reason", "bench", "--yes", "--json")
    took = timed(words, cwd=ground.checkout, ends=ends)
    return _told(ground, what, took, after=after)


def _dead(ground: Ground) -> Command:
    """The same with a host that does not answer any more: it is owed its rollback, which is told with exit 5."""
    lab.cut(ground.hosts[-1].name, lab=LAB)
    return _rollback(ground, BACK_BUT_ONE, ends=int(ExitCode.MIXED))


def _told(ground: Ground, what: str, took: Took, *, after: int) -> Command:
    run = json.loads(took.stdout)["run_id"]
    story = Story.of(ground.checkout / ".cutover" / "runs" / run / "journal.jsonl", after=after)
    steps = presentation(ground.checkout, "abaco").outage
    away = story.away(steps.back if what in (BACK, BACK_BUT_ONE) else steps.forward, steps)
    bake, around = story.bake, story.around(took.began, took.wall)
    return Command(
        what, len(ground.hosts), took.wall - bake, bake, took.cpu, *around, tuple(story.phases()), tuple(away)
    )


def _invoke(*words: str) -> list[str]:
    return [sys.executable, "-m", "cutover.cli", *words]
