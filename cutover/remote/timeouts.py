"""Every limit of the work over SSH: how long, how often, how many at once. Seconds where a name ends in _s.

What an operator may want to change is a variable of the inventory (cutover_lease_s, cutover_phase_deadline_s) or an option
(--forks). The limits of the agent on a host are in cutover/agent/clock.py.
"""

from cutover.agent.clock import ARM_S, SILENCE_S

# At once
FORKS = 10  # hosts at work
CONNECTS = 8  # connections being opened; from ten unauthenticated ones on sshd drops at random (MaxStartups 10:30:100)
SESSIONS = 8  # commands on one connection; sshd allows 10 (MaxSessions), and frees an ended one a moment later

# Connect
CONNECT_S = 10.0  # one try: all jump hosts, host keys, authentication
CONNECT_TRIES = 3  # where the host refused or dropped the connection: sshd restarts, or is past its MaxStartups
RETRY_S = (0.1, 0.4)  # pause after a try, at random, times its number: hosts that failed together do not retry together
CONNECT_JITTER_S = 0.02  # a connect that had to wait starts up to this much later, so that eight do not start at once
DIAL_S = 5.0  # the TCP handshake: three tries of the kernel (after 0, 1 and 3 s)
MOMENT_S = 0.001  # the least that is given to a call for which 0 means no timeout

# A connection that stands
UNACKNOWLEDGED_S = 15  # TCP_USER_TIMEOUT: sent data without an acknowledgement, then the kernel gives up
TCP_IDLE_S, TCP_INTERVAL_S, TCP_PROBES = 5, 5, 3  # TCP keepalive: a dead peer is noticed after 5 + 3 x 5 s
KEEPALIVE_S = 10  # SSH keepalive, so that NAT and firewalls do not forget an idle connection
CHANNEL_S = 10.0  # a session or a forwarding to open
DOUBTED_S = 2.0  # the same on a connection that has let a deadline pass
CLOSE_S = 1.0  # a channel to close; then the connection under it is given up
EXIT_STATUS_S = 2.0  # a program that closed its output to report its exit status
PROXY_EXIT_S = 2.0  # a ProxyCommand to end by itself; then it is killed

# Questions
LOGIN_S = 20.0  # the first questions to one host
LOGIN_ALL_S = 60.0  # the same for all hosts, connecting included
SCAN_S = 20.0  # the host keys of one host
ASK_S = 30.0  # a small request to the agents of all hosts; also what one step's look may take
ANSWER_S = 10.0  # what a request may take beyond the work that it asks for: connection, start, result
REVERT_ARM_S = ARM_S  # arming and disarming a host's own revert, which waits there for a step at work
CHECK_S = 60.0  # one command of a check
IDLE_AGENT_S = (
    SILENCE_S * 2 / 3
)  # an agent that is idle for longer is not asked again: it may be about to end by itself
