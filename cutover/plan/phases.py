"""THE runbook: the six phases in order. Plan, report, runbook and checklist take what they say about a phase from this table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Phase:
    """One phase: its number, name (also its role and its `--phase`), title, what it proves, and what a no means.

    The rollback has no number: it is none of the six.
    """

    number: int | None
    name: str
    title: str
    proves: str
    on_no: str
    commits: bool = False  # from the first phase that commits on, a no means going back
    gathers: bool = False  # tries every step, so that all that is wrong is named at once

    @property
    def label(self) -> str:
        """Number and title, as people know it from the runbook."""
        return self.title if self.number is None else f"{self.number} {self.title}"


PHASES: tuple[Phase, ...] = (
    Phase(0, "preflight", "Pre-cutover validation",
          "the host is what the plan expects, the old release is in service, and nothing stands in the way: go",
          "nothing was changed; fix what is named and plan again", gathers=True),
    Phase(1, "backup", "Backup and snapshots",
          "files, units, link and state are copied from the running old release, verified, and restorable",
          "nothing of the old release was changed; the backup that was refused is named"),
    Phase(2, "staging", "Staging and judgement",
          "the new release lies beside the old one as it was built, its own tests pass on this host, and the service's own steps "
          "have judged it",
          "nothing of the old release was changed; the new one stays beside it, unused"),
    Phase(3, "shutdown", "Graceful shutdown",
          "the old release has ended by itself, not one of its processes is left, its last state and logs are kept",
          "the old release is started again and proven to be in service", commits=True),
    Phase(4, "activation", "Activation",
          "its files are in place, it runs from the planned release, is enabled and says that it is ready",
          "the new release is stopped, files and units are restored, the old one is started", commits=True),
    Phase(5, "validation", "Post-cutover validation",
          "the new release in service is judged on the host: units, health, log, and what the service's own checks ask",
          "the new release is stopped, what it wrote is kept, the old one's last state is restored, the old one is started",
          commits=True),
)  # fmt: skip

# The way back. It is complete whatever phases 3-5 had done: each of its steps looks first and changes only what differs.
ROLLBACK = Phase(
    None, "rollback", "Rollback",
    "the new release is stopped, what it wrote is kept, files, units, enablement and last state are as they were, the old one is in "
    "service",
    "a person must look after the host: its runbook entry says how to restore the old release by hand", gathers=True,
)  # fmt: skip

PREPARING = tuple(phase for phase in PHASES if not phase.commits)
COMMITTING = tuple(phase for phase in PHASES if phase.commits)


def phase_named(name: str) -> Phase:
    """The phase of a name or a number; KeyError where there is none."""
    for phase in (*PHASES, ROLLBACK):
        if name == phase.name or (phase.number is not None and name == str(phase.number)):
            return phase
    raise KeyError(name)


READS_FACTS = phase_named("preflight")  # its role says what is read from a host before anything is planned
STAGES = phase_named("staging")  # the new release is on the host from here on
SERVES = phase_named("activation")  # after its gate the new release is in service
BAKES = phase_named("validation")  # judges the new release in service, and watches it for the bake time
