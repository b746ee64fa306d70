"""The times of a run, in seconds, as the variables set them (roles/cutover/defaults.yml is where each default lives)."""

import time
from dataclasses import dataclass

from cutover.conduct.targets import Targets
from cutover.decide.phases import COMMITTING, PREPARING
from cutover.words.errors import Problem, UsageError

UPLOAD_S = 600.0  # for the release to reach the hosts
MISSED = 3  # renewals that fit into a deadline: two may be lost before a host takes its controller for dead


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

    def run_ends(self, batches: int) -> float:
        """On time.monotonic(): when a run of so many batches, begun now, has taken longer than all its parts together may."""
        committing = len(COMMITTING) * self.phase + 2 * self.bake
        return time.monotonic() + UPLOAD_S + len(PREPARING) * self.phase + batches * committing


def times_of(targets: Targets) -> Times:
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
    """A host must hear of its controller several times before it gives it up, or one lost renewal would end the run."""
    problems = [
        Problem(
            path=name,
            found=f"cutover_renew_s is {renew:g} and {name} is {seconds:g}: {MISSED} x cutover_renew_s may not be more than {name}",
            next=f"set cutover_renew_s to at most {seconds / MISSED:.3g}, or {name} to at least {renew * MISSED:g}",
        )
        for name, seconds in deadlines.items()
        if MISSED * renew > seconds
    ]
    if problems:
        raise UsageError(problems)
