"""The Invoke surface: names, help and options. What each does is in cutover/cli; nothing heavy is imported before it is asked for."""

from invoke.collection import Collection
from invoke.context import Context

from cutover.cli.commands import ROOT, Number, command
from cutover.core.errors import ExitCode
from cutover.run.options import RunOptions
from lab.tasks import LAB

ENVIRONMENT = "hosts service inventory i json"  # shared options of nearly every command
HOSTS = "hosts service inventory i limit forks json"
APPLIED = f"{HOSTS} serial release run resume check diff yes verbose"


@command("plan", f"{HOSTS} serial release diff verbose", looks=True)
def plan(options: RunOptions) -> ExitCode:
    """Show what a cutover would do, host by host; makes a run and prints its id and fingerprint. Changes no host."""
    from cutover.cli.cutover import plan as show

    return show(options)


@command("prepare", APPLIED)
def prepare(options: RunOptions) -> ExitCode:
    """Phases 0-2 on all hosts: validate, back up, stage. V1 is not touched."""
    from cutover.cli.cutover import cutover as run

    return run(options)


@command("cutover", f"{APPLIED} answers watch")
def cutover(options: RunOptions) -> ExitCode:
    """All six phases on every host of a pattern: prepare everywhere, then V1 to V2 batch by batch, or back."""
    from cutover.cli.cutover import cutover as run

    return run(options)


@command("rollback", f"{HOSTS} run resume reason check yes verbose")
def rollback(options: RunOptions) -> ExitCode:
    """Back to V1, verified, with nothing lost: any time after a cutover, also from another machine."""
    from cutover.cli.rollback import rollback as go_back

    return go_back(options)


@command("abort", f"{HOSTS} run steal_lock check yes verbose")
def abort(options: RunOptions) -> ExitCode:
    """End a run that is not confirmed: before phase 3 it is given up, after that it is rolled back. No such run: says so."""
    from cutover.cli.rollback import abort as give_up

    return give_up(options)


@command("status", HOSTS, looks=True)
def status(options: RunOptions) -> ExitCode:
    """What each host is running, who holds it, and whether a revert is armed."""
    from cutover.cli.judge import status as look

    return look(options)


@command("verify", f"{HOSTS} run", looks=True)
def verify(options: RunOptions, phase: str = "", junit: str = "") -> ExitCode:
    """Run the testinfra checks of a phase against the hosts, alone."""
    from cutover.cli.judge import verify as judge

    return judge(options, phase, junit)


@command("validate", HOSTS, looks=True)
def validate(options: RunOptions) -> ExitCode:
    """The five checks on the live service, through its deployed entry point."""
    from cutover.cli.judge import validate as judge

    return judge(options)


@command("shadow", f"{HOSTS} run", looks=True)
def shadow(options: RunOptions) -> ExitCode:
    """Run the old and the new release on each host's own newest input, frozen, and report every difference. Changes no host."""
    from cutover.cli.judge import shadow as compare

    return compare(options)


@command("report", f"{ENVIRONMENT} run", looks=True)
def report(options: RunOptions, bundle: bool = False, key: str = "", verify: str = "", signers: str = "") -> ExitCode:
    """Regenerate the report of a run; with --bundle sign all its evidence into one file, with --verify judge such a file, offline."""
    from cutover.cli.report import report as draw

    return draw(options, bundle=bundle, key=key, verify=verify, signers=signers)


@command("monitor", f"{HOSTS} run")
def monitor(options: RunOptions, once: bool = False) -> ExitCode:
    """Watch the new release for 24 hours: sample, judge, notify, hold, and roll back where a rule says so. Continues where it stopped."""
    from cutover.cli.monitor import monitor as watch

    return watch(options, once=once)


