"""The table of scenarios, in the order of danger: what befalls a run, how it is played, on how many hosts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.faults import means, plays
from tests.faults.boundaries import Outcome
from tests.faults.ground import Experiment
from tests.faults.plays import Stage
from tests.lab.support import V1, V2

BEFORE = "phase.started"  # the fault is there before the phase has done anything; else in the middle of it


@dataclass(frozen=True)
class Scenario:
    """One row of the table. The quick ones are played in every test run."""

    name: str
    words: str
    play: Callable[[Stage], tuple[Experiment, Outcome]]
    hosts: int = 1
    quick: bool = False


def _row(
    name: str, words: str, play: Callable[..., Any], hosts: int = 1, *, quick: bool = False, **options: Any
) -> Scenario:
    return Scenario(name, words, lambda stage: play(stage, **options), hosts, quick)


def _full(phase: str, leave_mb: int, codes: tuple[int, ...]) -> dict[str, Any]:
    return {"phase": phase, "fault": means.full, "args": (leave_mb,), "record": BEFORE, "codes": codes}


def _locked(folder: str) -> dict[str, Any]:
    return {"phase": "shutdown", "fault": means.read_only, "args": (folder,), "record": BEFORE}


def _storm(phase: str) -> dict[str, Any]:
    return {"phase": phase, "fault": means.storm, "record": BEFORE, "seconds": 8.0, "codes": (0, 4, 5)}


def _behind(phase: str, command: str, codes: tuple[int, ...], ends: tuple[str, ...] = ("V1",)) -> dict[str, Any]:
    return {"phase": phase, "command": command, "codes": codes, "ends": ends}


SCENARIOS = (
    _row("controller-gone-in-activation", "kill -9 of the controller after V1 stopped; nobody comes", plays.gone,
         phase="activation", quick=True),
    _row("controller-gone-in-shutdown", "kill -9 while V1 is being stopped; nobody comes", plays.gone, phase="shutdown"),
    _row("controller-gone-in-validation", "kill -9 while V2 is being judged; nobody comes", plays.gone, phase="validation"),
    _row("cut-in-activation", "the cable is cut in phase 4, beyond the confirm time", plays.cut, phase="activation", quick=True),
    _row("cut-in-shutdown", "the same in phase 3", plays.cut, phase="shutdown"),
    _row("cut-in-validation", "the same in phase 5", plays.cut, phase="validation"),
    _row("cut-in-staging", "the same in phase 2: V1 is not touched", plays.cut, phase="staging"),
    _row("cut-one-of-three", "three hosts in one batch, one is cut in phase 4", plays.cut, 3, phase="activation", count=1),
    _row("cut-half", "three hosts in one batch, two are cut in phase 4", plays.cut, 3, phase="activation", count=2),
    _row("cut-all", "three hosts in one batch, all are cut in phase 4", plays.cut, 3, phase="activation", count=3),
    _row("deaf-host", "one way: the host hears nothing from phase 4 on", plays.cut, fault=means.deaf),
    _row("mute-host", "one way: nothing of the host is heard from phase 4 on", plays.cut, fault=means.mute),
    _row("two-controllers", "two machines begin at the same moment", plays.race, quick=True),
    _row("stopped-holder", "SIGSTOP of the holder beyond its lease, then SIGCONT", plays.stopped, taken=False, quick=True),
    _row("stopped-holder-taken-over", "the same, and another machine has taken over meanwhile", plays.stopped, taken=True),
    _row("reboot-in-backup", "the host reboots in phase 1", plays.rebooted, phase="backup", codes=(0, 3)),
    _row("reboot-in-staging", "the host reboots in phase 2", plays.rebooted, phase="staging", codes=(0, 3)),
    _row("reboot-in-shutdown", "the host reboots in phase 3", plays.rebooted, phase="shutdown", codes=(4, 5)),
    _row("reboot-in-activation", "the host reboots in phase 4", plays.rebooted, phase="activation", codes=(4, 5), quick=True),
    _row("reboot-in-validation", "the host reboots in phase 5", plays.rebooted, phase="validation", codes=(4, 5)),
    _row("reboot-after", "the host reboots when all is over", plays.rebooted_after),
    _row("v2-dies-at-start", "V2 exits at once", plays.broken, how="dies at start"),
    _row("v2-never-ready", "V2 never says that it is ready", plays.broken, how="never ready"),
    _row("v2-crashes-later", "V2 is killed some seconds after it was ready", plays.broken, how="crashes later"),
    _row("v2-crash-loops", "V2 is killed half a second after each start", plays.broken, how="crash-loops"),
    _row("v1-ignores-sigterm", "V1 does not react to SIGTERM", plays.stubborn_v1),
    _row("disk-full-at-backup", "the host's disk is full in phase 1", plays.struck, **_full("backup", 0, (3,))),
    _row("disk-full-at-release", "it is full when the release arrives", plays.struck, **_full("backup", 10, (3,))),
    _row("disk-full-at-shutdown", "it is full when V1's last snapshot and log are taken", plays.struck,
         **_full("shutdown", 0, (4, 5))),
    _row("disk-full-at-journal", "the controller's disk is full from the shutdown on; room was reserved", plays.full_journal),
    _row("config-read-only", "/etc/abaco can only be read from phase 3 on", plays.struck, **_locked("/etc/abaco")),
    _row("state-read-only", "the engine's own directory can only be read from phase 3 on", plays.struck,
         **_locked("/var/lib/cutover/abaco")),
    _row("backup-bit-flip", "a byte of the backup changes before the rollback", plays.spoilt, how="bit flip"),
    _row("backup-truncated", "the backup is cut short before the rollback", plays.spoilt, how="truncated"),
    _row("backup-missing-file", "a file of the backup is gone", plays.spoilt, how="missing"),
    _row("backup-of-another-run", "the backup says that it is another run's", plays.spoilt, how="another run's"),
    _row("sessions-killed", "sshd is restarted and all its sessions are killed in phases 2 to 5", plays.sessions_killed),
    _row("storm-in-shutdown", "systemd and sshd start anew and sessions are killed, again and again while V1 stops", plays.struck,
         **_storm("shutdown")),
    _row("storm-in-activation", "the same while V2 starts", plays.struck, **_storm("activation")),
    _row("storm-in-validation", "the same while V2 is judged", plays.struck, **_storm("validation")),
    _row("lying-systemctl-empty", "systemctl says nothing, from V1's stop on", plays.lies, says=""),
    _row("lying-systemctl-garbage", "systemctl says nonsense", plays.lies, says="%%%\\n=\\n"),
    _row("lying-systemctl-unknown", "systemctl says that everything is unknown", plays.lies, says="ActiveState=unknown\\n"),
    _row("v1-restarted-behind-our-back", "V1 is restarted in phase 2, as needrestart does", plays.behind_our_back,
         **_behind("staging", f"systemctl restart {V1}", (0, 3), ("V1", "V2"))),
    _row("v2-restarted-behind-our-back", "V2 is restarted in its bake time", plays.behind_our_back,
         **_behind("bake", f"systemctl restart {V2}", (4,))),
    _row("v1-started-behind-our-back", "V1 is started in phase 5", plays.behind_our_back,
         **_behind("validation", f"systemctl start {V1}", (4, 5))),
    _row("clock-skew", "the host's clock is ten minutes ahead", plays.skewed),
    _row("delay-and-loss", "200 ms there and back, and stalls as of lost packets", plays.bad_wire),
)  # fmt: skip
