"""The times of a run, in seconds, as the variables set them (roles/cutover/defaults.yml is where each default lives)."""

from dataclasses import dataclass

from cutover.conduct.targets import Targets


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


def times_of(targets: Targets) -> Times:
    """Read them from the variables; they concern the run, so they must be the same on all hosts."""

    def seconds(name: str) -> float:
        return float(str(targets.shared(name)))

    return Times(
        lease=seconds("cutover_lease_s"),
        confirm=seconds("cutover_confirm_s"),
        renew=seconds("cutover_renew_s"),
        phase=seconds("cutover_phase_deadline_s"),
        rollback_budget=seconds("cutover_rollback_budget_s"),
        bake=seconds("cutover_bake_s"),
        bake_every=seconds("cutover_bake_every_s"),
    )
