"""THE runbook: the six phases in order. Everything that is said about a phase elsewhere is generated from this table."""

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
    reads_facts: bool = False  # its role says what is read from a host before anything is planned
    stages: bool = False  # the new release is on the host from here on
    serves: bool = False  # after its gate the new release is in service
    bakes: bool = False  # judges the new release in service, and watches it for the bake time

    @property
    def label(self) -> str:
        """Number and title, as people know it from the runbook."""
        return self.title if self.number is None else f"{self.number} {self.title}"


PHASES: tuple[Phase, ...] = (
    Phase(0, "preflight", "Pre-cutover validation",
          "the host is what the plan expects, V1 is in service, and nothing stands in the way: go",
          "nothing was changed; fix what is named and plan again", gathers=True, reads_facts=True),
    Phase(1, "backup", "Backup and snapshots",
          "V1's config, units, release, metrics and state are copied from the running V1, verified, and restorable",
          "nothing of V1 was changed; the backup that was refused is named"),
    Phase(2, "staging", "V2 staging validation",
          "V2's release lies beside V1's as it was built, its own tests pass on this host, and it computes plausible values "
          "from this host's data",
          "nothing of V1 was changed; the release stays beside it, unused", stages=True),
    Phase(3, "shutdown", "V1 graceful shutdown",
          "V1 has ended by itself, not one of its processes is left, its last state and logs are kept",
          "V1 is started again and proven to be in service", commits=True),
    Phase(4, "activation", "V2 activation",
          "V2's config is in place, V2 runs from the planned release, is enabled and says that it is ready",
          "V2 is stopped, V1's config and units are restored, V1 is started", commits=True, serves=True),
    Phase(5, "validation", "Post-cutover validation",
          "V2 in service processes real input, its outputs, values, health and audit trail are judged on the host",
          "V2 is stopped, what it wrote is kept aside, V1's last state is restored, V1 is started", commits=True, bakes=True),
)  # fmt: skip

# The way back. It is complete whatever phases 3-5 had done: each of its steps looks first and changes only what differs.
ROLLBACK = Phase(
    None, "rollback", "Rollback",
    "V2 is stopped, what it wrote is kept aside, V1's config, units, enablement and last state are as they were, V1 is in service",
    "a person must look after the host: its runbook entry says how to bring V1 back by hand", gathers=True,
)  # fmt: skip

PREPARING = tuple(phase for phase in PHASES if not phase.commits)
COMMITTING = tuple(phase for phase in PHASES if phase.commits)
(READS_FACTS,) = (phase for phase in PHASES if phase.reads_facts)
(STAGES,) = (phase for phase in PHASES if phase.stages)
(SERVES,) = (phase for phase in PHASES if phase.serves)
(BAKES,) = (phase for phase in PHASES if phase.bakes)


def phase_named(name: str) -> Phase:
    """The phase of a name or a number; KeyError where there is none."""
    for phase in (*PHASES, ROLLBACK):
        if name == phase.name or (phase.number is not None and name == str(phase.number)):
            return phase
    raise KeyError(name)
