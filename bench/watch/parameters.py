"""What the simulated service is like: every number of the simulation, and where it is from."""

from dataclasses import dataclass

DAY = 86400.0
LOOK_S = 15.0


@dataclass(frozen=True)
class Parameters:
    """A service of the size that docs/bench.md measured, under an everyday load. M: measured there; A: assumed."""

    tapes_an_hour: float = 120.0  # A: Poisson; one in 30 s
    tapes_swing: float = 0.5  # A: the rate of the busiest hour of the day is half as much again, of the quietest half
    latency_ms: float = 19.5  # M: a tape of 1000 rows from inbox to done; here the median of a lognormal
    latency_spread: float = 0.3  # A: its sigma; one tape in 20 takes 1.6 times the median
    latency_swing: float = 0.15  # A: slower and faster within each hour
    rows: int = 1000  # M: of a tape
    bad_tapes: float = 0.0005  # A: tapes that are refused rightly, 1 of 2000
    quarantined: float = 0.00001  # A: rows put aside
    memory_mb: float = 46.0  # M: after some hundred tapes
    warm_up_mb: float = 6.0  # A: what it grows by from its start, by 1/e every ten minutes
    plateau_mb: float = 1.0  # A: sigma of the step when the allocator takes or returns an arena
    plateaus_an_hour: float = 0.5  # A: how often it does
    arenas_mb: float = 5.0  # A: how far from the mean the plateaus reach
    cpu_a_tape_s: float = 0.03  # A: above the measured latency, for audit, outputs and looking
    cpu_idle: float = 0.01  # A: share of a core with nothing to do
    events_a_tape: int = 4  # M: audit records of a run
    throughput: float = 4.0e6  # M: rows/s in memory, of 1000 rows
    throughput_spread: float = 0.3  # A: sigma, lognormal
    kpi_noise: float = 0.01  # A: sigma of how far a day's KPIs wander from their mean, as a share
    kpi_memory_h: float = 6.0  # A: for how long they stay there
    kpi_tape_noise: float = 0.001  # A: from one tape to the next
    stalls_a_day: float = 0.1  # A: the host stands still for a moment (its disk, its hypervisor)
    stall_s: float = 20.0  # A: at most for so long
    missed_looks: float = 0.0005  # A: single samples that fail
    lost_sights_a_day: float = 0.1  # A: the network is away for some samples
    lost_sight_looks: int = 3  # A: at most for so many
    unanswered: float = 0.0003  # A: samples at which /metrics does not answer in time
    undecided: float = 0.001  # A: validations of rows that come to no verdict


KPIS = {"PAR30": 2.210652, "PAR90": 0.319383, "CollectionRate": 11.9733, "PortfolioHealth": 10.0}  # recipe A of SPEC