@command("signoff", f"{ENVIRONMENT} run")
def signoff(
    options: RunOptions, role: str = "", name: str = "", decision: str = "go_on", point: str = "", note: str = ""
) -> ExitCode:
    """Decide, by name and role, what a watch waits for; or sign one of its points (hour 24, day 7, day 28)."""
    from cutover.cli.monitor import signoff as sign

    return sign(options, role, name, decision, point, note)


@command("announce", f"{ENVIRONMENT} check yes")
def announce(options: RunOptions, event: str = "", at: str = "", message: str = "") -> ExitCode:
    """Announce a cutover or how one stands: shows text and receivers, asks, sends, reports what each channel did."""
    from cutover.cli.announce import announce as send

    return send(options, event, at, message)


@command("hosts.list", "hosts inventory i limit json", looks=True)
def hosts_list(options: RunOptions) -> ExitCode:
    """The hosts of a pattern, with their groups and addresses. Asks no host."""
    from cutover.cli.hosts import listing

    return listing(options)


@command("hosts.ping", HOSTS, looks=True)
def ping(options: RunOptions) -> ExitCode:
    """Reach every host: login, sudo, Python."""
    from cutover.cli.hosts import ping as reach

    return reach(options)


@command("hosts.trust", "hosts inventory i limit forks json yes")
def trust(options: RunOptions, replace: bool = False) -> ExitCode:
    """Show the hosts' key fingerprints, and pin them in the environment's known_hosts after you confirm."""
    from cutover.cli.hosts import trust as pin

    return pin(options, replace=replace)


@command("agent.install", "hosts service inventory i limit forks json yes")
def install(options: RunOptions, into: str = "") -> ExitCode:
    """Put this version's agent on the hosts as root's own program, and show the rule by which sudoers allow it alone."""
    from cutover.cli.hosts import install as put

    return put(options, into)


@command("rehearse")
def rehearse(_c: Context, count: int = 3, json: bool = False, verbose: bool = False) -> ExitCode:
    """On fresh test hosts (a lab that is up is taken down first): V1 in service, cutover, rollback, cutover again; prints outage, rollback
    time and where the report is, and leaves the hosts up, on V2.
    """
    from lab.rehearse import rehearse as run

    return run(ROOT, count, json=json, verbose=verbose)


@command("test")
def test(c: Context, k: str = "", unit: bool = False, faults: bool = False, seed: Number = None) -> ExitCode:
    """All tests, those on real test hosts included (root)."""
    from cutover.cli import develop

    return develop.faults(c, ROOT, seed or 0) if faults else develop.test(c, ROOT, k, unit=unit)


@command("check", looks=True)
def check(c: Context) -> ExitCode:
    """Format, lint, types, architecture and generated documents."""
    from cutover.cli.develop import check as run

    return run(c, ROOT)


@command("bench")
def bench(_c: Context, rounds: int = 3, only: str = "", against: str = "") -> ExitCode:
    """Measure speed beside plain shell, pyinfra, Ansible and an earlier revision on test hosts of its own (root), and the KPIs; writes
    docs/bench.md.
    """
    from bench.command import bench as run

    return run(ROOT, rounds, only, against)


@command("runbook")
def runbook(_c: Context) -> ExitCode:
    """Regenerate each service's runbook.md from phases, steps and checks, and the tables of docs/commands.md from these commands."""
    from cutover.cli.develop import runbook as run

    return run(ROOT, [namespace[name] for name in namespace.task_names])


@command("prometheus")
def prometheus(_c: Context) -> ExitCode:
    """Regenerate each service's prometheus/: alerts and a Grafana dashboard from the rules of the watch."""
    from cutover.cli.develop import prometheus as run

    return run(ROOT)


namespace = Collection(
    plan, prepare, cutover, rollback, abort, status, verify, validate, shadow, monitor, signoff, announce, report, rehearse, test, check,
    bench, runbook, prometheus,
)  # fmt: skip
namespace.add_collection(Collection("hosts", hosts_list, ping, trust))
namespace.add_collection(Collection("agent", install))
namespace.add_collection(LAB)
