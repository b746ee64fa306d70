"""Every limit of the work on hosts: how many at once, and how long each may take."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cutover.core.errors import Problem, UsageError

if TYPE_CHECKING:
    from cutover.inventory.targets import Targets

FORKS = 10  # hosts at work at once


# A run, in seconds. Those of the variables are set by roles/cutover/defaults.yml, where each default is documented.

ARM_S = 60.0  # for hosts to arm their own revert, or to disarm it
UPLOAD_S = 600.0  # for the release to reach the hosts
REGAIN_S = 5.0  # for leases on the way back, where the hosts that answer wait for those that do not
SETTLE_S = 60.0  # for hosts to record that they are back
BAKE_SAMPLE_S = 15.0  # for one sample of the bake time
PLAN_LOOK_S = 60.0  # for the looks at all steps of a plan on one host
MEASURE_S = 180.0  # for a host to judge its live service
PHASE_SLACK_S = 30.0  # beyond the deadline of the work on a host: what comes after it must not be cut off
ASK_AGAIN_S = 1.0  # between two questions for the result of a batch whose connection was lost
TRY_AGAIN_S = 2.0  # before hosts that did not answer on the way back are tried again
RENEWALS = 3  # renewals that fit into a deadline: two may be lost before a host takes its controller for dead


@dataclass(frozen=True)
class Times:
    """Deadlines and periods of one run."""

    lease: float
    confirm: float
    renew: float
    phase: float
    rollback_budget: float
    bake: float
    bake_every: float


def times_of(targets: "Targets") -> Times:
    """Read them from the variables; they concern the run, so they must be the same on all hosts, and they must not exclude each other."""

    def seconds(name: str) -> float:
        return float(str(targets.shared(name)))

    _must_fit(seconds("cutover_renew_s"), {name: seconds(name) for name in ("cutover_lease_s", "cutover_confirm_s")})
    return Times(
        lease=seconds("cutover_lease_s"),
        confirm=seconds("cutover_confirm_s"),
        renew=seconds("cutover_renew_s"),
        phase=seconds("cutover_phase_deadline_s"),
        rollback_budget=seconds("cutover_rollback_budget_s"),
        bake=seconds("cutover_bake_s"),
        bake_every=seconds("cutover_bake_every_s"),
    )


def _must_fit(renew: float, deadlines: dict[str, float]) -> None:
    """A host must hear from its controller several times before it gives it up, or one lost renewal would end the run."""
    problems = [
        Problem(
            path=name,
            found=f"cutover_renew_s is {renew:g} and {name} is {seconds:g}: {RENEWALS} x cutover_renew_s may not be more than {name}",
            next=f"set cutover_renew_s to at most {seconds / RENEWALS:.3g}, or {name} to at least {renew * RENEWALS:g}",
        )
        for name, seconds in deadlines.items()
        if RENEWALS * renew > seconds
    ]
    if problems:
        raise UsageError(problems)
