"""Back to V1: V2 ends, V1's things come back byte for byte, what V2 wrote is kept, V1 runs. Each step looks first.

V1 never starts while a process of V2 is left, and needs nothing else than its config: where what V2 wrote cannot be kept
(a full disk), the metrics stay as they are, V1 starts all the same, and the report says so. The metrics are restored only
where the last snapshot was taken (before that V2 cannot have run, and an older snapshot would lose what V1 wrote in
between), once, and never while V1 runs, which has written since: a later try that meets V1 in service leaves them as they
are for good, and the host is settled with that listed.
"""

from cutover.agent.clock import FOREVER_S
from cutover.core.step import Step
from cutover.plan.roles import Role
from cutover.plan.steps import (
    http,
    probe,
    restore,
    restore_once,
    snapshot,
    unit_files_read,
    unit_started,
    unit_stopped,
)

V2_GONE = ("rollback.v2",)


def steps(role: Role) -> list[Step]:
    """Stop V2, keep its things, bring back V1's, restore the metrics, start V1, measure."""
    return [
        *_end_v2(role),
        *_config_back(role),
        *_metrics_back(role),
        *_v1_up(role),
        *_measure(role),
    ]


def _place(role: Role) -> str:
    """Where the backup of this run lies."""
    return f"{role['abaco_data']}/.rollback/{role.run.id}"


def _end_v2(role: Role) -> list[Step]:
    """V2 ends, by force where it must, and is proven gone."""
    v2 = role["abaco_v2_unit"]
    return [
        unit_stopped(
            "rollback.v2",
            v2,
            timeout_s=role["abaco_v2_stop_s"],
            force=True,
            next=f"V2 cannot be ended: systemctl kill -s KILL {v2}; V1 was not started beside it",
        )
    ]


def _config_back(role: Role) -> list[Step]:
    """V2's config and unit are kept, then V1's config, units and release link come back, and systemd reads them."""
    place, v1, v2 = _place(role), role["abaco_v1_unit"], role["abaco_v2_unit"]
    small = [
        {"name": "config", "kind": "file", "source": role["abaco_config"], "as": "pipeline.yml"},
        {"name": "v2-unit", "kind": "file", "source": f"{role['abaco_unit_dir']}/{v2}", "as": v2},
    ]
    return [
        snapshot(
            "rollback.keep-config",
            f"{place}/v2_kept_config",
            role.run.id,
            small,
            needs=V2_GONE,
            next="see the disk: V2's config and unit were not kept; the plan has them",
        ),
        restore(
            "rollback.config",
            place,
            role.run.id,
            ["config", "v1-unit", "v1-drop-ins", "v2-unit", "release"],
            needs=V2_GONE,
            next=f"put the files of {place} back by hand",
        ),
        unit_files_read("rollback.units-read", [v1, v2], needs=("rollback.config",)),
    ]


def _metrics_back(role: Role) -> list[Step]:
    """What V2 wrote is kept aside, then V1's last metrics come back: once, and never while V1 runs."""
    data, place, run = role["abaco_data"], _place(role), role.run.id
    v1, v2 = role["abaco_v1_unit"], role["abaco_v2_unit"]
    log = ["journalctl", "--no-pager", "-o", "short-iso-precise", "-n", "5000", "-u", v2]
    kept: list[dict[str, object]] = [
        {"name": "metrics", "kind": "tree", "source": f"{data}/metrics", "as": "metrics"},
        {"name": "audit", "kind": "tree", "source": f"{data}/audit", "as": "audit"},
        {"name": "v2-log", "kind": "output", "argv": log, "as": "v2.log"},
    ]
    return [
        snapshot(
            "rollback.keep",
            f"{place}/v2_kept",
            run,
            kept,
            reuse=f"{place}/final",
            not_while=v1,
            needs=V2_GONE,
            next=f"what V2 wrote is still among V1's in {data}/metrics, and was not kept apart: look it through;"
            f" {place}/final has V1's as they were",
        ),
        restore_once(
            "rollback.metrics",
            f"{place}/final",
            run,
            ["metrics"],
            unless=f"{role['cutover_state_dir']}/runs/{run}/batches/activation-*",
            not_while=v1,
            needs=(*V2_GONE, "rollback.keep"),
            next=f"the metrics are as V1 found them; what is missing of V1's is in {place}/final/metrics_backup",
        ),
    ]


def _v1_up(role: Role) -> list[Step]:
    """V1 starts, and says that it is well. It needs V2 gone and its config back, and nothing else."""
    v1 = role["abaco_v1_unit"]
    return [
        unit_started(
            "rollback.v1",
            v1,
            timeout_s=_v1_start_s(role),
            leave=True,
            needs=(*V2_GONE, "rollback.config"),
            next=f"V1 is not up (yet; its start was not taken back): journalctl -u {v1}",
        ),
        http(
            "rollback.v1-healthy",
            role["abaco_v1_health"],
            {"status": 200},
            wait_s=role["abaco_v1_start_s"],
            words="wait until V1 says that it is well",
            needs=("rollback.v1",),
            next=f"V1 runs but is not well: journalctl -u {v1}",
        ),
    ]


def _measure(role: Role) -> list[Step]:
    """How long V1, and how long anybody at all, was out of service."""
    v1, v2 = role["abaco_v1_unit"], role["abaco_v2_unit"]

    def gap(name: str, words: str, stopped: str) -> Step:
        return probe(name, "gap", words, {}, args={"stopped": stopped, "started": v1}, needs=("rollback.v1",))

    return [
        gap("rollback.away", "how long V1 was away", v1),
        gap("rollback.outage", "how long nobody was in service on the way back", v2),
    ]


def _v1_start_s(role: Role) -> float:
    """How long V1's start may take: where V1 was asked to stop and is still at it, systemd starts it when it has ended."""
    stop_s = role.facts["v1"].get("stop_timeout_s", FOREVER_S)
    return float(min(stop_s + role["abaco_v1_start_s"], role["cutover_rollback_budget_s"]))
