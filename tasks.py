"""The Invoke surface: names, help and options. What each does is in cutover/cli; nothing heavy is imported before it is asked for."""

from pathlib import Path
from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context

from cutover.cli.commands import Number, command, end_with
from lab.tasks import LAB

if TYPE_CHECKING:
    from cutover.run.options import Where

ROOT = Path(__file__).parent


def _where(
    name: str, hosts: str, inventory: str, limit: str = "", forks: Number = None, *, json: bool, run: str = "",
    last: bool = True, service: str = "",
) -> "Where":  # fmt: skip
    """The options that nearly every command has."""
    from cutover.run.options import Where

    return Where(ROOT, name, hosts, inventory, limit, forks or 0, json, run, last, service)


@command("plan", looks=True)
def plan(
    _c: Context, hosts: str = "", service: str = "", inventory: str = "", i: str = "", limit: str = "", forks: Number = None,
    json: bool = False,
    serial: str = "", release: str = "", diff: bool = False, verbose: bool = False,
) -> None:  # fmt: skip
    """Show what a cutover would do, host by host; makes a run and prints its id and fingerprint. Changes no host."""
    from cutover.cli.cutover import plan as show
    from cutover.run.options import RunOptions

    options = RunOptions(
        ROOT, "plan", hosts, inventory or i, limit, forks or 0, json,
        service=service, last=False, serial=serial, release=release, diff=diff, verbose=verbose
    )  # fmt: skip
    end_with(show(options))


@command("prepare")
def prepare(
    _c: Context, hosts: str = "", service: str = "", inventory: str = "", i: str = "", limit: str = "", forks: Number = None,
    json: bool = False,
    serial: str = "", release: str = "", run: str = "", resume: bool = False, check: bool = False, yes: bool = False, diff: bool = False,
    verbose: bool = False,
) -> None:  # fmt: skip
    """Phases 0-2 on all hosts: validate, back up, stage. V1 is not touched."""
    from cutover.cli import cutover as cli
    from cutover.run.options import RunOptions

    options = RunOptions(
        ROOT, "prepare", hosts, inventory or i, limit, forks or 0, json, run,
        service=service, last=resume, serial=serial, release=release, resume=resume,
        check=check, yes=yes, diff=diff, verbose=verbose,
    )  # fmt: skip
    end_with(cli.plan(options) if check else cli.cutover(options))


@command("cutover")
def cutover(
    _c: Context, hosts: str = "", service: str = "", inventory: str = "", i: str = "", limit: str = "", forks: Number = None,
    json: bool = False,
    serial: str = "", release: str = "", run: str = "", resume: bool = False, check: bool = False, diff: bool = False, yes: bool = False,
    verbose: bool = False, answers: str = "", watch: bool = False,
) -> None:  # fmt: skip
    """All six phases on every host of a pattern: prepare everywhere, then V1 to V2 batch by batch, or back."""
    from cutover.cli import cutover as cli
    from cutover.run.options import RunOptions

    options = RunOptions(
        ROOT, "cutover", hosts, inventory or i, limit, forks or 0, json, run,
        service=service, last=resume, serial=serial, release=release, answers=answers,
        resume=resume, check=check, watch=watch, diff=diff, yes=yes, verbose=verbose,
    )  # fmt: skip
    end_with(cli.plan(options) if check else cli.cutover(options))


@command("rollback")
def rollback(
    _c: Context, hosts: str = "", service: str = "", inventory: str = "", i: str = "", limit: str = "", forks: Number = None,
    json: bool = False,
    run: str = "", resume: bool = False, reason: str = "", check: bool = False, yes: bool = False, verbose: bool = False,
) -> None:  # fmt: skip
    """Back to V1, verified, with nothing lost: any time after a cutover, also from another machine."""
    from cutover.cli.rollback import rollback as go_back
    from cutover.run.options import RunOptions

    options = RunOptions(
        ROOT, "rollback", hosts, inventory or i, limit, forks or 0, json, run,
        service=service, reason=reason or RunOptions.reason, resume=resume,
        check=check, yes=yes, verbose=verbose,
    )  # fmt: skip
    end_with(go_back(options))


