"""Every limit of the work over SSH: how long, how often, how many at once. Seconds where a name ends in _s.

What an operator may want to change is a variable of the inventory (cutover_lease_s, cutover_phase_deadline_s) or an option
(--forks). The limits of the agent on a host are in cutover/agent/clock.py.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cutover.agent.clock import ARM_S as AGENT_ARM_S
from cutover.agent.clock import SILENCE_S
from cutover.core.errors import Problem, UsageError

if TYPE_CHECKING:
    from cutover.inventory.targets import Targets

# At once
FORKS = 10  # hosts at work
CONNECTS = 8  # connections being opened; from ten unauthenticated ones on sshd drops at random (MaxStartups 10:30:100)

# Connect
CONNECT_S = 10.0  # one try: all jump hosts, host keys, authentication
CONNECT_TRIES = 3  # where the host refused or dropped the connection: sshd restarts, or is past its MaxStartups
RETRY_S = (0.1, 0.4)  # pause after a try, at random, times its number: hosts that failed together do not retry together
DIAL_S = 5.0  # the TCP handshake: three tries of the kernel (after 0, 1 and 3 s)
MOMENT_S = 0.001  # the least that is given to a call for which 0 means no timeout

# A connection that stands
UNACKNOWLEDGED_S = 15  # TCP_USER_TIMEOUT: sent data without an acknowledgement, then the kernel gives up
TCP_IDLE_S, TCP_INTERVAL_S, TCP_PROBES = 5, 5, 3  # TCP keepalive: a dead peer is noticed after 5 + 3 x 5 s
KEEPALIVE_S = 10  # SSH keepalive, so that NAT and firewalls do not forget an idle connection
CHANNEL_S = 10.0  # a session or a forwarding to open
DOUBTED_S = 2.0  # the same on a connection that has let a deadline pass
CLOSE_S = 5.0  # a channel to close; then the connection under it is given up
EXIT_STATUS_S = 2.0  # a program that closed its output to report its exit status
PROXY_EXIT_S = 2.0  # a ProxyCommand to end by itself; then it is killed

# Questions
LOGIN_S = 20.0  # the first questions to one host
LOGIN_ALL_S = 60.0  # the same for all hosts, connecting included
SCAN_S = 20.0  # the host keys of one host
ASK_S = 30.0  # a small request to the agents of all hosts; also what one step's look may take
ANSWER_S = 10.0  # what a request may take beyond the work that it asks for: connection, start, result
ARM_S = AGENT_ARM_S  # arming and disarming a host's own revert, which waits there for a step at work
CHECK_S = 60.0  # one command of a check
# An agent that is idle for longer is not asked again: it may be about to end by itself.
IDLE_AGENT_S = SILENCE_S * 2 / 3

# A run, in seconds. Those of the variables are set by roles/standard/defaults.yml, where each default is documented.

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
    """Read them from the variables; they concern the run, so they must be the same on all hosts.

    A host must hear from its controller several times before it gives it up, or one lost renewal would end the run.
    """

    def seconds(name: str) -> float:
        return float(str(targets.shared(name)))

    times = Times(
        lease=seconds("cutover_lease_s"),
        confirm=seconds("cutover_confirm_s"),
        renew=seconds("cutover_renew_s"),
        phase=seconds("cutover_phase_deadline_s"),
        rollback_budget=seconds("cutover_rollback_budget_s"),
        bake=seconds("cutover_bake_s"),
        bake_every=seconds("cutover_bake_every_s"),
    )
    problems = [
        Problem(
            path=name,
            found=f"cutover_renew_s is {times.renew:g} and {name} is {limit:g}: {RENEWALS} x cutover_renew_s may not be more than {name}",
            next=f"set cutover_renew_s to at most {limit / RENEWALS:.3g}, or {name} to at least {times.renew * RENEWALS:g}",
        )
        for name, limit in (("cutover_lease_s", times.lease), ("cutover_confirm_s", times.confirm))
        if RENEWALS * times.renew > limit
    ]
    if problems:
        raise UsageError(problems)
    return times