@command("abort")
def abort(
    _c: Context, hosts: str = "", service: str = "", inventory: str = "", i: str = "", limit: str = "", forks: Number = None,
    json: bool = False,
    run: str = "", steal_lock: str = "", check: bool = False, yes: bool = False, verbose: bool = False,
) -> None:  # fmt: skip
    """End a run: before phase 3 it is given up, after that it is rolled back. Idle: says so."""
    from cutover.cli.rollback import abort as give_up
    from cutover.run.options import RunOptions

    options = RunOptions(
        ROOT, "abort", hosts, inventory or i, limit, forks or 0, json, run,
        service=service, reason="aborted by a person", steal=steal_lock, check=check,
        yes=yes, verbose=verbose,
    )  # fmt: skip
    end_with(give_up(options))


@command("status", looks=True)
def status(
    _c: Context, hosts: str = "", service: str = "", inventory: str = "", i: str = "", limit: str = "", forks: Number = None,
    json: bool = False,
) -> None:  # fmt: skip
    """What each host is running, who holds it, and whether a revert is armed."""
    from cutover.cli.judge import status as look

    end_with(look(_where("status", hosts, inventory or i, limit, forks, json=json, service=service)))


@command("verify", looks=True)
def verify(
    _c: Context, hosts: str = "", service: str = "", inventory: str = "", i: str = "", limit: str = "", forks: Number = None,
    json: bool = False,
    run: str = "", phase: str = "", junit: str = "",
) -> None:  # fmt: skip
    """Run the testinfra checks of a phase against the hosts, alone."""
    from cutover.cli.judge import verify as judge

    end_with(
        judge(_where("verify", hosts, inventory or i, limit, forks, json=json, service=service, run=run), phase, junit)
    )


@command("validate", looks=True)
def validate(
    _c: Context, hosts: str = "", service: str = "", inventory: str = "", i: str = "", limit: str = "", forks: Number = None,
    json: bool = False,
) -> None:  # fmt: skip
    """The five checks on the live service, through its deployed entry point."""
    from cutover.cli.judge import validate as judge

    end_with(judge(_where("validate", hosts, inventory or i, limit, forks, json=json, service=service)))


@command("shadow", looks=True)
def shadow(
    _c: Context, hosts: str = "", service: str = "", inventory: str = "", i: str = "", limit: str = "", forks: Number = None,
    json: bool = False, run: str = ""
) -> None:  # fmt: skip
    """Run the old and the new release on each host's own newest input, frozen, and report every difference. Changes nothing."""
    from cutover.cli.judge import shadow as compare

    end_with(compare(_where("shadow", hosts, inventory or i, limit, forks, json=json, service=service, run=run)))


@command("report", looks=True)
def report(
    _c: Context, hosts: str = "", service: str = "", inventory: str = "", i: str = "",
    json: bool = False, run: str = "", bundle: bool = False, key: str = "",
    verify: str = "", signers: str = "",
) -> None:  # fmt: skip
    """Draw the report of a run anew; with --bundle sign all its evidence into one file, with --verify judge such a file, offline."""
    from cutover.cli.report import EvidenceOptions
    from cutover.cli.report import report as write

    where = _where("report", hosts, inventory or i, json=json, service=service, run=run)
    end_with(write(where, EvidenceOptions(bundle, key, verify, signers)))


@command("monitor")
def monitor(
    _c: Context, hosts: str = "", service: str = "", inventory: str = "", i: str = "", limit: str = "", forks: Number = None,
    json: bool = False,
    run: str = "", once: bool = False,
) -> None:  # fmt: skip
    """Watch the new release for 24 hours: sample, judge, notify, hold, and roll back where a rule says so. Continues where it stopped."""
    from cutover.cli.monitor import monitor as watch

    end_with(
        watch(_where("monitor", hosts, inventory or i, limit, forks, json=json, service=service, run=run), once=once)
    )


@command("signoff")
def signoff(
    _c: Context, hosts: str = "", service: str = "", inventory: str = "", i: str = "",
    json: bool = False, run: str = "", role: str = "", name: str = "",
    decision: str = "go_on", point: str = "", note: str = "",
) -> None:  # fmt: skip
    """Decide, by name and role, what a watch waits for; or sign one of its points (hour 24, day 7, day 28)."""
    from cutover.cli.monitor import signoff as sign

    where = _where("signoff", hosts, inventory or i, json=json, service=service, run=run)
    end_with(sign(where, role, name, decision, point, note))


@command("announce")
def announce(
    _c: Context, hosts: str = "", service: str = "", inventory: str = "", i: str = "",
    json: bool = False, event: str = "", at: str = "", message: str = "",
    check: bool = False, yes: bool = False,
) -> None:  # fmt: skip
    """Announce a cutover or how one stands: shows text and receivers, asks, sends, reports what each channel did."""
    from cutover.cli.announce import announce as send

    where = _where("announce", hosts, inventory or i, json=json, service=service)
    end_with(send(where, event, at, message, yes, check))


@command("hosts.list", looks=True)
def hosts_list(
    _c: Context, hosts: str = "", inventory: str = "", i: str = "", limit: str = "", json: bool = False
) -> None:
    """The hosts of a pattern, with their groups and addresses. Asks no host."""
    from cutover.cli.hosts import listing

    end_with(listing(_where("hosts.list", hosts, inventory or i, limit, json=json)))


@command("hosts.ping", looks=True)
def ping(
    _c: Context, hosts: str = "", service: str = "", inventory: str = "", i: str = "", limit: str = "", forks: Number = None,
    json: bool = False,
) -> None:  # fmt: skip
    """Reach every host: login, sudo, Python."""
    from cutover.cli.hosts import ping as reach

    end_with(reach(_where("hosts.ping", hosts, inventory or i, limit, forks, json=json, service=service)))


@command("hosts.trust")
def trust(
    _c: Context, hosts: str = "", inventory: str = "", i: str = "", limit: str = "", forks: Number = None, json: bool = False,
    replace: bool = False, yes: bool = False,
) -> None:  # fmt: skip
    """Show the hosts' key fingerprints and pin them in the environment's known_hosts after a yes."""
    from cutover.cli.hosts import trust as pin

    end_with(pin(_where("hosts.trust", hosts, inventory or i, limit, forks, json=json), replace=replace, yes=yes))


@command("rehearse")
def rehearse(_c: Context, count: int = 3, json: bool = False, verbose: bool = False) -> None:
    """On fresh test hosts (a lab that is up is taken down first): V1 in service, cutover, rollback, cutover again; prints outage, rollback
    time and where the report is, and leaves the hosts up, on V2.
    """
    from lab.rehearse import rehearse as run

    end_with(run(ROOT, count, json=json, verbose=verbose))


@command("test")
def test(c: Context, k: str = "", unit: bool = False, faults: bool = False, seed: Number = None) -> None:
    """All tests, those on real test hosts included (root)."""
    from cutover.cli import develop

    end_with(develop.faults(c, ROOT, seed or 0) if faults else develop.test(c, ROOT, k, unit=unit))


@command("check", looks=True)
def check(c: Context) -> None:
    """Format, lint, types and architecture."""
    from cutover.cli.develop import check as run

    end_with(run(c, ROOT))


@command("bench")
def bench(_c: Context, rounds: int = 3, only: str = "", against: str = "") -> None:
    """Measure speed beside plain shell, pyinfra, Ansible and an earlier revision on test hosts of its own (root), and the KPIs; writes
    docs/bench.md.
    """
    from bench.command import bench as run

    end_with(run(ROOT, rounds, only, against))


@command("runbook")
def runbook(_c: Context) -> None:
    """Write each service's runbook.md anew from phases, steps and checks, and the tables of docs/commands.md from these commands."""
    from cutover.cli.develop import runbook as run

    end_with(run(ROOT, [namespace[name] for name in namespace.task_names]))


@command("prometheus")
def prometheus(_c: Context) -> None:
    """Write each service's prometheus/rules.yml anew: alerts from the rules of the watch."""
    from cutover.cli.develop import prometheus as run

    end_with(run(ROOT))


namespace = Collection(
    plan, prepare, cutover, rollback, abort, status, verify, validate, shadow, monitor, signoff, announce, report, rehearse, test, check,
    bench, runbook, prometheus,
)  # fmt: skip
namespace.add_collection(Collection("hosts", hosts_list, ping, trust))
namespace.add_collection(LAB)
